"""The end of jobs: what a device has then, and what it may do, inside the transaction whose cursor is given.

| device | what ended | it becomes |
|---|---|---|
| REGISTERED | an application is INSTALLED and none is outstanding | ACTIVE |
| ACTIVE | the last INSTALLED application was removed | REGISTERED |
| SUSPENDED | either of them | SUSPENDED; it resumes to that |
| any other | either of them | stays |

A device that is suspended keeps the state it resumes to in its suspension; one suspended by hand while it was
active has none, and is given one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.registry import transitions
from tsm_gateway.registry.application import InstallMove, InstallState
from tsm_gateway.registry.device import DeviceMove
from tsm_gateway.registry.job import JobKind, JobMove
from tsm_gateway.store import life_store
from tsm_gateway.store.acts import Act, Changed, facts
from tsm_gateway.store.job_store import find_job, put_job
from tsm_gateway.store.on_device_store import move_application, on_device
from tsm_gateway.store.owner_store import find_device

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

ENDS: Final[Mapping[JobKind, InstallMove]] = {
    JobKind.INSTALL: InstallMove.INSTALL,
    JobKind.REMOVE: InstallMove.REMOVE,
}
REASONS: Final[Mapping[DeviceMove, str]] = {
    DeviceMove.ACTIVATE: "application delivered",
    DeviceMove.DEACTIVATE: "last application removed",
}


def finish(
    cursor: sqlite3.Cursor, job_id: bytes, at: int, *, outstanding: bool
) -> tuple[Act, Changed | None]:
    """See `DeliveryStore.finish`: what the job did, and the device if it moved by that."""
    job = find_job(cursor, job_id)
    put_job(cursor, transitions.move_job(job, JobMove.FINISH, reason=job.reason, at=at))
    action, told = "job.finish", {"kind": job.kind.value}
    if (move := ENDS.get(job.kind)) is not None:
        known = move_application(cursor, job, move, job.reason, at)
        action = f"application.{move.value}"
        told = {"application": known.application, "version": str(known.version)}
    act = Act(at, action, job.device_id, job.reason, facts(**told))
    if job.kind is JobKind.REMOVE and not _has_one(cursor, job.device_id):
        return act, _move(cursor, job.device_id, DeviceMove.DEACTIVATE, at)
    return act, None if outstanding else settle(cursor, job.device_id, at)


def settle(cursor: sqlite3.Cursor, device_id: str, at: int) -> Changed | None:
    """See `DeliveryStore.settle`. Raises NotKnown, RowDamaged."""
    if not _has_one(cursor, device_id):
        return None
    return _move(cursor, device_id, DeviceMove.ACTIVATE, at)


def _has_one(cursor: sqlite3.Cursor, device_id: str) -> bool:
    return any(each.state is InstallState.INSTALLED for each in on_device(cursor, device_id))


def _move(cursor: sqlite3.Cursor, device_id: str, move: DeviceMove, at: int) -> Changed | None:
    return life_store.move_underneath(cursor, find_device(cursor, device_id), move, REASONS[move], at)
