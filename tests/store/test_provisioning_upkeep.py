"""Which keys want a successor, which have one in use, and what becomes of keys that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.provisioning_samples import (
    FIRST_PIV,
    OVERLAP_S,
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
    stage_key,
)
from tests.store.samples import NOW, device_id, device_key, kid, open_store, payments, window_at
from tsm_gateway.registry.control import ControlState
from tsm_gateway.registry.device import KeyState
from tsm_gateway.registry.suspension import SuspensionKind
from tsm_gateway.relay.interfaces import Batch, WindowMove

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore


def use(store: SqliteStore, kid_used: bytes, piv: int) -> None:
    """A packet with this number came."""
    old = store.registry.window_of(kid_used)
    assert old is not None
    store.stage(Batch(windows=[WindowMove(kid_used, old, window_at(piv))]))
    store.flush()


def overdue(store: SqliteStore, **how: int | bytes) -> list[bytes]:
    asked = {"created_before": 0, "packets": 0, **how}
    return [key.kid for key in store.provisioning.overdue_keys(**asked)]  # type: ignore[arg-type]


def used(store: SqliteStore) -> list[bytes]:
    return [key.kid for key in store.provisioning.used_pending()]


# --- overdue ---


def test_nothing_is_overdue_without_a_policy(store: SqliteStore) -> None:
    assert overdue(store) == []


def test_a_key_is_overdue_by_age(store: SqliteStore) -> None:
    activated(store)
    assert overdue(store, created_before=NOW) == []
    assert overdue(store, created_before=NOW + 1) == [kid(1), kid(2), kid(3), kid_of(10, 1)]


def test_a_key_is_overdue_by_use(store: SqliteStore) -> None:
    activated(store)
    use(store, kid_of(10, 1), FIRST_PIV + 99)
    assert overdue(store, packets=100) == []
    use(store, kid_of(10, 1), FIRST_PIV + 100)
    assert overdue(store, packets=100) == [kid_of(10, 1)]


def test_either_of_both_criteria_will_do(store: SqliteStore) -> None:
    activated(store)
    use(store, kid_of(10, 1), FIRST_PIV + 100)
    assert overdue(store, packets=100, created_before=NOW) == [kid_of(10, 1)]
    assert len(overdue(store, packets=10**6, created_before=NOW + 1)) == 4


@pytest.mark.parametrize("criteria", [{"created_before": NOW + 1}, {"created_before": NOW + 1, "packets": 9}])
def test_overdue_keys_come_in_pages(store: SqliteStore, criteria: dict[str, int]) -> None:
    for number in (12, 11, 10):
        activated(store, number)
    found: list[bytes] = []
    while page := overdue(store, limit=2, after=found[-1] if found else b"", **criteria):
        found += page
    assert sorted(found) == sorted(overdue(store, **criteria))
    assert len(found) == len(set(found)) == 6


def test_the_oldest_are_told_first(store: SqliteStore) -> None:
    keyed(store)
    old = pending(10, 2, created_at=NOW - 50)
    store.registry.add_device_key(
        device_key(2, kid=kid(900), epoch=2, created_at=NOW - 100), window_at(0), overlap_s=0, at=NOW
    )
    assert overdue(store, created_before=NOW + 1)[0] == kid(900)
    assert old.kid not in overdue(store, created_before=NOW + 1)


@pytest.mark.parametrize("criteria", [{"created_before": NOW + 1}, {"packets": 1}])
def test_a_key_somebody_takes_care_of_is_not_overdue(store: SqliteStore, criteria: dict[str, int]) -> None:
    for number in (10, 11, 12, 13):
        activated(store, number)
        use(store, kid_of(number, 1), FIRST_PIV + 5)
    store.provisioning.order(order(10))
    stage_key(store, 11, 2)
    store.provisioning.suspend(device_id(12), SuspensionKind.LOST, proof_wanted=False, reason="", at=NOW)
    store.flush()
    found = set(overdue(store, **criteria))
    assert found & {kid_of(number, 1) for number in (10, 11, 12, 13)} == {kid_of(13, 1)}


@pytest.mark.parametrize("criteria", [{"created_before": NOW + 1}, {"packets": 1}])
def test_a_key_whose_successor_was_lost_on_the_air_is_overdue_again(
    store: SqliteStore, criteria: dict[str, int]
) -> None:
    activated(store)
    use(store, kid_of(10, 1), FIRST_PIV + 5)
    sent = control(10, 2)
    store.provisioning.deliver(pending(10, 2), UNUSED, package(10, 2), sent, at=NOW)
    store.flush()
    assert kid_of(10, 1) not in overdue(store, **criteria)
    store.provisioning.move_control(
        sent.message_id, ControlState.FAILED, attempts=9, due_at=NOW, reason="gave up", at=NOW
    )
    store.flush()
    assert kid_of(10, 1) in overdue(store, **criteria)


def sent(store: SqliteStore, epoch: int, *, at: int) -> None:
    """The next key of device 10, in short messages that the network took at that second."""
    message = control(10, epoch)
    store.provisioning.deliver(pending(10, epoch), UNUSED, package(10, epoch), message, at=NOW)
    store.provisioning.move_control(
        message.message_id, ControlState.SENT, attempts=1, due_at=NOW, reason="", at=at
    )
    store.flush()


@pytest.mark.parametrize("criteria", [{"created_before": NOW + 1}, {"packets": 1}])
def test_a_key_whose_successor_was_sent_and_never_confirmed_is_overdue_again(
    store: SqliteStore, criteria: dict[str, int]
) -> None:
    activated(store)
    use(store, kid_of(10, 1), FIRST_PIV + 5)
    sent(store, 2, at=NOW + 60)
    assert kid_of(10, 1) not in overdue(store, **criteria)
    assert kid_of(10, 1) not in overdue(store, silent_before=NOW + 60, **criteria)
    assert kid_of(10, 1) in overdue(store, silent_before=NOW + 61, **criteria)
    sent(store, 3, at=NOW + 90)
    assert kid_of(10, 1) not in overdue(store, silent_before=NOW + 61, **criteria)
    assert kid_of(10, 1) in overdue(store, silent_before=NOW + 91, **criteria)
    stage_key(store, 10, 4)  # to be fetched
    store.flush()
    assert kid_of(10, 1) not in overdue(store, silent_before=NOW + 999, **criteria)


def test_devices_that_confirmed_none_of_so_many_keys_are_counted(store: SqliteStore) -> None:
    activated(store)
    for epoch in (2, 3):
        sent(store, epoch, at=NOW)
    assert store.provisioning.given_up(silent_before=NOW + 1, tries=3) == 0
    assert store.provisioning.given_up(silent_before=NOW, tries=2) == 0
    assert store.provisioning.given_up(silent_before=NOW + 1, tries=2) == 1
    store.provisioning.register(registration(10, 3), overlap_s=OVERLAP_S, at=NOW)
    store.flush()
    assert store.provisioning.given_up(silent_before=NOW + 1, tries=1) == 0


def test_a_replaced_key_is_not_overdue(store: SqliteStore) -> None:
    activated(store)
    stage_key(store, 10, 2, created_at=NOW + 10)
    store.provisioning.register(registration(10, 2), overlap_s=OVERLAP_S, at=NOW)
    store.flush()
    assert kid_of(10, 1) not in overdue(store, created_before=NOW + 5)


# --- hoarded ---


def test_of_keys_that_wait_the_oldest_unused_gives_way_to_a_ninth(store: SqliteStore) -> None:
    keyed(store)
    use(store, kid_of(10, 1), FIRST_PIV)
    for epoch in range(2, 10):
        stage_key(store, 10, epoch)
    store.flush()
    retired = [epoch for epoch, state in key_states(store).items() if state is KeyState.RETIRED]
    assert retired == [2]


def test_where_every_key_that_waits_was_used_the_oldest_gives_way_and_not_the_newest(
    store: SqliteStore,
) -> None:
    keyed(store)
    use(store, kid_of(10, 1), FIRST_PIV)
    for epoch in range(2, 10):
        stage_key(store, 10, epoch)
        store.flush()
        if epoch < 9:
            use(store, kid_of(10, epoch), FIRST_PIV)
    store.flush()
    states = key_states(store)
    assert states == {1: KeyState.RETIRED, **dict.fromkeys(range(2, 10), KeyState.PENDING)}
    store.provisioning.register(registration(10, 9), overlap_s=OVERLAP_S, at=NOW)
    store.flush()
    assert key_states(store)[9] is KeyState.CURRENT


# --- confirmed by use ---


def test_a_key_that_waits_and_is_used_is_found(store: SqliteStore) -> None:
    registered(store)
    stage_key(store, 10, 2)
    store.flush()
    assert used(store) == []
    use(store, kid_of(10, 2), FIRST_PIV)
    assert used(store) == [kid_of(10, 2)]
    assert store.provisioning.used_pending(after=kid_of(10, 2)) == []
    store.provisioning.confirm(kid_of(10, 2), overlap_s=0, at=NOW)
    store.flush()
    assert used(store) == []


def test_a_device_that_never_registered_confirms_nothing_by_use(store: SqliteStore) -> None:
    keyed(store)
    use(store, kid_of(10, 1), FIRST_PIV)
    stage_key(store, 10, 2)
    store.flush()
    use(store, kid_of(10, 2), FIRST_PIV)
    stage_key(store, 1, 2)  # a device added by hand
    store.flush()
    use(store, kid_of(1, 2), FIRST_PIV)
    assert used(store) == []


def suspended(store: SqliteStore, number: int = 10) -> None:
    """With a key that waits."""
    activated(store, number)
    stage_key(store, number, 2)
    kind = SuspensionKind.STOLEN
    store.provisioning.suspend(device_id(number), kind, proof_wanted=False, reason="", at=NOW)
    store.flush()


def test_what_comes_while_suspended_confirms_nothing_ever(store: SqliteStore) -> None:
    suspended(store)
    use(store, kid_of(10, 2), FIRST_PIV + 7)
    assert used(store) == []
    store.provisioning.resume(device_id(10), reason="found", at=NOW)
    store.flush()
    assert used(store) == []
    use(store, kid_of(10, 2), FIRST_PIV + 8)
    assert used(store) == [kid_of(10, 2)]


def test_a_refused_confirmation_is_no_use(store: SqliteStore) -> None:
    activated(store)
    stage_key(store, 10, 2)
    store.stage(Batch(controls=[arrival(10, 2, FIRST_PIV + 3)]))
    store.flush()
    use(store, kid_of(10, 2), FIRST_PIV + 3)
    assert used(store) == []  # it is not judged yet
    store.provisioning.refuse_arrival(kid_of(10, 2), FIRST_PIV + 3)
    store.flush()
    assert store.provisioning.control_arrivals(9) == []
    assert used(store) == []
    use(store, kid_of(10, 2), FIRST_PIV + 4)
    assert used(store) == [kid_of(10, 2)]
    assert store.check() == []


def test_a_refused_confirmation_under_a_key_without_a_package_is_forgotten(store: SqliteStore) -> None:
    store.stage(Batch(controls=[arrival(1, kid=kid(1))]))
    store.provisioning.refuse_arrival(kid(1), FIRST_PIV)
    store.flush()
    assert store.provisioning.control_arrivals(9) == []


def test_a_terminated_devices_keys_confirm_nothing(store: SqliteStore) -> None:
    registered(store)
    stage_key(store, 10, 2)
    store.flush()
    use(store, kid_of(10, 2), FIRST_PIV)
    store.provisioning.terminate(device_id(10), reason="", at=NOW)
    store.flush()
    assert used(store) == []


def test_a_damaged_window_confirms_nothing(store: SqliteStore) -> None:
    registered(store)
    stage_key(store, 10, 2)
    store.flush()
    with store._writer.administration() as cursor:
        cursor.execute("UPDATE replay_window SET highest = 9999 WHERE kid = ?", (kid_of(10, 2),))
    assert used(store) == []
    with store._writer.administration() as cursor:
        cursor.execute("UPDATE replay_window SET highest = ? WHERE kid = ?", (FIRST_PIV - 1, kid_of(10, 2)))


# --- resync and rewrapping ---


@pytest.fixture
def apart(folder: Path) -> SqliteStore:
    """A store that a resync may make another one of."""
    return open_store(folder)


def test_a_window_that_a_resync_moved_was_not_used(apart: SqliteStore) -> None:
    for number in (10, 11):
        registered(apart, number)
        stage_key(apart, number, 2)
    apart.flush()
    use(apart, kid_of(11, 2), FIRST_PIV)
    apart.resync(advance=1_000_000, demand_new_keys=False)
    assert apart.registry.window_of(kid_of(10, 2)) == window_at(FIRST_PIV - 1 + 1_000_000)
    assert used(apart) == [kid_of(11, 2)]
    use(apart, kid_of(10, 2), FIRST_PIV + 1_000_000)
    assert used(apart) == [kid_of(10, 2), kid_of(11, 2)]
    assert apart.check() == []
    apart.close()


def test_a_window_that_a_resync_closed_does_not_replace_a_key_that_works(apart: SqliteStore) -> None:
    registered(apart)
    stage_key(apart, 10, 2)
    apart.flush()
    with apart._writer.administration() as cursor:
        cursor.execute("UPDATE replay_window SET bitmap = 0 WHERE kid = ?", (kid_of(10, 2),))
    apart.resync(advance=10, demand_new_keys=False)
    assert used(apart) == []
    apart.close()


def test_a_damaged_package_does_not_stop_a_resync(apart: SqliteStore) -> None:
    registered(apart)
    stage_key(apart, 10, 2)
    apart.flush()
    with apart._writer.administration() as cursor:
        cursor.execute("UPDATE key_package SET kem = 9 WHERE kid = ?", (kid_of(10, 2),))
    apart.resync(advance=10, demand_new_keys=False)
    assert used(apart) == []
    apart.close()


def test_a_resync_that_demands_new_keys_demands_those_that_wait_too(apart: SqliteStore) -> None:
    registered(apart)
    stage_key(apart, 10, 2)
    apart.flush()
    assert apart.resync(advance=0, demand_new_keys=True).devices == 5
    assert key_states(apart) == dict.fromkeys((1, 2), KeyState.STALE)
    stage_key(apart, 10, 3)
    apart.provisioning.register(registration(10, 3), overlap_s=OVERLAP_S, at=NOW)
    apart.flush()
    stale = dict.fromkeys((1, 2), KeyState.STALE)
    assert key_states(apart) == {**stale, 3: KeyState.CURRENT}
    apart.close()


def test_a_key_that_waits_is_rewrapped_and_waits_on(store: SqliteStore) -> None:
    registered(store)
    stage_key(store, 10, 2)
    store.flush()
    old = pending(10, 2)
    store.registry.rewrap_all([(old.kid, old.wrapped, b"under master 2", 2)])
    assert store.registry.key(old.kid) == old._replace(wrapped=b"under master 2", master_version=2)
    store.registry.rewrap(old.kid, b"under master 2", b"under master 3", 3)
    assert store.registry.key(old.kid) == old._replace(wrapped=b"under master 3", master_version=3)


# --- what a device did ---


def test_whom_a_device_paid_is_told_by_provider(store: SqliteStore) -> None:
    assert store.provisioning.providers_of(device_id(1)) == []
    store.stage(payments([1, 2]))
    store.stage(payments([3], provider="shop", received_at=NOW + 9))
    store.flush()
    assert store.provisioning.providers_of(device_id(1)) == [("bank", 2, NOW), ("shop", 1, NOW + 9)]
    assert store.provisioning.providers_of(device_id(2)) == []
