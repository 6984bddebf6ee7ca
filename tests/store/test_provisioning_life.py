"""Suspension, termination, change of number, replacement: and the way back, which not everybody has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.provisioning_samples import (
    OVERLAP_S,
    UNUSED,
    activated,
    arrival,
    control,
    enrolment,
    key_states,
    keyed,
    last_act,
    newcomer,
    order,
    package,
    pending,
    registered,
    registration,
    stage_key,
    standing,
    state_of,
)
from tests.store.samples import NOW, device, device_id
from tsm_gateway.registry.control import ControlState
from tsm_gateway.registry.device import DeviceMove, DeviceState, KeyState
from tsm_gateway.registry.errors import MoveNotAllowed, NotKnown, ProofWanted
from tsm_gateway.registry.suspension import Suspension, SuspensionKind
from tsm_gateway.relay.interfaces import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.store.sqlite_store import SqliteStore

D, K = DeviceState, SuspensionKind
LATER = NOW + 50


def enrolled(store: SqliteStore, number: int = 10) -> None:
    store.provisioning.enrol(newcomer(number), enrolment(number))
    store.flush()


LIVE = [(enrolled, D.ENROLLED), (keyed, D.KEYED), (registered, D.REGISTERED), (activated, D.ACTIVE)]


def suspend(
    store: SqliteStore, kind: SuspensionKind = K.OPERATOR, number: int = 10, *, proof_wanted: bool = False
) -> None:
    store.provisioning.suspend(device_id(number), kind, proof_wanted=proof_wanted, reason="asked", at=NOW + 1)
    store.flush()


def resume(store: SqliteStore, number: int = 10) -> None:
    store.provisioning.resume(device_id(number), reason="found", at=LATER)
    store.flush()


def change_number(store: SqliteStore, number: int = 10, to: str = "+4915550001234") -> None:
    store.provisioning.change_number(device_id(number), to, reason="new sim", at=LATER)
    store.flush()


def prove(store: SqliteStore, number: int = 10) -> None:
    store.provisioning.register(registration(number), overlap_s=OVERLAP_S, at=LATER + 1)
    store.flush()


@pytest.mark.parametrize(("arrive", "state"), LIVE)
@pytest.mark.parametrize("kind", [K.OPERATOR, K.LOST, K.STOLEN])
def test_a_device_resumes_to_where_it_was(
    store: SqliteStore, arrive: Callable[[SqliteStore], None], state: DeviceState, kind: SuspensionKind
) -> None:
    arrive(store)
    suspend(store, kind)
    found = standing(store)
    assert (found.device.state, found.device.reason) == (D.SUSPENDED, "asked")
    assert found.suspension == Suspension(device_id(10), kind, state, False, NOW + 1, "asked")
    resume(store)
    found = standing(store)
    assert (found.device.state, found.device.reason, found.device.changed_at) == (state, "found", LATER)
    assert found.suspension is None


def test_a_device_suspended_in_that_way_is_not_suspended_again(store: SqliteStore) -> None:
    registered(store)
    suspend(store, K.LOST)
    with pytest.raises(MoveNotAllowed):
        suspend(store, K.LOST)


def test_a_lost_device_turns_out_to_be_stolen(store: SqliteStore) -> None:
    activated(store)
    suspend(store, K.LOST)
    suspend(store, K.STOLEN)
    found = standing(store).suspension
    assert found is not None
    assert (found.kind, found.resumes_to) == (K.STOLEN, D.ACTIVE)


def test_a_device_by_hand_suspended_while_active_can_be_suspended_otherwise(store: SqliteStore) -> None:
    store.registry.move_device(device_id(1), DeviceMove.SUSPEND, reason="", at=NOW)
    suspend(store, K.STOLEN, 1)
    resume(store, 1)
    assert state_of(store, 1) is D.ACTIVE


@pytest.mark.parametrize("verb", ["suspend", "resume", "terminate", "activate", "change_number"])
def test_nobody_moves_a_terminated_or_an_unknown_device(store: SqliteStore, verb: str) -> None:
    registered(store)
    store.provisioning.terminate(device_id(10), reason="", at=NOW)
    store.flush()
    more = {"suspend": (K.LOST,), "change_number": ("+491",)}.get(verb, ())
    named = {"proof_wanted": False} if verb == "suspend" else {}
    move = getattr(store.provisioning, verb)
    with pytest.raises(MoveNotAllowed):
        move(device_id(10), *more, reason="", at=NOW, **named)
    with pytest.raises(NotKnown):
        move(device_id(99), *more, reason="", at=NOW, **named)


@pytest.mark.parametrize("arrive", [enrolled, keyed, activated])
def test_only_a_registered_device_is_activated(
    store: SqliteStore, arrive: Callable[[SqliteStore], None]
) -> None:
    arrive(store)
    with pytest.raises(MoveNotAllowed):
        store.provisioning.activate(device_id(10), reason="", at=NOW)


def test_a_device_that_is_not_suspended_does_not_resume(store: SqliteStore) -> None:
    activated(store)
    with pytest.raises(MoveNotAllowed):
        resume(store)


# --- proofs ---


def test_a_wanted_proof_is_the_only_way_back(store: SqliteStore) -> None:
    activated(store)
    suspend(store, K.LOST, proof_wanted=True)
    with pytest.raises(ProofWanted):
        resume(store)
    assert state_of(store) is D.SUSPENDED
    prove(store)
    found = standing(store)
    assert (found.device.state, found.suspension) == (D.ACTIVE, None)
    assert found.device.reason == "proved by its crypto SE"


def test_a_proof_nobody_wants_brings_no_device_back(store: SqliteStore) -> None:
    activated(store)
    suspend(store, K.STOLEN)
    with pytest.raises(MoveNotAllowed):
        prove(store)
    assert state_of(store) is D.SUSPENDED


def test_a_keyed_device_that_proves_itself_is_registered(store: SqliteStore) -> None:
    keyed(store)
    suspend(store, K.LOST, proof_wanted=True)
    prove(store)
    assert state_of(store) is D.REGISTERED
    assert key_states(store) == {1: KeyState.CURRENT}


# --- termination ---


def test_a_terminated_device_leaves_nothing_behind_that_could_be_used(store: SqliteStore) -> None:
    activated(store)
    stage_key(store, 10, 2)
    store.provisioning.deliver(pending(10, 3), UNUSED, package(10, 3), control(10, 3), at=NOW)
    store.provisioning.order(order())
    store.stage(Batch(controls=[arrival(10, 3)]))
    store.flush()
    suspend(store)
    store.provisioning.terminate(device_id(10), reason="sold", at=LATER)
    store.flush()
    assert key_states(store) == dict.fromkeys((1, 2, 3), KeyState.RETIRED)
    found = standing(store)
    assert (found.device.state, found.device.reason, found.suspension) == (D.TERMINATED, "sold", None)
    assert store.provisioning.orders(9) == []
    assert store.provisioning.controls(device_id(10)) == []
    assert store.provisioning.control_arrivals(9) == []


def test_what_a_terminated_device_proved_stays_on_record(store: SqliteStore) -> None:
    registered(store)
    store.provisioning.terminate(device_id(10), reason="sold", at=LATER)
    store.flush()
    assert standing(store).registration == registration()
    assert standing(store).enrolment == enrolment()
    assert last_act(store) == ("device.terminate", device_id(10), "sold")


# --- numbers ---


@pytest.mark.parametrize(("arrive", "state"), LIVE[2:])
@pytest.mark.parametrize("number", ["+4915550001234", newcomer().msisdn])
def test_a_new_sim_is_paid_with_a_proof(
    store: SqliteStore, arrive: Callable[[SqliteStore], None], state: DeviceState, number: str
) -> None:
    arrive(store)
    change_number(store, to=number)
    found = standing(store)
    assert (found.device.msisdn, found.device.state) == (number, D.SUSPENDED)
    assert found.suspension == Suspension(device_id(10), K.NUMBER_CHANGED, state, True, LATER, "new sim")
    with pytest.raises(ProofWanted):
        resume(store)
    prove(store)
    assert state_of(store) is state


@pytest.mark.parametrize(("arrive", "state"), LIVE[:2])
def test_a_device_that_proved_nothing_yet_just_gets_its_number(
    store: SqliteStore, arrive: Callable[[SqliteStore], None], state: DeviceState
) -> None:
    arrive(store)
    change_number(store)
    found = standing(store)
    assert (found.device.msisdn, found.device.state, found.suspension) == ("+4915550001234", state, None)


def test_a_number_changed_while_suspended_is_proved_after_it(store: SqliteStore) -> None:
    activated(store)
    suspend(store, K.STOLEN)
    change_number(store)
    with pytest.raises(MoveNotAllowed):
        prove(store)  # whoever has it must not get it going
    resume(store)
    assert state_of(store) is D.KEYED
    prove(store)
    assert state_of(store) is D.REGISTERED


def test_a_device_stolen_while_it_owed_a_proof_owes_it_still(store: SqliteStore) -> None:
    activated(store)
    change_number(store)
    suspend(store, K.STOLEN)
    with pytest.raises(MoveNotAllowed):
        prove(store)
    resume(store)
    assert state_of(store) is D.KEYED


def test_a_device_by_hand_that_can_prove_nothing_is_let_go_by_an_operator(store: SqliteStore) -> None:
    change_number(store, 1)
    with pytest.raises(ProofWanted):
        resume(store, 1)
    suspend(store, K.OPERATOR, 1)
    resume(store, 1)
    assert state_of(store, 1) is D.ACTIVE


def test_a_second_change_of_number_changes_the_number_only(store: SqliteStore) -> None:
    registered(store)
    change_number(store)
    before = standing(store).suspension
    change_number(store, to="+4915550009999")
    found = standing(store)
    assert (found.device.msisdn, found.suspension) == ("+4915550009999", before)


def test_nothing_is_sent_to_a_number_that_was_given_up(store: SqliteStore) -> None:
    registered(store)
    store.provisioning.deliver(pending(10, 2), UNUSED, package(10, 2), control(10, 2), at=NOW)
    change_number(store)
    (message,) = store.provisioning.controls(device_id(10))
    assert (message.state, message.reason) == (ControlState.FAILED, "number changed")


def test_the_audit_log_keeps_two_digits_of_a_number(store: SqliteStore) -> None:
    registered(store)
    change_number(store)
    facts = dict(store.provisioning.audit(store.provisioning.audit_head()[0] - 1)[0].entry.facts)
    assert facts == {"was": "…10", "number": "…34", "state": "suspended"}


# --- replacement ---


def test_a_successor_takes_over_the_number(store: SqliteStore) -> None:
    activated(store, 10)
    registered(store, 11)
    old, new = store.provisioning.replace(device_id(10), device_id(11), reason="broken", at=LATER)
    store.flush()
    assert (standing(store, 10).device, standing(store, 11).device) == (old, new)
    assert (old.state, old.msisdn) == (D.TERMINATED, "")
    assert (new.state, new.msisdn) == (D.REGISTERED, newcomer(10).msisdn)
    assert last_act(store) == ("device.replace", device_id(11), "broken")


def test_without_a_number_to_take_over_the_successor_keeps_its_own(store: SqliteStore) -> None:
    store.provisioning.enrol(newcomer(10, msisdn=""), enrolment(10))
    keyed(store, 11)
    store.provisioning.replace(device_id(10), device_id(11), reason="", at=LATER)
    store.flush()
    assert standing(store, 11).device.msisdn == newcomer(11).msisdn


def test_only_a_live_device_succeeds_another_live_one(store: SqliteStore) -> None:
    for number in (10, 11):
        keyed(store, number)
    store.provisioning.terminate(device_id(11), reason="", at=NOW)
    store.flush()
    for old, new in ((10, 11), (11, 10), (10, 10)):
        with pytest.raises(MoveNotAllowed):
            store.provisioning.replace(device_id(old), device_id(new), reason="", at=LATER)
    for old, new in ((10, 99), (99, 10)):
        with pytest.raises(NotKnown):
            store.provisioning.replace(device_id(old), device_id(new), reason="", at=LATER)
    assert state_of(store, 10) is D.KEYED


# --- the registry's own moves ---


@pytest.mark.parametrize(("arrive", "state"), LIVE)
def test_a_move_by_hand_resumes_to_where_it_was(
    store: SqliteStore, arrive: Callable[[SqliteStore], None], state: DeviceState
) -> None:
    arrive(store)
    store.registry.move_device(device_id(10), DeviceMove.SUSPEND, reason="", at=NOW)
    moved = store.registry.move_device(device_id(10), DeviceMove.RESUME, reason="", at=NOW)
    assert moved.state is state
    assert standing(store).suspension is None


def test_a_move_by_hand_does_not_spare_a_proof(store: SqliteStore) -> None:
    activated(store)
    change_number(store)
    with pytest.raises(ProofWanted):
        store.registry.move_device(device_id(10), DeviceMove.RESUME, reason="", at=NOW)


def test_a_termination_by_hand_frees_elements_and_orders(store: SqliteStore) -> None:
    registered(store, 10)
    store.provisioning.order(order())
    store.flush()
    store.registry.move_device(device_id(10), DeviceMove.TERMINATE, reason="", at=NOW)
    assert store.provisioning.orders(9) == []
    keyed(store, 11)
    ours = registration(11, crypto_se=registration(10).crypto_se)
    store.provisioning.register(ours, overlap_s=0, at=NOW)
    store.flush()
    assert state_of(store, 11) is D.REGISTERED


@pytest.mark.parametrize("move", [DeviceMove.KEY, DeviceMove.REGISTER, DeviceMove.ACTIVATE])
def test_other_moves_by_hand_go_by_the_table(store: SqliteStore, move: DeviceMove) -> None:
    before = {DeviceMove.KEY: D.ENROLLED, DeviceMove.REGISTER: D.KEYED, DeviceMove.ACTIVATE: D.REGISTERED}
    store.registry.add_device(device(20, state=before[move]))
    store.registry.move_device(device_id(20), move, reason="by hand", at=NOW)
    assert last_act(store) == (f"device.{move.value}", device_id(20), "by hand")


# --- what the relay is told ---


def versions(store: SqliteStore) -> int:
    return store.registry.versions()[0]


def test_the_relay_is_told_of_every_step_that_an_active_device_makes(store: SqliteStore) -> None:
    activated(store)
    before = versions(store)
    suspend(store)
    assert versions(store) == before + 1
    resume(store)
    assert versions(store) == before + 2
    change_number(store)
    assert versions(store) == before + 3
    prove(store)
    assert versions(store) == before + 4
    store.provisioning.terminate(device_id(10), reason="", at=LATER)
    store.flush()
    assert versions(store) == before + 5


def test_the_relay_is_told_nothing_of_a_device_it_never_let_pay(store: SqliteStore) -> None:
    registered(store)
    before = versions(store)
    suspend(store)
    resume(store)
    change_number(store)
    prove(store)
    store.provisioning.terminate(device_id(10), reason="", at=LATER)
    store.flush()
    assert versions(store) == before
