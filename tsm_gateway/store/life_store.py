"""Suspension, termination, activation, change of number and replacement, in the transaction given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.registry import transitions
from tsm_gateway.registry.device import DEVICE_MOVES, DeviceMove, DeviceState
from tsm_gateway.registry.errors import MoveNotAllowed, NotKnown, ProofWanted
from tsm_gateway.registry.suspension import Suspension, SuspensionKind, aggravated
from tsm_gateway.store.acts import FORGET_ELEMENTS, Act, Changed, facts, is_active, number_fact
from tsm_gateway.store.control_store import drop_all, give_up
from tsm_gateway.store.job_store import cancel_open
from tsm_gateway.store.key_store import keys_of_device, retire_keys
from tsm_gateway.store.on_device_store import lose_all
from tsm_gateway.store.owner_store import find_device, live_device, update_device
from tsm_gateway.store.provisioning_rows import suspension_row
from tsm_gateway.store.provisioning_statements import (
    DELETE_ORDER,
    DELETE_SUSPENSION,
    FIND_REGISTRATION,
    PUT_SUSPENSION,
)
from tsm_gateway.store.registration_store import find_suspension, free_elements
from tsm_gateway.store.use_store import forget_uses_of

if TYPE_CHECKING:
    import sqlite3

    from tsm_gateway.registry.device import Device

D = DeviceState
REGISTERED = {D.REGISTERED, D.ACTIVE}  # states that a proof led to
OTHER_NUMBER = "number changed"  # why a message to the old one is given up
WHILE_TERMINATED = "terminated"  # why a job is cancelled
WITHOUT_ELEMENTS = "its secure elements were freed"  # … or for this
WHILE_SUSPENDED = "suspended"  # why any message is: nobody knows who has the phone


def suspend(
    cursor: sqlite3.Cursor,
    device_id: str,
    kind: SuspensionKind,
    reason: str,
    at: int,
    *,
    proof_wanted: bool = False,
) -> Changed:
    """Suspend a device. Raises NotKnown, MoveNotAllowed.

    One that is suspended already is so for both reasons from now on (`aggravated`), and still resumes to
    the state it had. A device whose number changed and that is stolen afterwards must not come back by a
    proof, but still owes it: it resumes as keyed. What was on its way to it over the air goes no further.
    """
    device = find_device(cursor, device_id)
    wanted = Suspension(device_id, kind, device.state, proof_wanted, at, reason)
    known = suspension_of(cursor, device)
    if known is None or (known.kind, known.proof_wanted) == (kind, proof_wanted):
        moved, suspension = transitions.move_device(device, DeviceMove.SUSPEND, reason=reason, at=at), wanted
    else:
        moved, suspension = device._replace(reason=reason, changed_at=at), aggravated(known, wanted)
        if known.proof_wanted != proof_wanted and _has_registered(cursor, device_id):
            suspension = suspension._replace(resumes_to=D.KEYED)
    cursor.execute(PUT_SUSPENSION, suspension_row(suspension))
    give_up(cursor, device_id, WHILE_SUSPENDED, at)
    _, in_force, back, proves, *_ = suspension
    told = facts(kind=in_force.value, proof_wanted="yes" if proves else "no", resumes_to=back.value)
    act = Act(at, "device.suspend", device_id, reason, told)
    return Changed(update_device(cursor, moved), act, relay_concerned=is_active(device))


def resume(cursor: sqlite3.Cursor, device_id: str, reason: str, at: int) -> Changed:
    """End a suspension. Raises NotKnown, MoveNotAllowed, ProofWanted.

    What came under its keys meanwhile came from nobody knows whom: it is no use of them.
    """
    device = find_device(cursor, device_id)
    moved = transitions.move_device(device, DeviceMove.RESUME, reason=reason, at=at)
    known = find_suspension(cursor, device_id)
    if known is not None:
        if known.proof_wanted:
            raise ProofWanted(name=device_id)
        moved = moved._replace(state=known.resumes_to)
        cursor.execute(DELETE_SUSPENSION, (device_id,))
    forget_uses_of(cursor, device_id)
    act = Act(at, "device.resume", device_id, reason, facts(state=moved.state.value))
    return Changed(update_device(cursor, moved), act, relay_concerned=is_active(moved))


def terminate(cursor: sqlite3.Cursor, device_id: str, reason: str, at: int) -> Changed:
    """End a device for good; what it proved and was sent stays on record. Raises NotKnown, MoveNotAllowed."""
    device = find_device(cursor, device_id)
    moved = transitions.move_device(device, DeviceMove.TERMINATE, reason=reason, at=at)
    retire_keys(cursor, device_id, of_device=True)
    free_elements(cursor, device_id)
    cursor.execute(DELETE_SUSPENSION, (device_id,))
    cursor.execute(DELETE_ORDER, (device_id,))
    cancel_open(cursor, device_id, WHILE_TERMINATED, at)
    drop_all(cursor, device_id, [stored.key.kid for stored in keys_of_device(cursor, device_id)])
    act = Act(at, "device.terminate", device_id, reason, facts(was=device.state.value))
    return Changed(update_device(cursor, moved), act, relay_concerned=is_active(device))


def forget_elements(cursor: sqlite3.Cursor, device_id: str, reason: str, at: int) -> Changed:
    """See `ProvisioningStore.forget_elements`. Raises NotKnown, MoveNotAllowed."""
    device = live_device(cursor, device_id, "forget-elements")
    freed = free_elements(cursor, device_id)
    if not freed:
        raise NotKnown(what="secure elements", name=device_id)
    cancel_open(cursor, device_id, WITHOUT_ELEMENTS, at)
    lost = lose_all(cursor, device_id, WITHOUT_ELEMENTS, at)
    fallen = move_underneath(cursor, device, DeviceMove.DEACTIVATE, WITHOUT_ELEMENTS, at) if lost else None
    told = facts(
        elements=" ".join(each.hex() for each in freed),
        **({"applications_lost": " ".join(lost)} if lost else {}),
        **({"state": fallen.device.state.value, **dict(fallen.act.facts)} if fallen else {}),
    )
    act = Act(at, FORGET_ELEMENTS, device_id, reason, told)
    return fallen._replace(act=act) if fallen else Changed(device, act, relay_concerned=False)


def activate(cursor: sqlite3.Cursor, device_id: str, reason: str, at: int) -> Changed:
    """Let a registered device pay. Raises NotKnown, MoveNotAllowed."""
    return move(cursor, device_id, DeviceMove.ACTIVATE, reason, at)


def move(cursor: sqlite3.Cursor, device_id: str, wanted: DeviceMove, reason: str, at: int) -> Changed:
    """Apply a move that changes nothing but the state, by hand. Raises NotKnown, MoveNotAllowed."""
    device = find_device(cursor, device_id)
    moved = transitions.move_device(device, wanted, reason=reason, at=at)
    act = Act(at, f"device.{wanted.value}", device_id, reason)
    return Changed(update_device(cursor, moved), act, relay_concerned=is_active(device))


def move_underneath(
    cursor: sqlite3.Cursor, device: Device, wanted: DeviceMove, reason: str, at: int
) -> Changed | None:
    """Move a device, or where a suspended one resumes to; None when it is elsewhere. Raises RowDamaged."""
    allowed, target = DEVICE_MOVES[wanted]
    if device.state in allowed:
        return move(cursor, device.device_id, wanted, reason, at)
    suspension = suspension_of(cursor, device)
    if suspension is None or suspension.resumes_to not in allowed:
        return None
    cursor.execute(PUT_SUSPENSION, suspension_row(suspension._replace(resumes_to=target)))
    act = Act(at, f"device.{wanted.value}", device.device_id, reason, facts(resumes_to=target.value))
    return Changed(device, act, relay_concerned=False)


def change_number(cursor: sqlite3.Cursor, device_id: str, msisdn: str, reason: str, at: int) -> Changed:
    """See `ProvisioningStore.change_number`. Raises NotKnown, MoveNotAllowed."""
    device = live_device(cursor, device_id, "change-number")
    changed = device._replace(msisdn=msisdn, changed_at=at)
    suspension = _owed_proof(device, suspension_of(cursor, device), reason, at)
    if suspension is not None:
        cursor.execute(PUT_SUSPENSION, suspension_row(suspension))
        changed = changed._replace(state=D.SUSPENDED)
        changed = changed if device.state is D.SUSPENDED else changed._replace(reason=reason)
    give_up(cursor, device_id, OTHER_NUMBER, at)
    told = facts(was=number_fact(device.msisdn), number=number_fact(msisdn), state=changed.state.value)
    act = Act(at, "device.change-number", device_id, reason, told)
    return Changed(update_device(cursor, changed), act, relay_concerned=is_active(device))


def replace(cursor: sqlite3.Cursor, old: str, new: str, reason: str, at: int) -> tuple[Changed, Changed]:
    """Terminate `old` and give its number to `new`. Raises NotKnown, MoveNotAllowed."""
    if old == new:
        raise MoveNotAllowed(name=old, move="replace", state="the same device")
    successor = live_device(cursor, new, "replace")
    terminated = terminate(cursor, old, reason, at)
    number = terminated.device.msisdn
    ended = update_device(cursor, terminated.device._replace(msisdn=""))
    if number:
        successor = update_device(cursor, successor._replace(msisdn=number, changed_at=at))
        give_up(cursor, new, OTHER_NUMBER, at)
    told = Act(at, "device.replace", new, reason, facts(replaces=old, number=number_fact(number)))
    return terminated._replace(device=ended), Changed(successor, told, relay_concerned=is_active(successor))


def suspension_of(cursor: sqlite3.Cursor, device: Device) -> Suspension | None:
    """The suspension in force; one made by hand while the device was active has no row of its own."""
    if device.state is not D.SUSPENDED:
        return None
    known = find_suspension(cursor, device.device_id)
    return known or Suspension(
        device.device_id,
        SuspensionKind.OPERATOR,
        D.ACTIVE,
        proof_wanted=False,
        since=device.changed_at,
        reason=device.reason,
    )


def _has_registered(cursor: sqlite3.Cursor, device_id: str) -> bool:
    return cursor.execute(FIND_REGISTRATION, (device_id,)).fetchone() is not None


def _owed_proof(device: Device, known: Suspension | None, reason: str, at: int) -> Suspension | None:
    """The suspension that a new number leads to; None when nothing was proved that it could undo."""
    if device.state in REGISTERED:
        return Suspension(
            device.device_id,
            SuspensionKind.NUMBER_CHANGED,
            device.state,
            proof_wanted=True,
            since=at,
            reason=reason,
        )
    if known is None:
        return None
    if known.proof_wanted:  # one that was made under the number before is too old
        return known._replace(since=at)
    return known._replace(resumes_to=D.KEYED) if known.resumes_to in REGISTERED else None
