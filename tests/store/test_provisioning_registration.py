"""Registrations and confirmed keys: one current key, overlap, secure elements that are nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.store.provisioning_samples import (
    OVERLAP_S,
    UNUSED,
    activated,
    control,
    enrolment,
    key_states,
    keyed,
    kid_of,
    last_act,
    newcomer,
    package,
    pending,
    registered,
    registration,
    stage_key,
    standing,
    state_of,
)
from tests.store.samples import FIRST_WINDOW, NOW, device_id, device_key, kid
from tsm_gateway.registry.control import ControlState
from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.registry.errors import (
    ElementsChanged,
    KeyNotWaiting,
    MoveNotAllowed,
    NotKnown,
    SecureElementTaken,
)
from tsm_gateway.registry.suspension import SuspensionKind

if TYPE_CHECKING:
    from tsm_gateway.store.sqlite_store import SqliteStore

PENDING, CURRENT, OVERLAP, RETIRED = (
    *(KeyState.PENDING, KeyState.CURRENT),
    *(KeyState.OVERLAP, KeyState.RETIRED),
)


def register(store: SqliteStore, number: int = 10, epoch: int = 1, overlap_s: int = OVERLAP_S) -> None:
    store.provisioning.register(registration(number, epoch), overlap_s=overlap_s, at=NOW + 5)
    store.flush()


def test_a_keyed_device_registers(store: SqliteStore) -> None:
    keyed(store)
    moved = store.provisioning.register(registration(), overlap_s=OVERLAP_S, at=NOW + 5)
    store.flush()
    found = standing(store)
    assert (found.device, found.registration) == (moved, registration())
    assert (moved.state, moved.changed_at) == (DeviceState.REGISTERED, NOW + 5)
    assert key_states(store) == {1: CURRENT}
    assert found.packages == (package(confirmed_at=NOW + 5),)


def test_a_confirmed_key_makes_every_earlier_one_overlap(store: SqliteStore) -> None:
    registered(store)
    stage_key(store, 10, 2)
    stage_key(store, 10, 3)
    register(store, 10, 3)
    assert key_states(store) == {1: OVERLAP, 2: OVERLAP, 3: CURRENT}
    assert state_of(store) is DeviceState.REGISTERED
    store.purge(NOW + 5 + OVERLAP_S, 0, 0, 10)
    store.flush()
    assert key_states(store) == {1: RETIRED, 2: RETIRED, 3: CURRENT}


def test_without_overlap_the_earlier_keys_are_retired_at_once(store: SqliteStore) -> None:
    registered(store)
    stage_key(store, 10, 2)
    register(store, 10, 2, overlap_s=0)
    assert key_states(store) == {1: RETIRED, 2: CURRENT}


def test_a_later_key_waits_on_when_an_earlier_one_is_proved(store: SqliteStore) -> None:
    registered(store)
    stage_key(store, 10, 2)
    stage_key(store, 10, 3)
    register(store, 10, 2)
    assert key_states(store) == {1: OVERLAP, 2: CURRENT, 3: PENDING}


def test_a_device_may_prove_its_current_key_again(store: SqliteStore) -> None:
    registered(store)
    again = registration(proof=b"another proof", registered_at=NOW + 9)
    store.provisioning.register(again, overlap_s=OVERLAP_S, at=NOW + 9)
    store.flush()
    found = standing(store)
    assert (found.registration, found.packages[0].confirmed_at) == (again, NOW)
    assert key_states(store) == {1: CURRENT}


@pytest.mark.parametrize(("lapse", "state"), [(0, "overlap"), (10**6, "retired")])
def test_a_key_that_was_replaced_cannot_be_proved(store: SqliteStore, lapse: int, state: str) -> None:
    registered(store)
    stage_key(store, 10, 2)
    register(store, 10, 2)
    store.purge(NOW + lapse, 0, 0, 10)
    store.flush()
    with pytest.raises(KeyNotWaiting) as caught:
        register(store, 10, 1)
    assert caught.value.facts["state"] == state


def test_the_key_of_another_device_cannot_be_proved(store: SqliteStore) -> None:
    keyed(store, 10)
    keyed(store, 11)
    with pytest.raises(KeyNotWaiting):
        store.provisioning.register(registration(10, kid=kid_of(11, 1)), overlap_s=0, at=NOW)
    with pytest.raises(NotKnown):
        store.provisioning.register(registration(10, kid=b"none"), overlap_s=0, at=NOW)
    with pytest.raises(NotKnown):
        store.provisioning.register(registration(99), overlap_s=0, at=NOW)
    assert state_of(store) is DeviceState.KEYED
    assert key_states(store) == {1: PENDING}


def test_a_device_that_has_no_key_yet_cannot_register(store: SqliteStore) -> None:
    store.provisioning.enrol(newcomer(), enrolment())
    with pytest.raises(MoveNotAllowed):
        store.provisioning.register(registration(), overlap_s=0, at=NOW)


def test_a_terminated_device_cannot_register(store: SqliteStore) -> None:
    keyed(store)
    store.provisioning.terminate(device_id(10), reason="", at=NOW)
    with pytest.raises(MoveNotAllowed):
        store.provisioning.register(registration(), overlap_s=0, at=NOW)


def test_a_device_added_by_hand_registers_and_stays_active(store: SqliteStore) -> None:
    store.provisioning.register(registration(1, kid=kid(1)), overlap_s=0, at=NOW)
    store.flush()
    assert state_of(store, 1) is DeviceState.ACTIVE
    assert key_states(store, 1) == {1: CURRENT}


def test_a_key_given_by_hand_takes_the_place_of_keys_that_wait(store: SqliteStore) -> None:
    registered(store)
    stage_key(store, 10, 2)
    store.flush()
    given = device_key(10, kid=kid(900), epoch=3)
    store.registry.add_device_key(given, FIRST_WINDOW, overlap_s=60, at=NOW)
    assert key_states(store) == {1: OVERLAP, 2: OVERLAP, 3: CURRENT}


# --- secure elements ---


@pytest.mark.parametrize("role", ["crypto_se", "app_se"])
@pytest.mark.parametrize("taken", ["crypto_se", "app_se"])
def test_a_secure_element_belongs_to_one_live_device(store: SqliteStore, role: str, taken: str) -> None:
    registered(store, 10)
    keyed(store, 11)
    theirs = getattr(registration(10), taken)
    with pytest.raises(SecureElementTaken) as caught:
        store.provisioning.register(registration(11, **{role: theirs}), overlap_s=0, at=NOW)
    facts = {"name": device_id(11), "holder": device_id(10), "elements": theirs.hex()}
    assert caught.value.facts == facts
    assert state_of(store, 11) is DeviceState.KEYED
    assert standing(store, 11).registration is None
    assert key_states(store, 11) == {1: PENDING}


def test_two_equal_elements_are_one_too_many(store: SqliteStore) -> None:
    keyed(store)
    with pytest.raises(SecureElementTaken):
        store.provisioning.register(registration(app_se=registration().crypto_se), overlap_s=0, at=NOW)


def test_a_terminated_devices_elements_are_free_again(store: SqliteStore) -> None:
    registered(store, 10)
    keyed(store, 11)
    store.provisioning.terminate(device_id(10), reason="", at=NOW)
    ours = registration(11, crypto_se=registration(10).crypto_se, app_se=registration(10).app_se)
    store.provisioning.register(ours, overlap_s=0, at=NOW)
    store.flush()
    assert standing(store, 11).registration == ours
    assert standing(store, 10).registration == registration(10)


def test_a_suspended_device_keeps_its_elements(store: SqliteStore) -> None:
    registered(store, 10)
    keyed(store, 11)
    store.provisioning.suspend(device_id(10), SuspensionKind.LOST, proof_wanted=False, reason="", at=NOW)
    with pytest.raises(SecureElementTaken):
        store.provisioning.register(registration(11, app_se=registration(10).app_se), overlap_s=0, at=NOW)


@pytest.mark.parametrize("role", ["crypto_se", "app_se"])
def test_a_registered_device_cannot_change_its_elements_by_itself(store: SqliteStore, role: str) -> None:
    registered(store)
    before = standing(store)
    another: dict[str, Any] = {role: b"another one"}
    with pytest.raises(ElementsChanged):
        store.provisioning.register(registration(**another), overlap_s=0, at=NOW)
    swapped = registration(crypto_se=registration().app_se, app_se=registration().crypto_se)
    with pytest.raises(ElementsChanged):
        store.provisioning.register(swapped, overlap_s=0, at=NOW)
    assert standing(store) == before


def test_elements_that_an_operator_freed_are_whose_who_proves_them_next(store: SqliteStore) -> None:
    registered(store, 10)  # with ids that are those of 11
    keyed(store, 11)
    ours = registration(11, crypto_se=registration(10).crypto_se, app_se=registration(10).app_se)
    store.provisioning.forget_elements(device_id(10), reason="claimed by 11", at=NOW)
    store.flush()
    entry = store.provisioning.audit(store.provisioning.audit_head()[0] - 1)[0].entry
    assert (entry.action, entry.reason) == ("device.forget-elements", "claimed by 11")
    assert dict(entry.facts)["elements"] == f"{ours.crypto_se.hex()} {ours.app_se.hex()}"
    assert state_of(store, 10) is DeviceState.REGISTERED
    assert standing(store, 10).registration == registration(10)  # on record
    assert store.check() == []
    store.provisioning.register(ours, overlap_s=0, at=NOW)
    store.flush()
    with pytest.raises(SecureElementTaken):
        store.provisioning.register(registration(10), overlap_s=0, at=NOW)
    new = registration(10, crypto_se=b"its own one", app_se=b"the other")
    store.provisioning.register(new, overlap_s=0, at=NOW)
    store.flush()
    assert standing(store, 10).registration == new
    assert store.check() == []


def test_nobody_frees_elements_that_are_not_claimed(store: SqliteStore) -> None:
    keyed(store)
    for number in (10, 99):
        with pytest.raises(NotKnown):
            store.provisioning.forget_elements(device_id(number), reason="", at=NOW)
    store.provisioning.terminate(device_id(10), reason="", at=NOW)
    with pytest.raises(MoveNotAllowed):
        store.provisioning.forget_elements(device_id(10), reason="", at=NOW)


# --- confirmation by use ---


def test_a_key_in_use_is_confirmed_by_it(store: SqliteStore) -> None:
    registered(store)
    stage_key(store, 10, 2)
    store.provisioning.confirm(kid_of(10, 2), overlap_s=OVERLAP_S, at=NOW + 7)
    store.flush()
    assert key_states(store) == {1: OVERLAP, 2: CURRENT}
    assert standing(store).packages[0] == package(10, 2, confirmed_at=NOW + 7)
    assert standing(store).registration == registration()
    assert last_act(store) == ("key.confirm", device_id(10), "used")


def test_nobody_knows_who_uses_the_key_of_a_suspended_device(store: SqliteStore) -> None:
    activated(store)
    stage_key(store, 10, 2)
    store.provisioning.suspend(device_id(10), SuspensionKind.LOST, proof_wanted=False, reason="", at=NOW)
    store.flush()
    with pytest.raises(MoveNotAllowed):
        store.provisioning.confirm(kid_of(10, 2), overlap_s=0, at=NOW)
    assert key_states(store) == {1: KeyState.CURRENT, 2: KeyState.PENDING}


def test_the_first_key_is_not_confirmed_by_use(store: SqliteStore) -> None:
    keyed(store)
    with pytest.raises(MoveNotAllowed):
        store.provisioning.confirm(kid_of(10, 1), overlap_s=0, at=NOW)


def test_a_device_by_hand_that_never_registered_confirms_nothing_by_use(store: SqliteStore) -> None:
    stage_key(store, 1, 2)
    with pytest.raises(MoveNotAllowed):
        store.provisioning.confirm(kid_of(1, 2), overlap_s=0, at=NOW)


def test_a_message_with_a_later_key_is_sent_although_an_earlier_one_is_confirmed(store: SqliteStore) -> None:
    registered(store)
    stage_key(store, 10, 2)
    store.provisioning.deliver(pending(10, 3), UNUSED, package(10, 3), control(10, 3), at=NOW)
    register(store, 10, 2)
    assert store.provisioning.due_controls(NOW, 9) == [control(10, 3)]


def test_a_key_is_confirmed_once(store: SqliteStore) -> None:
    registered(store)
    with pytest.raises(KeyNotWaiting):
        store.provisioning.confirm(kid_of(10, 1), overlap_s=0, at=NOW)
    with pytest.raises(NotKnown):
        store.provisioning.confirm(b"none", overlap_s=0, at=NOW)
    with pytest.raises(KeyNotWaiting):
        store.provisioning.confirm(bytes.fromhex("f0000001"), overlap_s=0, at=NOW)


def test_a_confirmed_package_is_not_sent_any_more(store: SqliteStore) -> None:
    registered(store)
    store.provisioning.deliver(pending(10, 2), UNUSED, package(10, 2), control(10, 2), at=NOW)
    register(store, 10, 2)
    (message,) = store.provisioning.controls(device_id(10))
    assert (message.state, message.reason) == (ControlState.FAILED, "confirmed")


# --- what the relay is told ---


def test_the_relay_is_told_when_an_active_devices_keys_give_way(store: SqliteStore) -> None:
    activated(store)
    stage_key(store, 10, 2)
    store.flush()
    before = store.registry.versions()[0]
    register(store, 10, 2)
    assert store.registry.versions()[0] == before + 1
    store.provisioning.register(registration(10, 2), overlap_s=0, at=NOW)
    store.flush()
    assert store.registry.versions()[0] == before + 1
    stage_key(store, 10, 3)
    store.provisioning.confirm(kid_of(10, 3), overlap_s=0, at=NOW)
    store.flush()
    assert store.registry.versions()[0] == before + 2
