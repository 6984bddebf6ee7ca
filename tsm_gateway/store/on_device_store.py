"""Applications on devices, inside the transaction whose cursor is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.registry import transitions
from tsm_gateway.registry.application import InstallMove, InstallState
from tsm_gateway.registry.errors import MoveNotAllowed, NotKnown
from tsm_gateway.registry.job import JobKind
from tsm_gateway.store.acts import Act, facts
from tsm_gateway.store.application_store import published_application
from tsm_gateway.store.delivery_rows import installed_row, read_installed
from tsm_gateway.store.delivery_statements import FIND_INSTALLED, LIST_INSTALLED, PUT_INSTALLED
from tsm_gateway.store.owner_store import belong_together, live_device

if TYPE_CHECKING:
    import sqlite3

    from tsm_gateway.registry.application import DeviceApplication
    from tsm_gateway.registry.job import Job

S = InstallState


def assign(cursor: sqlite3.Cursor, wanted: DeviceApplication, at: int) -> None:
    """Write what a device is to have. Raises as `queue`, ValueError for one that is not ASSIGNED."""
    belong_together(wanted.state, S.ASSIGNED)
    published = published_application(cursor, wanted.application, wanted.version)
    belong_together(wanted.digest, published.digest)
    known = _find(cursor, wanted.device_id, wanted.application)
    if known is not None:
        transitions.move_installed(known, InstallMove.ASSIGN, reason=wanted.reason, at=at)
    _put(cursor, wanted)


def retry(
    cursor: sqlite3.Cursor, device_id: str, application: str, reason: str, at: int
) -> tuple[DeviceApplication, Act]:
    """Assign a FAILED application once more. Raises NotKnown, MoveNotAllowed, RowDamaged."""
    live_device(cursor, device_id, "retry")
    known = find_on_device(cursor, device_id, application)
    if known.state is not S.FAILED:
        raise MoveNotAllowed(
            name=f"{application} on {device_id}",
            move="retry",
            state=known.state.value,
            allowed_from=S.FAILED.value,
        )
    assigned = transitions.move_installed(known, InstallMove.ASSIGN, reason=reason, at=at)
    told = facts(application=application, version=str(known.version))
    return _put(cursor, assigned), Act(at, "application.retry", device_id, reason, told)


def move_application(
    cursor: sqlite3.Cursor, job: Job, move: InstallMove, reason: str, at: int
) -> DeviceApplication:
    """Move the application a job is about. Raises NotKnown, MoveNotAllowed, RowDamaged.

    A job that installs is about one load file: when another was assigned meanwhile, the job is too late.
    """
    known = find_on_device(cursor, job.device_id, job.application)
    if job.kind is JobKind.INSTALL and job.digest != known.digest:
        raise MoveNotAllowed(name=job.job_id.hex(), move=move.value, state="another version is assigned")
    return _put(cursor, transitions.move_installed(known, move, reason=reason, at=at))


def lose_all(cursor: sqlite3.Cursor, device_id: str, reason: str, at: int) -> list[str]:
    """A device has another app SE: nothing is on it. The names of those that were INSTALLED before."""
    known = on_device(cursor, device_id)
    for each in known:
        if each.state is not S.REMOVED:
            _put(cursor, transitions.move_installed(each, InstallMove.REMOVE, reason=reason, at=at))
    return [each.application for each in known if each.state is S.INSTALLED]


def on_device(cursor: sqlite3.Cursor, device_id: str) -> list[DeviceApplication]:
    """All applications of a device. Raises RowDamaged."""
    return [read_installed(row) for row in cursor.execute(LIST_INSTALLED, (device_id,)).fetchall()]


def find_on_device(cursor: sqlite3.Cursor, device_id: str, application: str) -> DeviceApplication:
    """One application of a device. Raises NotKnown, RowDamaged."""
    known = _find(cursor, device_id, application)
    if known is None:
        raise NotKnown(what="application", name=application, device=device_id)
    return known


def _find(cursor: sqlite3.Cursor, device_id: str, application: str) -> DeviceApplication | None:
    row = cursor.execute(FIND_INSTALLED, (device_id, application)).fetchone()
    return None if row is None else read_installed(row)


def _put(cursor: sqlite3.Cursor, known: DeviceApplication) -> DeviceApplication:
    cursor.execute(PUT_INSTALLED, installed_row(known))
    return known
