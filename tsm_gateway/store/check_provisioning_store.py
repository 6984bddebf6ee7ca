"""What `store check` looks at in the tables of both channels, and the chain of the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.registry.audit import START, broken_links
from tsm_gateway.store.audit_rows import read_entry
from tsm_gateway.store.audit_statements import LIST_AUDIT, READ_AUDIT_HEAD
from tsm_gateway.store.check_delivery_store import DELIVERY_READERS
from tsm_gateway.store.check_statements import EVERY_ROW
from tsm_gateway.store.provisioning_rows import (
    OTHER_FORM,
    read_arrival,
    read_element,
    read_enrolment,
    read_message,
    read_order,
    read_package,
    read_registration,
    read_suspension,
)
from tsm_gateway.store.registry_rows import RowDamaged

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

SLICE = 1_000  # entries in memory at a time
MOST = 100  # broken links told one by one
READERS: Mapping[str, Callable[[Sequence[Any]], object]] = {
    "enrolment": read_enrolment,
    "key_package": read_package,
    "registration": read_registration,
    "secure_element": read_element,
    "suspension": read_suspension,
    "key_order": read_order,
    "control_in": read_arrival,
    "control_out": read_message,
    **DELIVERY_READERS,
}


def provisioning_faults(connection: sqlite3.Connection) -> Iterator[str]:
    """Everything wrong with checksums and chain, as of the open transaction. Raises sqlite3.Error."""
    for table, read in READERS.items():
        for row in connection.execute(EVERY_ROW[table]):
            try:
                read(row)
            except RowDamaged as damaged:
                key = row[0].hex() if isinstance(row[0], bytes) else row[0]
                yield f"{table.replace('_', ' ')} {key}: {_damage(damaged)}"
    yield from audit_faults(connection)


def _damage(damaged: RowDamaged) -> str:
    """A whole row may still be one that another version of the gateway wrote."""
    if damaged.facts.get("problem") == OTHER_FORM:
        return "whole, but in a form that this version does not read"
    return "the checksum does not hold"


def audit_faults(connection: sqlite3.Connection) -> Iterator[str]:
    """Entries of the audit log that are not where they were written, and an end that is not the head's."""
    last, previous, told = 0, START, 0
    while rows := connection.execute(LIST_AUDIT, (last, SLICE)).fetchall():
        entries = [read_entry(row) for row in rows]
        for number in broken_links(entries, last, previous)[: MOST - told]:
            told += 1
            yield f"audit entry {number}: not what was written, or not in its place"
        last, previous = entries[-1].sequence, entries[-1].hash
    if connection.execute(READ_AUDIT_HEAD).fetchone() != (last, previous):
        yield f"audit log: its end, entry {last}, is not the one its head knows"
