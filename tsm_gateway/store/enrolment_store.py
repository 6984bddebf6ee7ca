"""Enrolments, key packages and orders for new keys, inside the transaction whose cursor is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.registry import transitions
from tsm_gateway.registry.device import DeviceMove, DeviceState, KeyState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed
from tsm_gateway.registry.key_package import Delivery
from tsm_gateway.registry.suspension import ends_by_air
from tsm_gateway.store.acts import Act, Changed, facts, is_active, number_fact
from tsm_gateway.store.control_store import give_up, insert_message
from tsm_gateway.store.key_store import insert_device_key, retire_hoarded
from tsm_gateway.store.owner_store import (
    belong_together,
    insert_device,
    known_already,
    live_device,
    update_device,
)
from tsm_gateway.store.provisioning_rows import enrolment_row, order_row, package_row
from tsm_gateway.store.provisioning_statements import (
    DELETE_ORDER,
    INSERT_ENROLMENT,
    INSERT_PACKAGE,
    PUT_ENROLMENT,
    PUT_ORDER,
)
from tsm_gateway.store.registration_store import find_suspension
from tsm_gateway.store.registry_rows import read_key
from tsm_gateway.store.registry_statements import LIST_NEWEST_KEYS

if TYPE_CHECKING:
    import sqlite3

    from tsm_gateway.registry.control import ControlMessage
    from tsm_gateway.registry.device import Device, WrappedKey
    from tsm_gateway.registry.enrolment import Enrolment
    from tsm_gateway.registry.key_package import KeyOrder, StoredPackage

SUPERSEDED = "superseded"  # why a message with an earlier package is given up


def enrol(cursor: sqlite3.Cursor, device: Device, enrolment: Enrolment) -> Act:
    """Insert a device and how it became known. Raises AlreadyKnown, ValueError for another's enrolment."""
    belong_together(device.device_id, enrolment.device_id)
    insert_device(cursor, device)
    with known_already(what="enrolment", name=device.device_id):
        cursor.execute(INSERT_ENROLMENT, enrolment_row(enrolment))
    known = facts(issuer=enrolment.issuer, state=device.state.value, number=number_fact(device.msisdn))
    return Act(enrolment.enrolled_at, "device.enrol", device.device_id, device.reason, known)


def renew(
    cursor: sqlite3.Cursor, device_id: str, certificate: bytes, enrolment: Enrolment, at: int
) -> Changed:
    """Replace the certificates of a live device. Raises NotKnown, MoveNotAllowed."""
    belong_together(device_id, enrolment.device_id)
    device = live_device(cursor, device_id, "renew")
    if device.state is DeviceState.SUSPENDED:  # whoever has the phone must not change what it is known by
        raise MoveNotAllowed(name=device_id, move="renew", state=device.state.value)
    cursor.execute(PUT_ENROLMENT, enrolment_row(enrolment))
    changed = update_device(cursor, device._replace(certificate=certificate, changed_at=at))
    act = Act(at, "device.renew", device_id, "", facts(issuer=enrolment.issuer))
    # The relay knows the signing certificate only: to what keys are sealed is none of its business.
    return Changed(changed, act, relay_concerned=is_active(device) and certificate != device.certificate)


def deliver(
    cursor: sqlite3.Cursor,
    key_and_window: tuple[WrappedKey, tuple[int, int]],
    package: StoredPackage,
    control: ControlMessage | None,
    at: int,
) -> Changed:
    """Insert a key that waits, its window, its package and its message; see `ProvisioningStore.deliver`."""
    key, window = key_and_window
    belong_together((key.kid, key.owner, key.epoch), (package.kid, package.device_id, package.epoch))
    if control is not None:
        belong_together((key.kid, key.owner), (control.kid, control.device_id))
    belong_together(key.state, KeyState.PENDING)
    device = live_device(cursor, key.owner, DeviceMove.KEY.value)
    _may_receive(cursor, device, package, control)
    _only_upwards(cursor, key)
    insert_device_key(cursor, key, window)
    cursor.execute(INSERT_PACKAGE, package_row(package, unused_at=window[0]))
    cursor.execute(DELETE_ORDER, (key.owner,))
    give_up(cursor, key.owner, SUPERSEDED, at)
    dropped = retire_hoarded(cursor, key)
    if control is not None:
        insert_message(cursor, control)
    if device.state is DeviceState.ENROLLED:
        moved = transitions.move_device(device, DeviceMove.KEY, reason=device.reason, at=at)
        device = update_device(cursor, moved)
    made = facts(kid=key.kid, epoch=key.epoch, kem=package.kem, delivery=package.delivery.value)
    act = Act(at, "key.deliver", key.owner, "", made)
    return Changed(device, act, relay_concerned=dropped and is_active(device))


def order(cursor: sqlite3.Cursor, wanted: KeyOrder) -> Act:
    """Ask for a new key of a live device, in place of an earlier order. Raises NotKnown, MoveNotAllowed."""
    live_device(cursor, wanted.device_id, "order")
    cursor.execute(PUT_ORDER, order_row(wanted))
    by = facts(delivery=wanted.delivery.value)
    return Act(wanted.ordered_at, "key.order", wanted.device_id, wanted.reason, by)


def _may_receive(
    cursor: sqlite3.Cursor, device: Device, package: StoredPackage, control: ControlMessage | None
) -> None:
    """Whether a key may go to the device as it stands now, whatever it was when the key was made.

    While suspended it gets none; but where only a proof brings it back, it may have the key to prove
    itself with: fetched, or over the air where `ends_by_air`, if it was made after the suspension, as its
    proof would end none otherwise. Over the air it goes to the number of this moment. Raises
    MoveNotAllowed, RowDamaged.
    """
    if control is not None and control.msisdn != device.msisdn:
        raise MoveNotAllowed(name=device.device_id, move="key", state="another number")
    if device.state is not DeviceState.SUSPENDED:
        return
    suspension = find_suspension(cursor, device.device_id)
    if control is None and package.delivery is Delivery.CHANNEL:
        helps = suspension is not None and suspension.proof_wanted
    else:
        helps = suspension is not None and ends_by_air(suspension) and package.made_at > suspension.since
    if not helps:
        raise MoveNotAllowed(name=device.device_id, move="key", state=device.state.value)


def _only_upwards(cursor: sqlite3.Cursor, key: WrappedKey) -> None:
    """A crypto SE refuses an epoch that is not above its last one, so there must be none."""
    newest = cursor.execute(LIST_NEWEST_KEYS, (key.owner, 1)).fetchone()
    if newest is not None and read_key(newest).key.epoch >= key.epoch:
        raise AlreadyKnown(what="key", name=key.owner, kid=key.kid.hex(), epoch=key.epoch)
