"""Write the audit log, inside the transaction of what it tells of: one is never true without the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.registry.audit import ChainedEntry, chain_hash
from tsm_gateway.store.audit_rows import entry_row
from tsm_gateway.store.audit_statements import INSERT_AUDIT, MOVE_AUDIT_HEAD, READ_AUDIT_HEAD

if TYPE_CHECKING:
    import sqlite3

    from tsm_gateway.registry.audit import AuditEntry
    from tsm_gateway.store.acts import Act


def append(cursor: sqlite3.Cursor, actor: str, act: Act) -> None:
    """Put on record that `actor` did this."""
    append_entry(cursor, act.by(actor))


def append_entry(cursor: sqlite3.Cursor, entry: AuditEntry) -> None:
    """Add an entry at the end, chained to the one before.

    The transaction holds the store's write lock, so no other process is at the same place.
    """
    last, previous = cursor.execute(READ_AUDIT_HEAD).fetchone()
    sequence = last + 1
    octets = chain_hash(sequence, previous, entry)
    cursor.execute(INSERT_AUDIT, entry_row(ChainedEntry(sequence, entry, octets)))
    cursor.execute(MOVE_AUDIT_HEAD, (sequence, octets))
