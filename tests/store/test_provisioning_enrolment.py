"""Enrolments, key packages and orders: all of it stays, and none of it stays by half."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.store.provisioning_samples import (
    FIRST_PIV,
    OVERLAP_S,
    UNUSED,
    acts_since,
    control,
    enrolment,
    key_states,
    keyed,
    kid_of,
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
from tests.store.samples import NOW, device, device_id, kid
from tsm_gateway.registry.control import ControlState
from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed, NotKnown
from tsm_gateway.registry.key_package import Delivery
from tsm_gateway.registry.standing import Standing

if TYPE_CHECKING:
    from tsm_gateway.store.sqlite_store import SqliteStore


def test_a_device_enrols_and_is_keyed_in_one_transaction(store: SqliteStore) -> None:
    generation = store.generation
    keyed(store)
    assert store.generation == generation + 1
    assert standing(store) == Standing(
        device=newcomer(state=DeviceState.KEYED),
        enrolment=enrolment(),
        suspension=None,
        registration=None,
        keys=(pending(),),
        packages=(package(),),
    )


def test_nothing_is_seen_before_it_is_durable(store: SqliteStore) -> None:
    store.provisioning.enrol(newcomer(), enrolment())
    stage_key(store)
    assert store.provisioning.standing(device_id(10)) is None
    store.flush()
    assert state_of(store) is DeviceState.KEYED


def test_a_device_nobody_knows_has_no_standing(store: SqliteStore) -> None:
    assert store.provisioning.standing(device_id(99)) is None


def test_a_device_added_by_hand_has_neither_enrolment_nor_packages(store: SqliteStore) -> None:
    found = standing(store, 1)
    assert (found.device, found.enrolment, found.packages) == (device(1), None, ())
    assert [key.state for key in found.keys] == [KeyState.CURRENT]


@pytest.mark.parametrize(
    "changes", [{"issuer": ""}, {"key_certificate": b""}, {"hybrid_key": bytes(1216)}, {"issuer": "Süd"}]
)
def test_every_field_of_an_enrolment_is_kept(store: SqliteStore, changes: dict[str, Any]) -> None:
    store.provisioning.enrol(newcomer(), enrolment(**changes))
    store.flush()
    assert standing(store).enrolment == enrolment(**changes)


def test_a_device_enrols_once(store: SqliteStore) -> None:
    keyed(store)
    with pytest.raises(AlreadyKnown) as caught:
        store.provisioning.enrol(newcomer(certificate=b"other"), enrolment())
    assert caught.value.facts["name"] == device_id(10)
    assert standing(store).device.certificate == newcomer().certificate


def test_an_enrolment_of_another_device_is_a_defect(store: SqliteStore) -> None:
    with pytest.raises(ValueError, match="different"):
        store.provisioning.enrol(newcomer(), enrolment(11))


def test_the_relay_finds_a_key_that_waits(store: SqliteStore) -> None:
    keyed(store)
    entry = store.registry.device_for(kid_of(10, 1))
    assert entry is not None
    assert (entry.key, entry.window) == (pending(), UNUSED)


# --- renewal ---


def test_a_renewed_certificate_replaces_the_one_before(store: SqliteStore) -> None:
    keyed(store)
    wanted = enrolment(issuer="issuer-b", key_certificate=b"", enrolled_at=NOW + 9)
    changed = store.provisioning.renew(device_id(10), certificate=b"renewed", enrolment=wanted, at=NOW + 9)
    store.flush()
    assert standing(store).enrolment == wanted
    assert standing(store).device == changed
    assert (changed.certificate, changed.changed_at, changed.state) == (
        b"renewed",
        NOW + 9,
        DeviceState.KEYED,
    )
    assert last_act(store)[:2] == ("device.renew", device_id(10))


def test_a_device_added_by_hand_gets_an_enrolment_when_it_comes(store: SqliteStore) -> None:
    store.provisioning.renew(device_id(1), certificate=b"x", enrolment=enrolment(1), at=NOW)
    store.flush()
    assert standing(store, 1).enrolment == enrolment(1)


def test_a_terminated_device_is_not_renewed(store: SqliteStore) -> None:
    keyed(store)
    store.provisioning.terminate(device_id(10), reason="sold", at=NOW)
    with pytest.raises(MoveNotAllowed) as caught:
        store.provisioning.renew(device_id(10), certificate=b"x", enrolment=enrolment(), at=NOW)
    assert caught.value.facts["move"] == "renew"


def test_an_unknown_device_is_not_renewed(store: SqliteStore) -> None:
    with pytest.raises(NotKnown):
        store.provisioning.renew(device_id(99), certificate=b"x", enrolment=enrolment(99), at=NOW)


# --- key packages ---


def test_a_package_is_kept_octet_for_octet(store: SqliteStore) -> None:
    keyed(store)
    wanted = package(10, 2, package=bytes(range(256)) * 5, kem=-41, delivery=Delivery.SMS)
    store.provisioning.deliver(pending(10, 2), UNUSED, wanted, at=NOW)
    store.flush()
    assert standing(store).packages == (wanted, package())


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_an_epoch_only_goes_up(store: SqliteStore, epoch: int) -> None:
    keyed(store)
    stage_key(store, 10, 3)
    store.flush()
    with pytest.raises(AlreadyKnown) as caught:
        store.provisioning.deliver(
            pending(10, epoch, kid=kid(900)), UNUSED, package(10, epoch, kid=kid(900)), at=NOW
        )
    assert caught.value.facts["epoch"] == epoch


def test_a_kid_names_one_key(store: SqliteStore) -> None:
    keyed(store)
    with pytest.raises(AlreadyKnown) as caught:
        store.provisioning.deliver(pending(10, 2, kid=kid(1)), UNUSED, package(10, 2, kid=kid(1)), at=NOW)
    assert caught.value.facts["kid"] == kid(1).hex()


def test_a_terminated_device_gets_no_key(store: SqliteStore) -> None:
    keyed(store)
    store.provisioning.terminate(device_id(10), reason="", at=NOW)
    store.flush()
    with pytest.raises(MoveNotAllowed):
        stage_key(store, 10, 2)
    with pytest.raises(NotKnown):
        stage_key(store, 99)


@pytest.mark.parametrize(
    ("key", "parcel", "message"),
    [
        (pending(10, 2), package(11, 2), None),
        (pending(10, 2), package(10, 3), None),
        (pending(10, 2), package(10, 2), control(11, 2)),
        (pending(10, 2), package(10, 2), control(10, 3)),
        (pending(10, 2, state=KeyState.CURRENT), package(10, 2), None),
    ],
)
def test_records_that_do_not_belong_together_are_a_defect(
    store: SqliteStore, key: object, parcel: object, message: object
) -> None:
    keyed(store)
    with pytest.raises(ValueError, match="different"):
        store.provisioning.deliver(key, UNUSED, parcel, message, at=NOW)  # type: ignore[arg-type]


def test_a_delivery_moves_only_an_enrolled_device(store: SqliteStore) -> None:
    registered(store)
    stage_key(store, 10, 2)
    store.flush()
    assert state_of(store) is DeviceState.REGISTERED
    assert key_states(store) == {1: KeyState.CURRENT, 2: KeyState.PENDING}


def test_a_new_package_gives_up_messages_with_earlier_ones(store: SqliteStore) -> None:
    keyed(store)
    store.provisioning.deliver(pending(10, 2), UNUSED, package(10, 2), control(10, 2), at=NOW)
    store.provisioning.deliver(pending(10, 3), UNUSED, package(10, 3), control(10, 3), at=NOW + 1)
    store.flush()
    states = {each.kid: (each.state, each.reason) for each in store.provisioning.controls(device_id(10))}
    assert states == {
        kid_of(10, 2): (ControlState.FAILED, "superseded"),
        kid_of(10, 3): (ControlState.QUEUED, ""),
    }


def test_a_device_that_never_confirms_keeps_all_its_keys(store: SqliteStore) -> None:
    registered(store)
    for epoch in (2, 3, 4):
        stage_key(store, 10, epoch)
    store.flush()
    waiting = dict.fromkeys((2, 3, 4), KeyState.PENDING)
    assert key_states(store) == {1: KeyState.CURRENT, **waiting}


# --- orders ---


def test_an_order_stays_until_its_key_is_made(store: SqliteStore) -> None:
    registered(store)
    store.provisioning.order(order())
    store.flush()
    assert store.provisioning.orders(10) == [order()]
    stage_key(store, 10, 2)
    store.flush()
    assert store.provisioning.orders(10) == []


def test_orders_come_oldest_first(store: SqliteStore) -> None:
    for number, at in ((10, 5), (11, 3), (12, 4)):
        keyed(store, number)
        store.provisioning.order(order(number, ordered_at=NOW + at))
    store.flush()
    found = [each.device_id for each in store.provisioning.orders(2)]
    assert found == [device_id(11), device_id(12)]


def test_a_later_order_replaces_an_earlier_one(store: SqliteStore) -> None:
    keyed(store)
    store.provisioning.order(order())
    later = order(delivery=Delivery.SMS, reason="by hand", ordered_at=NOW + 1)
    store.provisioning.order(later)
    store.flush()
    assert store.provisioning.orders(10) == [later]


def test_nobody_orders_for_a_device_that_is_terminated_or_unknown(store: SqliteStore) -> None:
    keyed(store)
    store.provisioning.terminate(device_id(10), reason="", at=NOW)
    store.flush()
    with pytest.raises(MoveNotAllowed):
        store.provisioning.order(order())
    with pytest.raises(NotKnown):
        store.provisioning.order(order(99))


# --- what others are told ---


def test_enrolment_tells_the_relay_nothing(store: SqliteStore) -> None:
    before = store.registry.versions()
    registered(store)
    store.provisioning.activate(device_id(10), reason="", at=NOW)
    stage_key(store, 10, 2)
    store.provisioning.order(order())
    store.flush()
    assert store.registry.versions() == before


def test_a_renewed_certificate_of_an_active_device_is_told(store: SqliteStore) -> None:
    before = store.registry.versions()
    store.provisioning.renew(device_id(1), certificate=b"x", enrolment=enrolment(1), at=NOW)
    store.flush()
    assert store.registry.versions() == (before[0] + 1, before[1])


def test_every_step_leaves_one_entry_of_the_audit_log(store: SqliteStore) -> None:
    head, _ = store.provisioning.audit_head()
    registered(store)
    store.provisioning.order(order())
    stage_key(store, 10, 2)
    store.provisioning.register(registration(10, 2), overlap_s=OVERLAP_S, at=NOW)
    store.flush()
    assert acts_since(store, head) == [
        *("device.enrol", "key.deliver", "device.register"),
        *("key.order", "key.deliver", "device.register"),
    ]
    assert {each.entry.actor for each in store.provisioning.audit(head)} == {"tester"}


def test_a_window_begins_where_the_package_says(store: SqliteStore) -> None:
    keyed(store)
    assert store.registry.window_of(kid_of(10, 1)) == (FIRST_PIV - 1, (1 << 64) - 1)
