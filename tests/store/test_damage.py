"""What must not be found in the files, and what must be noticed when the files change by themselves."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.store.samples import (
    FIRST_WINDOW,
    NOW,
    device_key,
    kid,
    message_id,
    open_store,
    payments,
    segment,
)
from tsm_gateway.registry.device import KeyState
from tsm_gateway.relay.interfaces import Batch, StoreBroken, Transition
from tsm_gateway.relay.states import MessageState, Move
from tsm_gateway.store.failures import Health
from tsm_gateway.store.registry_read_store import NOTHING_IS_FRESH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    opened = open_store(folder)
    yield opened
    opened.close()


def tamper(store: SqliteStore, sql: str, *values: object) -> None:
    with store._writer.administration() as cursor:
        cursor.execute(sql, values)


# --- deleted octets ---


def occurrences(folder: Path, octets: bytes) -> int:
    return sum(file.read_bytes().count(octets) for file in folder.glob("gateway.db*"))


def test_deleted_octets_are_gone_from_every_file(folder: Path, store: SqliteStore) -> None:
    packet, part = b"PACKET-CANARY-0123456789" * 8, b"SEGMENT-CANARY-987654321" * 4
    store.stage(payments([1], packet=packet))
    store.stage(Batch(journal=[segment(1, body=part)]))
    store.flush()
    assert occurrences(folder, packet)
    assert occurrences(folder, part)
    store.stage(Batch(forget=[1], transitions=[Transition(message_id(1), Move.DROP, NOW)]))
    store.flush()
    store.checkpoint()
    assert occurrences(folder, packet[:24]) == 0
    assert occurrences(folder, part[:24]) == 0


def test_a_replaced_wrapped_key_is_gone_from_every_file(folder: Path, store: SqliteStore) -> None:
    old = b"WRAPPED-UNDER-MASTER-1--" * 3
    store.registry.rewrap(kid(1), b"wrapped key of 1", old, 1)
    store.registry.rewrap(kid(1), old, b"WRAPPED-UNDER-MASTER-2--" * 3, 2)
    store.checkpoint()
    assert occurrences(folder, old[:24]) == 0


# --- flipped bits ---


def test_a_damaged_packet_is_given_up_and_the_rest_of_the_queue_goes_on(store: SqliteStore) -> None:
    store.stage(payments([1, 2, 3]))
    store.flush()
    tamper(store, "UPDATE outbox SET packet = ? WHERE message_id = ?", b"other", message_id(2))
    assert any("packet" in fault for fault in store.check())
    claimed = store.claim_due(NOW, 10, ["bank"])
    store.flush()
    assert [outgoing.message_id for outgoing in claimed] == [message_id(1), message_id(3)]
    shown = store.queue.show(message_id(2))
    assert shown is not None
    assert (shown[0].state, shown[0].reason) == (MessageState.FAILED, "damaged")


@pytest.mark.parametrize(
    "change", ["reference = reference + 1", "receipt = 1 - receipt", "received_at = received_at + 1"]
)
def test_a_packet_whose_message_changed_is_not_sent(store: SqliteStore, change: str) -> None:
    store.stage(payments([1]))
    store.flush()
    tamper(store, f"UPDATE message SET {change}")  # noqa: S608 - the cases above
    assert store.claim_due(NOW, 10, ["bank"]) == []


def test_a_packet_of_another_provider_is_not_sent(store: SqliteStore) -> None:
    store.stage(payments([1]))
    store.flush()
    tamper(store, "UPDATE message SET provider = 'shop'")
    assert store.claim_due(NOW, 10, ["shop"]) == []


def test_a_damaged_window_lets_nothing_in(store: SqliteStore) -> None:
    tamper(store, "UPDATE replay_window SET bitmap = 0 WHERE kid = ?", kid(1))
    found = store.registry.device_for(kid(1))
    assert found is not None
    assert (found.key.state, found.window) == (KeyState.STALE, NOTHING_IS_FRESH)
    assert store.registry.window_of(kid(1)) == NOTHING_IS_FRESH
    assert store.registry.damaged == 2


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE device SET state = 'suspended' WHERE device_id = 'd:0000000000000001'",
        "UPDATE device SET certificate = x'00' WHERE device_id = 'd:0000000000000001'",
        "UPDATE wrapped_key SET state = 'overlap' WHERE device_id = 'd:0000000000000001'",
        "UPDATE wrapped_key SET master_version = 7 WHERE device_id = 'd:0000000000000001'",
    ],
)
def test_a_damaged_device_is_unknown_and_the_others_go_on(store: SqliteStore, sql: str) -> None:
    tamper(store, sql)
    assert store.registry.device_for(kid(1)) is None
    assert store.registry.device_for(kid(2)) is not None
    assert len(store.check()) == 1


def test_a_wrapped_key_does_not_work_in_another_row(store: SqliteStore) -> None:
    first, second = store.registry.key(kid(1)), store.registry.key(kid(2))
    assert first is not None
    assert second is not None
    tamper(store, "UPDATE wrapped_key SET wrapped = ? WHERE kid = ?", second.wrapped, kid(1))
    assert store.registry.device_for(kid(1)) is None


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE provider SET msisdn = '+4930999998'",
        "UPDATE provider_address SET address = '+4930123457' WHERE address = '+4930123456'",
        "UPDATE piv_counter SET next_piv = 0",
    ],
)
def test_a_damaged_provider_stops_the_store(store: SqliteStore, sql: str) -> None:
    tamper(store, sql)
    with pytest.raises(StoreBroken):
        store.registry.provider_for("sp:bank")
    with pytest.raises(StoreBroken):
        store.stage(payments([1]))
    with pytest.raises(StoreBroken):
        store.registry.device_for(kid(1))
    with pytest.raises(StoreBroken):
        store.flush()
    with pytest.raises(StoreBroken):
        store.mark()


FLIPS = 1_000


def test_a_thousand_flipped_bits_send_no_wrong_packet(folder: Path, store: SqliteStore) -> None:
    """Any single bit of a stored packet or of its checksum."""
    store.stage(payments(range(1, 11)))
    store.flush()
    store.checkpoint()
    right = {outgoing.message_id: outgoing for outgoing in store.claim_due(NOW, 10, ["bank"])}
    store._writer._roll_back()
    rows = rows_of(folder)
    chance = random.Random(28)
    wrong = []
    for _ in range(FLIPS):
        number = chance.randrange(10)
        flipped = flip(rows[number], chance)
        tamper(store, _PUT_PACKET, *flipped[1:], flipped[0])
        sent = store.claim_due(NOW, 10, ["bank"])
        wrong += [outgoing for outgoing in sent if outgoing != right[outgoing.message_id]]
        assert len(sent) == 9
        store._writer._roll_back()
        tamper(store, _PUT_PACKET, *rows[number][1:], rows[number][0])
    assert wrong == []


_PACKETS = "SELECT message_id, packet, crc FROM outbox ORDER BY message_id"
_PUT_PACKET = "UPDATE outbox SET packet = ?, crc = ? WHERE message_id = ?"


def rows_of(folder: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        return connection.execute(_PACKETS).fetchall()


def flip(row: tuple[bytes, bytes, int], chance: random.Random) -> tuple[bytes, bytes, int]:
    """One bit of a packet or of its checksum."""
    key, packet, crc = row
    bit = chance.randrange(len(packet) * 8 + 32)
    if bit >= len(packet) * 8:
        return key, packet, crc ^ 1 << (bit - len(packet) * 8)
    changed = bytearray(packet)
    changed[bit // 8] ^= 1 << bit % 8
    return key, bytes(changed), crc


def test_a_page_that_cannot_be_read_is_a_fault_and_no_crash(folder: Path, store: SqliteStore) -> None:
    store.checkpoint()
    with (folder / "gateway.db").open("r+b") as file:
        file.seek(5 * 4096)
        file.write(b"\xff" * 2000)
    assert store.check() != []


def test_the_first_failure_is_remembered() -> None:
    health = Health()
    health.ask()
    health.noted(StoreBroken(cause="first"))
    health.noted(StoreBroken(cause="second"))
    with pytest.raises(StoreBroken) as caught:
        health.ask()
    assert caught.value.facts == {"cause": "first"}


def test_a_damaged_key_whose_overlap_is_over_stops_nobody_from_cleaning_up(store: SqliteStore) -> None:
    for number in (1, 2):
        successor = device_key(number, kid=kid(500 + number), epoch=2)
        store.registry.add_device_key(successor, FIRST_WINDOW, overlap_s=60, at=NOW)
    tamper(store, "UPDATE wrapped_key SET crc = crc + 1 WHERE kid = ?", kid(1))
    store.purge(NOW + 61, 0, 0, 10)
    store.flush()
    entry = store.registry.device_for(kid(2))
    assert entry is not None
    assert entry.key.state is KeyState.RETIRED
    assert store.registry.device_for(kid(1)) is None
