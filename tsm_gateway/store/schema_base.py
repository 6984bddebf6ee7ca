"""What all tables have in common: one catalogue, names of constraints, whole numbers, clustering."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

Whole = BigInteger().with_variant(Integer(), "sqlite")  # 64 bits, signed, in both databases

# Rows sit in the tree of their primary key itself: one page written where two would be.
CLUSTERED: Final[dict[str, Any]] = {"sqlite_with_rowid": False}
