"""The relay and provisioning write to one file at the same time; each keeps what it promised."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.store.provisioning_samples import (
    OVERLAP_S,
    enrolment,
    key_states,
    keyed,
    newcomer,
    registered,
    registration,
    stage_key,
    standing,
)
from tests.store.samples import NOW, device_id, kid, open_store, payments
from tests.store.test_race import race
from tsm_gateway.registry.audit import broken_links
from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.registry.errors import AlreadyKnown, SecureElementTaken
from tsm_gateway.relay.interfaces import StoreBusy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore

PAYMENTS, DEVICES = 200, 60


def insisting(step: Callable[[], object]) -> None:
    """As the committer does: a busy store is asked again."""
    for _ in range(10_000):
        with suppress(StoreBusy):
            step()
            return
    pytest.fail("the other process never lets go")


def pay(store: SqliteStore, number: int) -> None:
    store.stage(payments([number]))
    store.flush()


def enrol(store: SqliteStore, number: int) -> None:
    store.provisioning.enrol(newcomer(number), enrolment(number))
    stage_key(store, number)
    store.provisioning.register(registration(number), overlap_s=OVERLAP_S, at=NOW)
    store.flush()


def relay(store: SqliteStore) -> int:
    for number in range(1, PAYMENTS + 1):
        insisting(lambda number=number: pay(store, number))  # type: ignore[misc]
    return PAYMENTS


def provisioning(store: SqliteStore, first: int = 100) -> int:
    for number in range(first, first + DEVICES):
        insisting(lambda number=number: enrol(store, number))  # type: ignore[misc]
    return DEVICES


def in_two_roles(folder: Path, one: Callable[[Path], int], other: Callable[[Path], int]) -> list[int]:
    """Both at the same time, in processes of their own; the lock file says who is first."""
    claim = folder / "first"

    def play(ready: Callable[[], None]) -> int:
        try:
            claim.touch(exist_ok=False)
            role = one
        except FileExistsError:
            role = other
        ready()
        return role(folder)

    return race(play)


def as_relay(folder: Path) -> int:
    store = open_store(folder, actor="relay")
    done = relay(store)
    store.close()
    return done


def as_provisioning(folder: Path) -> int:
    store = open_store(folder, exclusive=False, patience_s=0.0, actor="provisioning")
    done = provisioning(store)
    store.close()
    return done


def as_second_provisioning(folder: Path) -> int:
    store = open_store(folder, exclusive=False, actor="second")
    done = provisioning(store, 300)
    store.close()
    return done


def test_payments_and_enrolments_interleave_on_one_file(folder: Path) -> None:
    assert sorted(in_two_roles(folder, as_relay, as_provisioning)) == [DEVICES, PAYMENTS]
    store = open_store(folder)
    assert store.check() == []
    assert store.provisioning.providers_of(device_id(1)) == [("bank", PAYMENTS, NOW)]
    assert key_states(store, 100 + DEVICES - 1) == {1: KeyState.CURRENT}
    entries = store.provisioning.audit(limit=10_000)
    assert [each.entry.actor for each in entries].count("provisioning") == 3 * DEVICES
    store.close()


def test_the_audit_log_of_two_writers_is_one_chain(folder: Path) -> None:
    assert in_two_roles(folder, as_provisioning, as_second_provisioning) == [DEVICES, DEVICES]
    store = open_store(folder)
    entries = store.provisioning.audit(limit=10_000)
    assert broken_links(entries) == []
    actors = [each.entry.actor for each in entries]
    assert (actors.count("provisioning"), actors.count("second")) == (3 * DEVICES, 3 * DEVICES)
    assert store.check() == []
    store.close()


# --- one after the other, in the ways that matter ---


def test_who_does_not_wait_is_told_at_once(folder: Path) -> None:
    daemon, beside = open_store(folder), open_store(folder, exclusive=False, patience_s=0.0)
    daemon.stage(payments([1]))
    with pytest.raises(StoreBusy):
        keyed(beside)
    daemon.flush()
    keyed(beside)
    beside.close()
    daemon.close()


def test_a_device_that_enrols_twice_at_once_is_known_once(folder: Path) -> None:
    one, other = open_store(folder), open_store(folder, exclusive=False)
    assert one.provisioning.standing(device_id(10)) is None
    assert other.provisioning.standing(device_id(10)) is None
    keyed(one)
    with pytest.raises(AlreadyKnown):
        keyed(other)
    assert standing(other).device.state is DeviceState.KEYED
    other.close()
    one.close()


def test_two_devices_with_one_element_at_once_are_one_registration(folder: Path) -> None:
    one, other = open_store(folder), open_store(folder, exclusive=False)
    for number in (10, 11):
        keyed(one, number)
    registered(one, 12)
    one.provisioning.register(registration(10, app_se=b"the same"), overlap_s=0, at=NOW)
    one.flush()
    with pytest.raises(SecureElementTaken):
        other.provisioning.register(registration(11, app_se=b"the same"), overlap_s=0, at=NOW)
    other.close()
    one.close()


def test_the_relay_sees_what_another_process_suspended(folder: Path) -> None:
    daemon, beside = open_store(folder), open_store(folder, exclusive=False)
    before = daemon.registry.versions()[0]
    beside.provisioning.change_number(device_id(1), "+491", reason="", at=NOW)
    beside.flush()
    assert daemon.registry.versions()[0] == before + 1
    entry = daemon.registry.device_for(kid(1))
    assert entry is not None
    assert entry.device.state is DeviceState.SUSPENDED
    beside.close()
    daemon.close()
