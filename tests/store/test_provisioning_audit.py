"""The audit log in the store: nobody rewrites it, and whoever does all the same is found."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.store.provisioning_samples import activated, last_act, registered
from tests.store.samples import (
    FIRST_WINDOW,
    NOW,
    PROVIDER_KID,
    device,
    device_id,
    device_key,
    kid,
    open_store,
    provider,
    provider_key,
)
from tsm_gateway.registry.audit import DONE, REFUSED, START, AuditEntry, broken_links
from tsm_gateway.registry.device import DeviceMove
from tsm_gateway.registry.errors import AlreadyKnown
from tsm_gateway.registry.provider import ProviderMove
from tsm_gateway.store.audit_triggers import TRIGGERS

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore

NOTE = AuditEntry(NOW, "device d:1", "device.enrol", "d:1", REFUSED, "key-weak", (("bits", "1024"),))
ENTRIES = 12
REST = "actor, action, subject, outcome, 'forged', facts, hash FROM audit WHERE sequence = 2"
COLUMNS = ("at", "actor", "action", "subject", "outcome", "reason", "facts", "hash", "sequence")


# --- the registry's own writes ---


def each_write(store: SqliteStore) -> None:
    """Every administrative call of the registry, once."""
    registry = store.registry
    registry.add_device(device(7), device_key(7), FIRST_WINDOW)
    registry.add_devices([(device(8), None, None), (device(9), None, None)])
    registry.add_device_key(device_key(7, kid=kid(900), epoch=2), FIRST_WINDOW, overlap_s=0, at=NOW)
    registry.move_device(device_id(7), DeviceMove.SUSPEND, reason="lost", at=NOW)
    registry.change_device(device(7, msisdn="+49170555"), at=NOW)
    registry.add_provider(
        provider("shop", addresses=("sp:shop",)), provider_key("shop", kid=kid(901)), next_piv=1
    )
    registry.change_provider(provider("shop", addresses=(), msisdn="+4930111"), at=NOW)
    registry.rotate_provider_key(provider_key("shop", kid=kid(902), epoch=2), next_piv=1, overlap_s=0, at=NOW)
    registry.move_provider("shop", ProviderMove.RETIRE, reason="closed", at=NOW)
    registry.rewrap(kid(1), device_key(1).wrapped, b"new", 2)
    registry.rewrap_all(
        [(kid(2), device_key(2).wrapped, b"new", 2), (PROVIDER_KID, provider_key().wrapped, b"new", 2)]
    )


WRITES = [
    ("device.add", device_id(7)),
    ("device.add", device_id(8)),
    ("key.rotate", device_id(7)),
    ("device.suspend", device_id(7)),
    ("device.change", device_id(7)),
    ("provider.add", "shop"),
    ("provider.change", "shop"),
    ("key.rotate", "shop"),
    ("provider.retire", "shop"),
    ("key.rewrap", device_id(1)),
    ("key.rewrap", "store"),
]


def test_every_administrative_call_leaves_one_entry(store: SqliteStore) -> None:
    head, _ = store.provisioning.audit_head()
    each_write(store)
    entries = [each.entry for each in store.provisioning.audit(head)]
    assert [(entry.action, entry.subject) for entry in entries] == WRITES
    assert {(entry.actor, entry.outcome) for entry in entries} == {("tester", DONE)}
    facts = [dict(entry.facts) for entry in entries]
    assert facts[1] == {"devices": "2", "last": device_id(9)}
    assert facts[4] == {"was": "…07", "number": "…55"}
    assert facts[6] == {"changed": "addresses msisdn"}
    assert facts[10] == {"keys": "2", "master_version": "2"}


def test_a_resync_leaves_an_entry(folder: Path) -> None:
    store = open_store(folder, actor="operator alice (uid 1000)")
    store.resync(advance=5, demand_new_keys=False)
    assert last_act(store) == ("store.resync", "store", "windows advanced by 5")
    store.close()


def test_a_call_that_changes_nothing_leaves_none(store: SqliteStore) -> None:
    before = (store.provisioning.audit_head(), store.generation)
    store.registry.add_devices([])
    store.registry.rewrap_all([])
    assert (store.provisioning.audit_head(), store.generation) == before


def test_a_call_that_fails_leaves_none(store: SqliteStore) -> None:
    before = store.provisioning.audit_head()
    with pytest.raises(AlreadyKnown):
        store.registry.add_device(device(1))
    assert store.provisioning.audit_head() == before


def test_nothing_of_a_wrapped_key_is_in_the_log(folder: Path, store: SqliteStore) -> None:
    each_write(store)
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        everything = repr(connection.execute("SELECT * FROM audit").fetchall())
    assert "wrapped key" not in everything
    assert device(7).msisdn not in everything


# --- entries ---


def test_a_note_is_kept_as_it_was_given(store: SqliteStore) -> None:
    store.provisioning.note(NOTE)
    store.flush()
    (found,) = store.provisioning.audit(after=store.provisioning.audit_head()[0] - 1)
    assert found.entry == NOTE


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "Grüße\n\t\x00 \U0001f600"},
        {"facts": ()},
        {"facts": (("a", ""), ("b", 'quote " and \\'))},
        {"at": 0, "actor": "", "subject": "", "action": ""},
    ],
)
def test_any_text_can_be_noted(store: SqliteStore, changes: dict[str, Any]) -> None:
    store.provisioning.note(NOTE._replace(**changes))
    store.flush()
    (found,) = store.provisioning.audit(after=store.provisioning.audit_head()[0] - 1)
    assert found.entry == NOTE._replace(**changes)


def test_entries_are_numbered_without_a_gap_and_chained(store: SqliteStore) -> None:
    registered(store)
    each_write(store)
    entries = store.provisioning.audit()
    assert [each.sequence for each in entries] == list(range(1, len(entries) + 1))
    assert broken_links(entries) == []
    assert store.provisioning.audit_head() == (entries[-1].sequence, entries[-1].hash)
    tail = store.provisioning.audit(after=5, limit=3)
    assert [each.sequence for each in tail] == [6, 7, 8]
    assert broken_links(tail, 5, entries[4].hash) == []


def test_an_empty_log_begins_with_zeros(tmp_path: Path) -> None:
    store = open_store(tmp_path / "new")
    assert (store.provisioning.audit(), store.provisioning.audit_head()) == ([], (0, START))
    assert store.check() == []
    store.close()


def test_a_note_that_is_not_flushed_is_not_there_and_breaks_nothing(store: SqliteStore) -> None:
    before = store.provisioning.audit_head()
    store.provisioning.note(NOTE)
    store._writer._roll_back()
    store.provisioning.note(NOTE)
    store.flush()
    assert store.provisioning.audit_head()[0] == before[0] + 1


# --- append-only ---


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit SET reason = '' WHERE sequence = 2",
        "UPDATE audit SET sequence = 99 WHERE sequence = 2",
        "DELETE FROM audit WHERE sequence = 2",
        "DELETE FROM audit",
        f"INSERT OR REPLACE INTO audit SELECT 2, at, {REST}",
        f"INSERT INTO audit SELECT 99, at, {REST}",
        "UPDATE audit_head SET sequence = 1",
        "UPDATE audit_head SET hash = x'00'",
        "UPDATE audit_head SET id = 1, sequence = sequence",
        "DELETE FROM audit_head",
        "INSERT OR REPLACE INTO audit_head VALUES (1, 0, x'00')",
        "INSERT INTO audit_head VALUES (2, 0, x'00')",
    ],
)
def test_the_store_lets_nobody_rewrite_the_log(folder: Path, store: SqliteStore, sql: str) -> None:
    each_write(store)
    with closing(sqlite3.connect(folder / "gateway.db", isolation_level=None)) as connection:
        before = connection.execute("SELECT * FROM audit, audit_head").fetchall()
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(sql)
        assert connection.execute("SELECT * FROM audit, audit_head").fetchall() == before


# --- whoever gets past that is found ---


@pytest.fixture
def forged(folder: Path) -> sqlite3.Connection:
    """The log of a store, its triggers dropped, as somebody with the file has it."""
    store = open_store(folder)
    for number in range(ENTRIES):
        store.provisioning.note(NOTE._replace(at=NOW + number, subject=f"d:{number}"))
    store.flush()
    assert store.check() == []
    store.close()
    connection = sqlite3.connect(folder / "gateway.db", isolation_level=None)
    for name in TRIGGERS:
        connection.execute(f"DROP TRIGGER {name}")
    return connection


def faults(folder: Path, forged: sqlite3.Connection) -> list[str]:
    forged.close()
    store = open_store(folder)
    found = [fault for fault in store.check() if "audit" in fault]
    store.close()
    return found


@pytest.mark.parametrize("number", [1, 7, 14])
@pytest.mark.parametrize("column", COLUMNS)
def test_an_altered_entry_is_found_whatever_is_altered(
    folder: Path, forged: sqlite3.Connection, column: str, number: int
) -> None:
    new = {"at": 5, "hash": bytes(32), "sequence": 900, "facts": '[["bits","2048"]]'}.get(column, "other")
    forged.execute(f"UPDATE audit SET {column} = ? WHERE sequence = ?", (new, number))  # noqa: S608 - above
    assert faults(folder, forged)


@pytest.mark.parametrize("text", ["[]", "", "null", "[[1,2]]", '[["bits", "1024"]]', "[" * 9000, "{}"])
def test_facts_in_any_other_spelling_are_found(folder: Path, forged: sqlite3.Connection, text: str) -> None:
    forged.execute("UPDATE audit SET facts = ? WHERE sequence = 5", (text,))
    assert faults(folder, forged)


def test_every_flipped_bit_is_found(folder: Path, forged: sqlite3.Connection) -> None:
    forged.close()
    store = open_store(folder)
    rows = store.provisioning.audit()
    chance = random.Random(7)
    for _ in range(300):
        number = chance.randrange(len(rows))
        flipped = list(rows)
        octets = bytearray(rows[number].hash)
        octets[chance.randrange(32)] ^= 1 << chance.randrange(8)
        flipped[number] = rows[number]._replace(hash=bytes(octets))
        assert broken_links(flipped)
    store.close()


@pytest.mark.parametrize("number", range(1, ENTRIES + 3))
def test_every_removed_entry_is_found(folder: Path, forged: sqlite3.Connection, number: int) -> None:
    last = forged.execute("SELECT max(sequence) FROM audit").fetchone()[0]
    assert last == ENTRIES + 2
    forged.execute("DELETE FROM audit WHERE sequence = ?", (number,))
    assert faults(folder, forged)


@pytest.mark.parametrize("number", range(1, ENTRIES + 2))
def test_two_entries_that_changed_places_are_found(
    folder: Path, forged: sqlite3.Connection, number: int
) -> None:
    for old, new in ((number, 900), (number + 1, number), (900, number + 1)):
        forged.execute("UPDATE audit SET sequence = ? WHERE sequence = ?", (new, old))
    assert faults(folder, forged)


def test_entries_numbered_anew_after_one_was_removed_are_found(
    folder: Path, forged: sqlite3.Connection
) -> None:
    forged.execute("DELETE FROM audit WHERE sequence = 5")
    for number in range(6, ENTRIES + 3):
        forged.execute("UPDATE audit SET sequence = ? WHERE sequence = ?", (number - 1, number))
    assert faults(folder, forged)


def test_an_end_that_was_cut_off_is_found(folder: Path, forged: sqlite3.Connection) -> None:
    forged.execute("DELETE FROM audit WHERE sequence > 5")
    assert faults(folder, forged) == ["audit log: its end, entry 5, is not the one its head knows"]


def test_a_head_that_was_cut_off_with_it_is_found_by_an_earlier_one(
    folder: Path, forged: sqlite3.Connection
) -> None:
    """The chain within the store is sound then: an exported head is what tells."""
    (kept,) = forged.execute("SELECT hash FROM audit WHERE sequence = 9")
    forged.execute("DELETE FROM audit WHERE sequence > 5")
    forged.execute(
        "UPDATE audit_head SET (sequence, hash) = (SELECT sequence, hash FROM audit WHERE sequence = 5)"
    )
    assert faults(folder, forged) == []
    store = open_store(folder)
    for number in range(ENTRIES):
        store.provisioning.note(NOTE._replace(at=NOW + 100 + number))
    store.flush()
    assert store.provisioning.audit(after=8, limit=1)[0].hash != kept[0]
    store.close()


def test_an_emptied_log_is_found(folder: Path, forged: sqlite3.Connection) -> None:
    forged.execute("DELETE FROM audit")
    assert faults(folder, forged)


def test_a_missing_head_is_found(folder: Path, forged: sqlite3.Connection) -> None:
    forged.execute("DELETE FROM audit_head")
    assert len(faults(folder, forged)) == 2


def test_a_hundred_complaints_about_one_log_are_enough(folder: Path, forged: sqlite3.Connection) -> None:
    forged.close()
    store = open_store(folder)
    activated(store)
    for number in range(1_200):
        store.provisioning.note(NOTE._replace(at=number))
    store.flush()
    store.close()
    connection = sqlite3.connect(folder / "gateway.db", isolation_level=None)
    connection.execute("UPDATE audit SET reason = 'x' WHERE sequence > 20")
    assert len(faults(folder, connection)) == 100
