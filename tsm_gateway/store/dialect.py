"""Statements are written once with SQLAlchemy Core and compiled once, when their module is loaded.

The hot path hands the compiled text to the driver; no statement is built per message. Each statement
names its parameters in the order in which the driver wants them, and a difference stops the start.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import bindparam, literal_column
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import BindParameter, ColumnElement, Executable, Select, Table
    from sqlalchemy.sql.compiler import SQLCompiler

IN_CHUNK: Final = 64  # how many values a compiled IN takes; shorter lists repeat their last value
SQLITE: Final = sqlite.dialect(paramstyle="qmark")


def compiled(statement: Executable, *order: str) -> str:
    """The statement's text for SQLite, its parameters being `order`. Raises ValueError when they are not."""
    result = cast("SQLCompiler", statement.compile(dialect=SQLITE))  # type: ignore[attr-defined]
    found = tuple(result.positiontup or ())
    if found != order:
        message = f"a statement takes {found}, not {order}: {result}"
        raise ValueError(message)
    return str(result)


def fixed(value: Enum | int | str) -> ColumnElement[Any]:
    """A state or number of ours as part of the statement's text: plans depend on it."""
    return literal_column(repr(value.value if isinstance(value, Enum) else value))


def given(name: str) -> BindParameter[Any]:
    """A parameter."""
    return bindparam(name)


def chunk(name: str) -> list[BindParameter[Any]]:
    """The parameters of an IN over one chunk of values."""
    return [bindparam(f"{name}_{index}") for index in range(IN_CHUNK)]


def chunk_order(name: str) -> list[str]:
    """The names of `chunk`'s parameters."""
    return [f"{name}_{index}" for index in range(IN_CHUNK)]


def limited(statement: Select[Any], name: str) -> Select[Any]:
    """At most so many rows; SQLAlchemy would add a parameter of its own for the offset."""
    return statement.limit(given(name)).offset(fixed(0))


def insert_row(table: Table) -> str:
    """Insert a whole row, its values in the order of the table's columns; a taken key is an error."""
    names = [column.name for column in table.columns]
    return compiled(insert(table).values({name: bindparam(name) for name in names}), *names)


def insert_new(table: Table) -> str:
    """Insert a whole row unless one of its unique keys is taken: the row count tells."""
    names = [column.name for column in table.columns]
    row = insert(table).values({name: bindparam(name) for name in names})
    return compiled(row.on_conflict_do_nothing(), *names)


def put_row(table: Table) -> str:
    """Insert a whole row, its values in the order of the table's columns, in place of the one of that key."""
    names = [column.name for column in table.columns]
    key = [column.name for column in table.primary_key.columns]
    row = insert(table).values({name: bindparam(name) for name in names})
    later = {name: row.excluded[name] for name in names if name not in key}
    return compiled(row.on_conflict_do_update(index_elements=key, set_=later), *names)


def in_chunks(
    execute: Callable[[str, Sequence[Any]], Iterable[Any]], sql: str, values: Iterable[Any]
) -> Iterator[Any]:
    """The rows of a statement with an IN over one `chunk`, for any number of values."""
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), IN_CHUNK):
        piece = distinct[start : start + IN_CHUNK]
        yield from list(execute(sql, piece + piece[-1:] * (IN_CHUNK - len(piece))))
