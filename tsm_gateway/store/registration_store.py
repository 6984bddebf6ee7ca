"""Registrations and confirmed keys, inside the transaction whose cursor is given.

| state of the device | a proved registration |
|---|---|
| keyed | registers it |
| registered, active | is stored in place of the one before |
| suspended until it proves itself | ends the suspension |
| any other | is refused |

With another app SE than before, what was installed is not on it: the device is to be active again when its
application was delivered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.registry import transitions
from tsm_gateway.registry.device import DeviceMove, DeviceState, KeyState
from tsm_gateway.registry.errors import (
    ElementsChanged,
    KeyNotWaiting,
    MoveNotAllowed,
    SecureElementTaken,
)
from tsm_gateway.store.acts import Act, Changed, facts, is_active
from tsm_gateway.store.control_store import give_up
from tsm_gateway.store.job_store import cancel_open
from tsm_gateway.store.key_store import confirm_key, find_key, keys_of_device
from tsm_gateway.store.on_device_store import lose_all
from tsm_gateway.store.owner_store import find_device, update_device
from tsm_gateway.store.provisioning_rows import (
    element_row,
    package_row,
    read_element,
    read_package,
    read_registration,
    read_suspension,
    registration_row,
    unused_at,
)
from tsm_gateway.store.provisioning_statements import (
    DELETE_ELEMENT,
    DELETE_SUSPENSION,
    FIND_ELEMENT,
    FIND_PACKAGE,
    FIND_REGISTRATION,
    FIND_SUSPENSION,
    INSERT_ELEMENT,
    PUT_REGISTRATION,
    UPDATE_PACKAGE,
)

if TYPE_CHECKING:
    import sqlite3

    from tsm_gateway.registry.device import Device
    from tsm_gateway.registry.registration import Registration
    from tsm_gateway.registry.suspension import Suspension
    from tsm_gateway.store.registry_rows import StoredKey

D = DeviceState
PROVEN = {KeyState.PENDING, KeyState.CURRENT}  # a device may prove its current key again
IN_USE = {D.REGISTERED, D.ACTIVE}  # states in which the use of a key says that its owner has it
PROVED = "proved by its crypto SE"  # why a device is in the state a proof led to
OTHER_ELEMENT = "another app SE, without applications"  # why one that was active is registered again
CONFIRMED = "confirmed"  # why a message with a package is not sent any more


class _Confirmation(NamedTuple):
    """When a key was confirmed and how long the ones before are accepted after it."""

    at: int
    until: int | None


def register(cursor: sqlite3.Cursor, registration: Registration, overlap_s: int, at: int) -> Changed:
    """See `ProvisioningStore.register`."""
    device = find_device(cursor, registration.device_id)
    target = _after_proof(device, find_suspension(cursor, device.device_id))
    stored = _proven_key(cursor, registration.kid, device.device_id, PROVEN)
    before = _find_registration(cursor, device.device_id)
    _claim_elements(cursor, registration, before)
    lost = _lost(cursor, registration, before, at)
    target = D.REGISTERED if lost else target
    cursor.execute(PUT_REGISTRATION, registration_row(registration))
    replaced = _confirm(cursor, stored, _Confirmation(at, at + overlap_s if overlap_s else None))
    moved = device
    if target is not device.state:
        cursor.execute(DELETE_SUSPENSION, (device.device_id,))
        why = OTHER_ELEMENT if lost else PROVED
        moved = update_device(cursor, device._replace(state=target, changed_at=at, reason=why))
    proved = facts(
        kid=registration.kid,
        epoch=stored.key.epoch,
        methods=" ".join(each.method for each in registration.methods),
        crypto_se=registration.crypto_se,
        app_se=registration.app_se,
        was=device.state.value,
        state=target.value,
        **({"applications_lost": " ".join(lost)} if lost else {}),
    )
    act = Act(at, "device.register", device.device_id, "", proved)
    concerned = is_active(device) != is_active(moved) or (is_active(device) and replaced)
    return Changed(moved, act, relay_concerned=concerned)


def confirm(cursor: sqlite3.Cursor, kid: bytes, overlap_s: int, at: int) -> Changed:
    """See `ProvisioningStore.confirm`."""
    stored = find_key(cursor, kid)
    if not stored.of_device:
        raise KeyNotWaiting(name=stored.key.owner, kid=kid.hex(), state=stored.key.state.value)
    device = find_device(cursor, stored.key.owner)
    known = cursor.execute(FIND_REGISTRATION, (device.device_id,)).fetchone()
    if known is None or device.state not in IN_USE:
        raise MoveNotAllowed(name=device.device_id, move="confirm", state=device.state.value)
    stored = _proven_key(cursor, kid, device.device_id, {KeyState.PENDING})
    replaced = _confirm(cursor, stored, _Confirmation(at, at + overlap_s if overlap_s else None))
    act = Act(at, "key.confirm", device.device_id, "used", facts(kid=kid, epoch=stored.key.epoch))
    return Changed(device, act, relay_concerned=is_active(device) and replaced)


def find_suspension(cursor: sqlite3.Cursor, device_id: str) -> Suspension | None:
    """The suspension in force. Raises RowDamaged."""
    row = cursor.execute(FIND_SUSPENSION, (device_id,)).fetchone()
    return None if row is None else read_suspension(row)


def free_elements(cursor: sqlite3.Cursor, device_id: str) -> list[bytes]:
    """Let other devices register with the secure elements of this one; which it had. Raises RowDamaged."""
    known = _find_registration(cursor, device_id)
    if known is None:
        return []
    named = (known.crypto_se, known.app_se)
    return [each for each in named if cursor.execute(DELETE_ELEMENT, (each, device_id)).rowcount]


def _find_registration(cursor: sqlite3.Cursor, device_id: str) -> Registration | None:
    """What a device proved last. Raises RowDamaged."""
    row = cursor.execute(FIND_REGISTRATION, (device_id,)).fetchone()
    return None if row is None else read_registration(row)


def holder_of(cursor: sqlite3.Cursor, se_id: bytes) -> str:
    """The device that is registered with an element, "" = none. Raises RowDamaged."""
    row = cursor.execute(FIND_ELEMENT, (se_id,)).fetchone()
    return "" if row is None else read_element(row)[1]


def _after_proof(device: Device, suspension: Suspension | None) -> DeviceState:
    """Where a proof leads. Raises MoveNotAllowed."""
    if device.state in {D.REGISTERED, D.ACTIVE}:
        return device.state
    if device.state is not D.SUSPENDED:
        return transitions.move_device(device, DeviceMove.REGISTER, reason="", at=0).state
    if suspension is None or not suspension.proof_wanted:
        raise MoveNotAllowed(name=device.device_id, move=DeviceMove.REGISTER.value, state=device.state.value)
    return suspension.resumes_to if suspension.resumes_to in {D.REGISTERED, D.ACTIVE} else D.REGISTERED


def _proven_key(cursor: sqlite3.Cursor, kid: bytes, device_id: str, states: set[KeyState]) -> StoredKey:
    """A key of the device in one of these states. Raises NotKnown, KeyNotWaiting, RowDamaged."""
    stored = find_key(cursor, kid)
    if stored.key.owner != device_id or not stored.of_device:
        raise KeyNotWaiting(name=device_id, kid=kid.hex(), state="another owner's")
    if stored.key.state not in states:
        raise KeyNotWaiting(name=device_id, kid=kid.hex(), state=stored.key.state.value)
    return stored


def _claim_elements(cursor: sqlite3.Cursor, registration: Registration, before: Registration | None) -> None:
    """Take the elements that are proved, or find that the device has them. Raises as `register`.

    A device says by itself which elements it has, so it says it once: what it claimed stays its own, and
    all it has, until an operator frees it.
    """
    owner, wanted = registration.device_id, (registration.crypto_se, registration.app_se)
    if before is not None:
        held = (before.crypto_se, before.app_se)
        if owner in {holder_of(cursor, each) for each in held}:
            if held != wanted:
                raise ElementsChanged(name=owner)
            return
    holders = {each: holder for each in wanted if (holder := holder_of(cursor, each))}
    if wanted[0] == wanted[1]:
        holders[wanted[0]] = owner
    if holders:
        who = " ".join(sorted(set(holders.values())))
        raise SecureElementTaken(name=owner, elements=" ".join(each.hex() for each in holders), holder=who)
    cursor.executemany(INSERT_ELEMENT, [element_row(each, owner) for each in wanted])


def _lost(
    cursor: sqlite3.Cursor, registration: Registration, before: Registration | None, at: int
) -> list[str]:
    """The applications that were installed on the app SE before, if it was another one."""
    if before is None or before.app_se == registration.app_se:
        return []
    cancel_open(cursor, registration.device_id, OTHER_ELEMENT, at)
    return lose_all(cursor, registration.device_id, OTHER_ELEMENT, at)


def _confirm(cursor: sqlite3.Cursor, stored: StoredKey, when: _Confirmation) -> bool:
    """Make a key the current one of its device; whether others gave way to it."""
    owner = stored.key.owner
    replaced = confirm_key(cursor, stored, keys_of_device(cursor, owner), until=when.until)
    row = cursor.execute(FIND_PACKAGE, (stored.key.kid,)).fetchone()
    if row is not None:
        package = read_package(row)
        if not package.confirmed_at:
            *_, confirmed_at, unused, crc = package_row(
                package._replace(confirmed_at=when.at), unused_at(row)
            )
            cursor.execute(UPDATE_PACKAGE, (confirmed_at, unused, crc, package.kid))
    give_up(cursor, owner, CONFIRMED, when.at, kid=stored.key.kid)
    return replaced
