"""Rows of the audit log to entries and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tsm_gateway.registry.audit import AuditEntry, ChainedEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

# Stands for facts that cannot be read: no entry has ever had it, so the chain does not hold.
UNREADABLE: Final = (("unreadable", "facts"), ("facts", "unreadable"))
_written: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def entry_row(chained: ChainedEntry) -> tuple[Any, ...]:
    """Columns of schema_provisioning.audit."""
    *ahead, facts = chained.entry
    return (chained.sequence, *ahead, _written(facts), chained.hash)


def read_entry(row: Sequence[Any]) -> ChainedEntry:
    """The entry of a row, as it is: whether it is what was written, its chain tells."""
    sequence, at, actor, action, subject, outcome, reason, facts, octets = row
    entry = AuditEntry(at, actor, action, subject, outcome, reason, _read(facts))
    return ChainedEntry(sequence, entry, octets)


def _read(text: str) -> tuple[tuple[str, str], ...]:
    """The facts of a text that `_written` made; any other spelling is not what was written."""
    try:
        facts = tuple((name, value) for name, value in json.loads(text))
        return facts if _written(facts) == text else UNREADABLE
    except (ValueError, TypeError, RecursionError):
        return UNREADABLE
