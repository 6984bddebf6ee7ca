"""A row of provisioning that changed by itself is told, and is never taken for what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.provisioning_samples import (
    UNUSED,
    activated,
    arrival,
    control,
    key_states,
    keyed,
    kid_of,
    order,
    package,
    pending,
    registered,
    registration,
)
from tests.store.samples import NOW, device_id, open_store
from tsm_gateway.registry.device import KeyState
from tsm_gateway.registry.suspension import SuspensionKind
from tsm_gateway.relay.interfaces import Batch
from tsm_gateway.store.registry_rows import RowDamaged
from tsm_gateway.store.schema_base import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore

TABLES = (
    *("enrolment", "key_package", "registration", "secure_element"),
    *("suspension", "key_order", "control_in", "control_out"),
)
CASES = [(name, column.name) for name in TABLES for column in metadata.tables[name].columns if name != "crc"]


@pytest.fixture
def full(folder: Path) -> Iterator[SqliteStore]:
    """A store with a row in every table of provisioning."""
    store = open_store(folder)
    activated(store)
    store.provisioning.deliver(pending(10, 2), UNUSED, package(10, 2), control(10, 2), at=NOW)
    store.provisioning.order(order())
    store.provisioning.suspend(device_id(10), SuspensionKind.LOST, proof_wanted=False, reason="asked", at=NOW)
    store.stage(Batch(controls=[arrival(10, 2)]))
    store.flush()
    assert store.check() == []
    yield store
    store.close()


def tamper(store: SqliteStore, sql: str, *values: object) -> None:
    with store._writer.administration() as cursor:
        cursor.execute("PRAGMA defer_foreign_keys = ON")
        cursor.execute(sql, values)


@pytest.mark.parametrize(("table", "column"), CASES)
def test_any_column_that_changed_is_told(full: SqliteStore, table: str, column: str) -> None:
    kind = str(metadata.tables[table].c[column].type)
    other: object = {"TEXT": "d:0000000000000001", "BLOB": b"other"}.get(kind, 77)
    if (table, column) == ("key_package", "kid"):
        other = bytes.fromhex("00000001")  # the table refers to keys that are there
    key = next(iter(metadata.tables[table].primary_key.columns)).name
    one = f"(SELECT min({key}) FROM {table})"  # noqa: S608 - names of ours
    tamper(full, f"UPDATE {table} SET {column} = ? WHERE {key} = {one}", other)  # noqa: S608
    assert any("checksum" in fault for fault in full.check())


READS = {
    "enrolment": lambda store: store.provisioning.standing(device_id(10)),
    "key_package": lambda store: store.provisioning.standing(device_id(10)),
    "registration": lambda store: store.provisioning.standing(device_id(10)),
    "suspension": lambda store: store.provisioning.standing(device_id(10)),
    "control_out": lambda store: store.provisioning.controls(device_id(10)),
}


@pytest.mark.parametrize("table", READS)
def test_a_damaged_row_is_never_handed_out(full: SqliteStore, table: str) -> None:
    tamper(full, f"UPDATE {table} SET crc = crc + 1")  # noqa: S608 - names of ours
    with pytest.raises(RowDamaged) as caught:
        READS[table](full)
    assert caught.value.facts == {"table": table}


def test_a_damaged_message_is_not_sent_and_the_others_are(full: SqliteStore) -> None:
    keyed(full, 11)
    full.provisioning.deliver(pending(11, 2), UNUSED, package(11, 2), control(11, 2), at=NOW)
    full.flush()
    tamper(full, "UPDATE control_out SET state = 'queued' WHERE device_id = ?", device_id(10))
    assert full.provisioning.due_controls(NOW, 9) == [control(11, 2)]
    assert full.provisioning.damaged == 1


def test_one_damaged_row_does_not_hold_up_the_others(full: SqliteStore) -> None:
    keyed(full, 11)
    full.provisioning.order(order(11))
    full.stage(Batch(controls=[arrival(11, 1)]))
    full.flush()
    for table in ("key_order", "control_in"):
        tamper(full, f"UPDATE {table} SET crc = crc + 1 WHERE device_id = ?", device_id(10))  # noqa: S608
    assert full.provisioning.orders(9) == [order(11)]
    assert full.provisioning.control_arrivals(9) == [arrival(11, 1)]


def test_a_page_of_overdue_keys_is_full_however_many_are_damaged(folder: Path) -> None:
    store = open_store(folder)
    for number in (10, 11, 12):
        activated(store, number)
    for number in (1, 2, 11):
        tamper(store, "UPDATE wrapped_key SET master_version = 9 WHERE device_id = ?", device_id(number))
    for packets in (0, 10**6):
        found = store.provisioning.overdue_keys(created_before=NOW + 1, packets=packets, limit=2)
        assert [key.owner for key in found] == [device_id(3), device_id(10)]
    store.close()


def test_a_damaged_suspension_lets_nobody_back(full: SqliteStore) -> None:
    tamper(full, "UPDATE suspension SET kind = 'suspended'")
    with pytest.raises(RowDamaged):
        full.provisioning.resume(device_id(10), reason="", at=NOW)


def test_a_damaged_key_is_not_confirmed(folder: Path) -> None:
    store = open_store(folder)
    keyed(store)
    tamper(store, "UPDATE wrapped_key SET epoch = 7 WHERE kid = ?", kid_of(10, 1))
    with pytest.raises(RowDamaged):
        store.provisioning.register(registration(), overlap_s=0, at=NOW)
    store.close()


# --- rows that are sound and do not fit together ---


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("DELETE FROM key_package", "a key that waits has its package"),
        ("DELETE FROM secure_element WHERE se_id = 'x' OR 1", "its two secure elements"),
        ("DELETE FROM registration", "a secure element belongs to a registration"),
    ],
)
def test_rows_that_do_not_fit_together_are_told(full: SqliteStore, sql: str, says: str) -> None:
    tamper(full, sql)
    assert any(says in fault for fault in full.check())


def test_a_suspension_of_a_device_that_is_not_suspended_is_told(folder: Path) -> None:
    store = open_store(folder)
    registered(store)
    store.provisioning.suspend(device_id(10), SuspensionKind.LOST, proof_wanted=False, reason="", at=NOW)
    store.flush()
    with store._writer.administration() as cursor:
        rows = cursor.execute("SELECT * FROM suspension").fetchall()
    store.provisioning.resume(device_id(10), reason="", at=NOW)
    store.flush()
    tamper(store, "INSERT INTO suspension VALUES (?, ?, ?, ?, ?, ?, ?)", *rows[0])
    assert any("suspension is that of a suspended device" in fault for fault in store.check())
    store.close()


def test_what_a_terminated_device_still_has_is_told(folder: Path) -> None:
    store = open_store(folder)
    registered(store)
    with store._writer.administration() as cursor:
        key, *elements = (
            *cursor.execute("SELECT * FROM wrapped_key WHERE kid = ?", (kid_of(10, 1),)).fetchall(),
            *cursor.execute("SELECT * FROM secure_element").fetchall(),
        )
    store.provisioning.order(order())
    store.flush()
    with store._writer.administration() as cursor:
        (ordered,) = cursor.execute("SELECT * FROM key_order").fetchall()
    store.provisioning.terminate(device_id(10), reason="", at=NOW)
    store.flush()
    assert key_states(store) == {1: KeyState.RETIRED}
    tamper(store, "UPDATE wrapped_key SET state = ?, crc = ? WHERE kid = ?", key[4], key[-1], key[0])
    for row in elements:
        tamper(store, "INSERT INTO secure_element VALUES (?, ?, ?)", *row)
    tamper(store, "INSERT INTO key_order VALUES (?, ?, ?, ?, ?)", *ordered)
    found = store.check()
    assert len(found) == 3, found
    for says in ("no key that is accepted", "its two secure elements", "nobody waits"):
        assert any(says in fault for fault in found)
    store.close()
