"""Keys on their way over the air, and confirmations that came back, each taken once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.provisioning_samples import (
    FIRST_PIV,
    UNUSED,
    acts_since,
    arrival,
    control,
    keyed,
    kid_of,
    last_act,
    package,
    pending,
)
from tests.store.samples import NOW, device_id, message_id, window_at
from tsm_gateway.registry.control import ControlMessage, ControlState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed, NotKnown
from tsm_gateway.relay.interfaces import Batch, StoreConflict, StoreFull, WindowMove

if TYPE_CHECKING:
    from tsm_gateway.store.sqlite_store import SqliteStore


def taken(piv: int, number: int = 10) -> Batch:
    """What the relay writes of a confirmation."""
    move = WindowMove(kid_of(number, 1), UNUSED if piv == FIRST_PIV else window_at(piv - 1), window_at(piv))
    return Batch(windows=[move], controls=[arrival(number, piv=piv)])


def queue(store: SqliteStore, number: int = 10, epoch: int = 2, **changes: int) -> ControlMessage:
    message = control(number, epoch, **changes)
    key = pending(number, epoch)
    store.provisioning.deliver(key, UNUSED, package(number, epoch), message, at=NOW)
    store.flush()
    return message


# --- up ---


def test_a_batch_with_a_confirmation_is_not_empty() -> None:
    assert Batch(controls=[arrival()])
    assert not Batch()


def test_a_confirmation_is_kept_with_the_move_of_its_window(store: SqliteStore) -> None:
    keyed(store)
    store.stage(taken(FIRST_PIV))
    assert store.provisioning.control_arrivals(9) == []
    store.flush()
    assert store.provisioning.control_arrivals(9) == [arrival()]
    assert store.registry.window_of(kid_of(10, 1)) == window_at(FIRST_PIV)


def test_a_confirmation_is_taken_once(store: SqliteStore) -> None:
    keyed(store)
    store.stage(taken(FIRST_PIV))
    store.flush()
    with pytest.raises(StoreConflict):
        store.stage(Batch(controls=[arrival(packet=b"another")]))
    with pytest.raises(StoreConflict):
        store.stage(taken(FIRST_PIV))
    assert store.provisioning.control_arrivals(9) == [arrival()]


def test_a_window_that_moved_meanwhile_keeps_the_confirmation_out(store: SqliteStore) -> None:
    keyed(store)
    stale = WindowMove(kid_of(10, 1), window_at(7), window_at(8))
    with pytest.raises(StoreConflict):
        store.stage(Batch(windows=[stale], controls=[arrival()]))
    store.flush()
    assert store.provisioning.control_arrivals(9) == []


def test_confirmations_are_judged_oldest_first_and_then_forgotten(store: SqliteStore) -> None:
    late, early = arrival(10, piv=5, received_at=NOW + 2), arrival(11, piv=9, received_at=NOW + 1)
    store.stage(Batch(controls=[late, early]))
    store.flush()
    assert store.provisioning.control_arrivals(1) == [early]
    assert store.provisioning.control_arrivals(9) == [early, late]
    store.provisioning.settle_arrival(early.kid, early.piv)
    store.provisioning.settle_arrival(early.kid, early.piv)
    store.flush()
    assert store.provisioning.control_arrivals(9) == [late]


def test_a_full_disk_takes_no_confirmation_in(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_tight", lambda: True)
    with pytest.raises(StoreFull):
        store.stage(Batch(controls=[arrival()]))
    monkeypatch.undo()


# --- down ---


def test_a_queued_message_is_due_at_its_time(store: SqliteStore) -> None:
    keyed(store)
    message = queue(store, due_at=NOW + 10)
    assert store.provisioning.due_controls(NOW + 9, 9) == []
    assert store.provisioning.due_controls(NOW + 10, 9) == [message]


def test_messages_are_due_oldest_first(store: SqliteStore) -> None:
    for number, due_at in ((10, 5), (11, 3), (12, 4)):
        keyed(store, number)
        queue(store, number, due_at=NOW + due_at)
    found = [each.device_id for each in store.provisioning.due_controls(NOW + 9, 2)]
    assert found == [device_id(11), device_id(12)]


def test_another_try_waits_for_its_time_and_is_no_matter_of_record(store: SqliteStore) -> None:
    keyed(store)
    message = queue(store)
    head, _ = store.provisioning.audit_head()
    store.provisioning.move_control(
        message.message_id, ControlState.QUEUED, attempts=1, due_at=NOW + 60, reason="throttled", at=NOW + 1
    )
    store.flush()
    assert store.provisioning.due_controls(NOW + 59, 9) == []
    assert store.provisioning.due_controls(NOW + 60, 9) == [
        message._replace(attempts=1, due_at=NOW + 60, reason="throttled", changed_at=NOW + 1)
    ]
    assert acts_since(store, head) == []


@pytest.mark.parametrize(
    ("state", "action"), [(ControlState.SENT, "key.send"), (ControlState.FAILED, "key.give-up")]
)
def test_a_message_that_is_done_stays_so(store: SqliteStore, state: ControlState, action: str) -> None:
    keyed(store)
    message = queue(store)
    store.provisioning.move_control(message.message_id, state, attempts=2, due_at=0, reason="so", at=NOW + 1)
    store.flush()
    assert store.provisioning.due_controls(NOW + 10**6, 9) == []
    (found,) = store.provisioning.controls(device_id(10))
    assert (found.state, found.attempts, found.reason, found.changed_at) == (state, 2, "so", NOW + 1)
    assert last_act(store) == (action, device_id(10), "so")
    with pytest.raises(MoveNotAllowed):
        store.provisioning.move_control(
            message.message_id, ControlState.QUEUED, attempts=3, due_at=0, reason="", at=NOW
        )


def test_a_message_nobody_queued_is_not_moved(store: SqliteStore) -> None:
    with pytest.raises(NotKnown):
        store.provisioning.move_control(
            message_id(1), ControlState.SENT, attempts=1, due_at=0, reason="", at=NOW
        )


def test_a_message_id_is_used_once(store: SqliteStore) -> None:
    keyed(store, 10)
    keyed(store, 11)
    message = queue(store, 10)
    twin = control(11, 2, message_id=message.message_id)
    with pytest.raises(AlreadyKnown):
        store.provisioning.deliver(pending(11, 2), UNUSED, package(11, 2), twin, at=NOW)
    store.flush()
    assert store.registry.key(kid_of(11, 2)) is None


def test_messages_of_a_device_are_listed_newest_first(store: SqliteStore) -> None:
    keyed(store)
    first = queue(store, epoch=2)
    second = queue(store, epoch=3, created_at=NOW + 1)
    found = store.provisioning.controls(device_id(10))
    assert [each.message_id for each in found] == [second.message_id, first.message_id]
    assert store.provisioning.controls(device_id(11)) == []
