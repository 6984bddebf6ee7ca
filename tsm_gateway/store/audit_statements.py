"""The statements of the audit log; compiled when loaded. There is none that changes an entry."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, update

from tsm_gateway.store.dialect import compiled, given, insert_row, limited
from tsm_gateway.store.schema_provisioning import audit, audit_head

INSERT_AUDIT: Final = insert_row(audit)
READ_AUDIT_HEAD: Final = compiled(select(audit_head.c.sequence, audit_head.c.hash))
MOVE_AUDIT_HEAD: Final = compiled(
    update(audit_head).values(sequence=given("to"), hash=given("octets")), *("to", "octets")
)
LIST_AUDIT: Final = compiled(
    limited(select(audit).where(audit.c.sequence > given("after")).order_by(audit.c.sequence), "limit"),
    *("after", "limit"),
)
