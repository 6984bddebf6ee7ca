"""What comes upon a suspension, and what a suspended device gets: every pair of the tables."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.store.provisioning_samples import (
    OVERLAP_S,
    UNUSED,
    activated,
    control,
    enrolment,
    key_states,
    keyed,
    newcomer,
    order,
    package,
    pending,
    registered,
    registration,
    standing,
    state_of,
)
from tests.store.samples import NOW, device_id
from tsm_gateway.registry.control import ControlState
from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.registry.errors import MoveNotAllowed, ProofWanted
from tsm_gateway.registry.key_package import Delivery
from tsm_gateway.registry.suspension import STRAYED, SuspensionKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.store.sqlite_store import SqliteStore

    Arrive = Callable[[SqliteStore], None]

D, K = DeviceState, SuspensionKind
GRAVITY = [K.NUMBER_CHANGED, K.OPERATOR, K.LOST, K.STOLEN]
WAYS = list(product(GRAVITY, (False, True)))  # kind, whether a proof is wanted
LATER = NOW + 50


def enrolled(store: SqliteStore) -> None:
    store.provisioning.enrol(newcomer(), enrolment())
    store.flush()


LIVE = [(enrolled, D.ENROLLED), (keyed, D.KEYED), (registered, D.REGISTERED), (activated, D.ACTIVE)]
HAD_PROVED = {D.REGISTERED, D.ACTIVE}


def suspend(store: SqliteStore, kind: SuspensionKind, *, proof_wanted: bool = False, at: int = NOW) -> None:
    store.provisioning.suspend(device_id(10), kind, proof_wanted=proof_wanted, reason=kind.value, at=at)
    store.flush()


def prove(store: SqliteStore, epoch: int = 1) -> None:
    store.provisioning.register(registration(10, epoch), overlap_s=OVERLAP_S, at=LATER)
    store.flush()


def resume(store: SqliteStore) -> None:
    store.provisioning.resume(device_id(10), reason="found", at=LATER)
    store.flush()


@pytest.mark.parametrize(("arrive", "state"), LIVE)
@pytest.mark.parametrize(("first", "second"), [pair for pair in product(WAYS, WAYS) if pair[0] != pair[1]])
def test_no_way_back_gets_easier_by_another_suspension(
    store: SqliteStore,
    arrive: Arrive,
    state: DeviceState,
    first: tuple[SuspensionKind, bool],
    second: tuple[SuspensionKind, bool],
) -> None:
    arrive(store)
    suspend(store, first[0], proof_wanted=first[1])
    suspend(store, second[0], proof_wanted=second[1], at=NOW + 1)
    found = standing(store).suspension
    assert found is not None
    assert found.kind is max(first[0], second[0], key=GRAVITY.index)
    assert found.reason == found.kind.value
    assert found.proof_wanted == (first[1] and second[1])
    assert found.since == NOW + 1
    owed = first[1] != second[1] and state in HAD_PROVED  # both an operator's word and a proof
    if found.proof_wanted:
        with pytest.raises(ProofWanted):
            resume(store)
    else:
        if state is not D.ENROLLED:
            with pytest.raises(MoveNotAllowed):
                prove(store)
        resume(store)
        assert state_of(store) is (D.KEYED if owed else state)


@pytest.mark.parametrize(("kind", "proof_wanted"), WAYS)
def test_what_was_queued_for_the_air_goes_no_further(
    store: SqliteStore, kind: SuspensionKind, proof_wanted: bool
) -> None:
    activated(store)
    store.provisioning.deliver(pending(10, 2), UNUSED, package(10, 2), control(10, 2), at=NOW)
    store.provisioning.order(order())
    store.flush()
    suspend(store, kind, proof_wanted=proof_wanted)
    assert store.provisioning.due_controls(LATER, 9) == []
    (message,) = store.provisioning.controls(device_id(10))
    assert (message.state, message.reason) == (ControlState.FAILED, "suspended")
    assert store.provisioning.orders(9) == [order()]  # it waits until the device is resumed


@pytest.mark.parametrize(("arrive", "state"), LIVE)
@pytest.mark.parametrize(("kind", "proof_wanted"), WAYS)
@pytest.mark.parametrize("delivery", list(Delivery))
@pytest.mark.parametrize("made_at", [NOW, NOW + 1], ids=["as old", "newer"])
def test_a_suspended_device_gets_no_key_but_the_one_it_has_to_prove_itself_with(
    store: SqliteStore,
    arrive: Arrive,
    state: DeviceState,
    kind: SuspensionKind,
    proof_wanted: bool,
    delivery: Delivery,
    made_at: int,
) -> None:
    arrive(store)
    suspend(store, kind, proof_wanted=proof_wanted)
    made = package(10, 2, delivery=delivery, made_at=made_at)
    message = control(10, 2) if delivery is Delivery.SMS else None
    sendable = made_at > NOW and kind not in STRAYED
    if proof_wanted and (delivery is Delivery.CHANNEL or sendable):
        store.provisioning.deliver(pending(10, 2), UNUSED, made, message, at=LATER)
        store.flush()
        assert key_states(store)[2] is KeyState.PENDING
        due = [each.kid for each in store.provisioning.due_controls(LATER, 9)]
        assert due == ([made.kid] if message else [])
    else:
        before = standing(store)
        with pytest.raises(MoveNotAllowed):
            store.provisioning.deliver(pending(10, 2), UNUSED, made, message, at=LATER)
        assert standing(store) == before
    assert state_of(store) is D.SUSPENDED, state


@pytest.mark.parametrize(("kind", "proof_wanted"), WAYS)
def test_a_suspended_device_renews_no_certificate(
    store: SqliteStore, kind: SuspensionKind, proof_wanted: bool
) -> None:
    activated(store)
    suspend(store, kind, proof_wanted=proof_wanted)
    with pytest.raises(MoveNotAllowed):
        store.provisioning.renew(device_id(10), certificate=b"new", enrolment=enrolment(), at=LATER)


def test_a_key_does_not_go_to_the_number_before(store: SqliteStore) -> None:
    keyed(store)
    store.provisioning.change_number(device_id(10), "+4915550009999", reason="", at=NOW)
    with pytest.raises(MoveNotAllowed):
        store.provisioning.deliver(pending(10, 2), UNUSED, package(10, 2), control(10, 2), at=LATER)


def test_a_proof_has_to_be_newer_than_the_last_change_of_number(store: SqliteStore) -> None:
    activated(store)
    for at in (NOW + 1, NOW + 9):
        store.provisioning.change_number(device_id(10), "+4915550009999", reason="", at=at)
        store.flush()
    found = standing(store).suspension
    assert found is not None
    assert (found.since, found.resumes_to, found.proof_wanted) == (NOW + 9, D.ACTIVE, True)
