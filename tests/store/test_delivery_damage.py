"""A row of the second channel that changed by itself is told, and is never taken for what was written."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.store.delivery_samples import (
    FIRST,
    app_se,
    card,
    card_keys,
    delivered,
    digest,
    inventory,
    job,
    job_id,
    job_state,
    ready,
    rule,
    stage_install,
)
from tests.store.samples import NOW, device_id, open_store
from tests.store.test_provisioning_damage import tamper
from tsm_gateway.registry.card import CardKeyState
from tsm_gateway.registry.job import JobKind, JobState
from tsm_gateway.store.check_delivery_statements import DELIVERY_TABLES
from tsm_gateway.store.check_delivery_store import DELIVERY_READERS
from tsm_gateway.store.delivery_rows import load_file_row
from tsm_gateway.store.provisioning_rows import sealed
from tsm_gateway.store.registry_rows import RowDamaged
from tsm_gateway.store.schema_base import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore

TABLES = [table.name for table in DELIVERY_TABLES]
CASES = [(name, column.name) for name in TABLES for column in metadata.tables[name].columns]


@pytest.fixture
def full(folder: Path) -> Iterator[SqliteStore]:
    """A store with a row in every table of the second channel."""
    store = open_store(folder)
    ready(store, 10)
    ready(store, 11)
    delivered(store, 10)
    stage_install(store, 11)
    store.delivery.assign(rule(version=FIRST), reason="")
    store.delivery.keep_inventory(inventory())
    store.flush()
    assert store.check() == []
    yield store
    store.close()


@pytest.mark.parametrize(("table", "column"), CASES)
def test_any_column_that_changed_is_told(full: SqliteStore, table: str, column: str) -> None:
    kind = str(metadata.tables[table].c[column].type)
    other: object = {"TEXT": "d:0000000000000001", "BLOB": b"other"}.get(kind, 77)
    key = next(iter(metadata.tables[table].primary_key.columns)).name
    one = f"(SELECT min({key}) FROM {table})"  # noqa: S608 - names of ours
    with full._writer.exclusive() as cursor:
        cursor.execute("PRAGMA foreign_keys = OFF")
        sql = f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {key} = {one}"  # noqa: S608 - names of ours
        cursor.execute(sql, (other,))
        cursor.execute("PRAGMA foreign_keys = ON")
    assert any("checksum" in fault for fault in full.check())


def test_every_flipped_bit_of_a_load_file_is_found(full: SqliteStore) -> None:
    whole = full.delivery.load_file(digest())
    chance = random.Random(3)
    for _ in range(40):
        octets = bytearray(whole)
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
        tamper(full, "UPDATE load_file SET octets = ? WHERE digest = ?", bytes(octets), digest())
        with pytest.raises(RowDamaged):
            full.delivery.load_file(digest())
    assert any(fault.startswith(f"load file {digest().hex()}") for fault in full.check())


def test_a_load_file_that_is_not_its_digests_is_told_although_its_checksum_holds(full: SqliteStore) -> None:
    *_, crc = load_file_row(digest(), b"another")
    tamper(full, "UPDATE load_file SET octets = ?, crc = ? WHERE digest = ?", b"another", crc, digest())
    assert any(fault.startswith(f"load file {digest().hex()}") for fault in full.check())


READS = {
    "load_file": lambda store: store.delivery.load_file(digest()),
    "application": lambda store: store.delivery.application("pay", FIRST),
    "application_signature": lambda store: store.delivery.signatures(digest()),
    "rule": lambda store: store.delivery.rules_for(device_id(10), "issuer-a"),
    "device_application": lambda store: store.delivery.on_device(device_id(10)),
    "card": lambda store: store.delivery.card(app_se()),
    "card_key": lambda store: store.delivery.card_keys(app_se()),
    "card_inventory": lambda store: store.delivery.inventory(app_se()),
    "job": lambda store: store.delivery.job(job_id()),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_damaged_row_is_never_handed_out(full: SqliteStore, table: str) -> None:
    tamper(full, f"UPDATE {table} SET crc = crc + 1")  # noqa: S608 - names of ours
    with pytest.raises(RowDamaged) as caught:
        READS[table](full)
    assert caught.value.facts == {"table": table}


FORMS = [
    ("card_inventory", "contents", "[]"),
    ("card_inventory", "contents", '{"entries": [[1, "aa"]], "silent": []}'),
    ("card_inventory", "contents", "no json"),
    ("application", "applet_aids", "[1]"),
    ("application", "package_version", "1"),
    ("application", "state", "elsewhere"),
]


@pytest.mark.parametrize(("table", "column", "value"), FORMS)
def test_a_whole_row_in_another_form_is_damaged_too(
    full: SqliteStore, table: str, column: str, value: str
) -> None:
    names = [each.name for each in metadata.tables[table].columns]
    with full._writer.exclusive() as cursor:
        row = list(cursor.execute(f"SELECT * FROM {table} LIMIT 1").fetchone())  # noqa: S608 - names of ours
    row[names.index(column)] = value
    (*_, crc) = sealed(*row[:-1])
    key = names[0]
    change = f"UPDATE {table} SET {column} = ?, crc = ? WHERE {key} = ?"  # noqa: S608 - names of ours
    tamper(full, change, value, crc, row[0])
    with pytest.raises(RowDamaged) as caught:
        DELIVERY_READERS[table]([*row[:-1], crc])
    assert caught.value.facts["table"] == table
    assert any(
        fault.endswith("whole, but in a form that this version does not read") for fault in full.check()
    )


def test_of_one_damaged_card_the_others_are_listed(full: SqliteStore) -> None:
    tamper(full, "UPDATE card SET protocol = 1 WHERE app_se = ?", app_se(10))
    assert full.delivery.cards() == [card(11)]
    assert full.delivery.cards(limit=1) == [card(11)]
    assert full.delivery.damaged == 2


def test_a_damaged_job_is_passed_over_and_does_not_stand_in_the_way(full: SqliteStore) -> None:
    tamper(full, "UPDATE job SET attempts = 77 WHERE job_id = ?", job_id(11))
    assert full.delivery.open_jobs() == []
    assert full.delivery.jobs(device_id(11)) == []
    again = job(11, 2)
    full.delivery.queue([again], [], at=NOW)
    full.flush()
    assert full.delivery.jobs(device_id(11)) == [again]
    full.provisioning.terminate(device_id(11), reason="", at=NOW)
    full.flush()
    assert job_state(full, 11, 2) is JobState.CANCELLED


def test_a_key_set_whose_row_is_damaged_is_not_rewrapped(full: SqliteStore) -> None:
    tamper(full, "UPDATE card_key SET kvn = 49 WHERE app_se = ?", app_se(10))
    with pytest.raises(RowDamaged):
        full.delivery.all_card_keys()
    with pytest.raises(RowDamaged):
        full.delivery.keys_pending(card_keys(10, 0x32), at=NOW)
    assert sum(full.registry.masters_in_use().values()) == 4 + 2 + 2  # it may still be saved


RULES = {
    "a published application is signed": "DELETE FROM application_signature",
    "a load file is an application's": "DELETE FROM application WHERE minor = 2",
    "a rule is about an application": "UPDATE rule SET application = 'other'",
    "what is on a device is the application of that name and load file": (
        "UPDATE device_application SET application = 'other'"
    ),
    "a card has a key set": "DELETE FROM card_key",
    "a card has at most one pending and one current key set": (
        "INSERT INTO card_key SELECT app_se, kvn + 1, 'current', x'00', 1, 0, 0 FROM card_key"
        " UNION ALL SELECT app_se, kvn + 2, 'current', x'00', 1, 0, 0 FROM card_key"
    ),
    "a key set of a card has no octets if and only if it is retired": "UPDATE card_key SET wrapped = x''",
    "a device has one open job of a kind for an application at most": (
        "INSERT INTO job SELECT x'00', device_id, kind, application, digest, state, attempts, blocks_done,"
        " blocks_total, due_at, created_at, changed_at, reason, crc FROM job WHERE state = 'active'"
    ),
    "nobody works for a terminated device": "UPDATE device SET state = 'terminated'",
}


@pytest.mark.parametrize("sentence", RULES)
def test_what_is_not_true_of_a_store_is_told(full: SqliteStore, sentence: str) -> None:
    tamper(full, RULES[sentence])
    assert any(fault.endswith(f"times not true: {sentence}") for fault in full.check())


def test_a_retired_key_set_with_octets_is_told(full: SqliteStore) -> None:
    full.delivery.keys_pending(card_keys(10, 0x31), at=NOW)
    full.delivery.keys_current(app_se(), 0x31, at=NOW)
    full.flush()
    assert full.delivery.card_keys(app_se())[1].state is CardKeyState.RETIRED
    tamper(full, "UPDATE card_key SET wrapped = x'01' WHERE state = 'retired'")
    assert any("if and only if it is retired" in fault for fault in full.check())


def test_every_job_kind_survives_its_row(full: SqliteStore) -> None:
    jobs = [job(10, which + 20, kind) for which, kind in enumerate(JobKind)]
    full.delivery.queue(jobs, [], at=NOW)
    full.flush()
    assert set(full.delivery.jobs(device_id(10), open_only=True)) == set(jobs)
