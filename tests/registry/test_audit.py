"""The audit log's chain: hashed as it is described, and every entry bound to the one before."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import cbor2
import pytest

from tsm_gateway.registry.audit import DONE, START, AuditEntry, ChainedEntry, broken_links, chain_hash

ENTRY = AuditEntry(
    1_760_000_000, "operator alice (uid 1000)", "device.suspend", "d:1", DONE, "lost", (("kind", "lost"),)
)
OTHERS: dict[str, Any] = {
    "at": 1,
    "actor": "provisioning",
    "action": "device.resume",
    "subject": "d:2",
    "outcome": "refused",
    "reason": "",
    "facts": (("kind", "stolen"),),
}


def chain(count: int) -> list[ChainedEntry]:
    """`count` entries, chained as the description says."""
    entries, previous = [], START
    for number in range(1, count + 1):
        entry = ENTRY._replace(subject=f"d:{number}")
        previous = chain_hash(number, previous, entry)
        entries.append(ChainedEntry(number, entry, previous))
    return entries


def test_a_hash_is_over_the_place_the_hash_before_and_every_field() -> None:
    previous = bytes(range(32))
    written = ["tsm-audit-1", 7, previous, *ENTRY[:6], [["kind", "lost"]]]
    assert chain_hash(7, previous, ENTRY) == sha256(cbor2.dumps(written)).digest()


@pytest.mark.parametrize("field", AuditEntry._fields)
def test_another_value_in_any_field_is_another_hash(field: str) -> None:
    assert chain_hash(1, START, ENTRY._replace(**{field: OTHERS[field]})) != chain_hash(1, START, ENTRY)


def test_another_place_or_another_entry_before_is_another_hash() -> None:
    assert len({chain_hash(1, START, ENTRY), chain_hash(2, START, ENTRY), chain_hash(1, b"", ENTRY)}) == 3


@pytest.mark.parametrize("number", [1, 4, 8])
def test_an_entry_that_was_altered_and_hashed_anew_breaks_the_one_behind_it(number: int) -> None:
    entries = chain(9)
    assert broken_links(entries) == []
    before = entries[number - 2].hash if number > 1 else START
    forged = ENTRY._replace(reason="forged")
    entries[number - 1] = ChainedEntry(number, forged, chain_hash(number, before, forged))
    assert broken_links(entries) == [number + 1]


def test_a_run_that_follows_another_entry_than_is_said_is_broken_where_it_begins() -> None:
    entries = chain(6)
    assert broken_links(entries[3:], 3, entries[2].hash) == []
    assert broken_links(entries[3:], 3, entries[1].hash) == [4]
    assert broken_links(entries[3:], 2, entries[2].hash) == [4]
