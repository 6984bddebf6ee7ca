"""Jobs and how far they are, inside the transaction whose cursor is given; `finish_store.py` ends them well.

Open jobs whose row is damaged are passed over: nobody does them, and they must not keep a device from
being terminated. `store check` names them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.registry import transitions
from tsm_gateway.registry.application import InstallMove
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed, NotKnown
from tsm_gateway.registry.job import JobKind, JobMove, JobState
from tsm_gateway.store.acts import Act, facts
from tsm_gateway.store.delivery_rows import job_row, read_job
from tsm_gateway.store.delivery_statements import (
    DELETE_JOB,
    FIND_JOB,
    INSERT_JOB,
    LIST_OPEN_JOBS_OF,
    LIST_SURPLUS_JOBS,
    PUT_JOB,
)
from tsm_gateway.store.on_device_store import assign, move_application
from tsm_gateway.store.owner_store import belong_together, find_device, known_already, live_device
from tsm_gateway.store.registry_rows import RowDamaged

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from tsm_gateway.registry.application import DeviceApplication
    from tsm_gateway.registry.job import Job

KEPT: Final = 20  # closed jobs of one device, the newest
SERVED: Final = frozenset({DeviceState.REGISTERED, DeviceState.ACTIVE})  # who is worked for
ON_DEVICE: Final = frozenset({JobKind.INSTALL, JobKind.REMOVE})  # jobs that move an application


class JobChanged(NamedTuple):
    """A job as it is stored now, and how it came to that."""

    job: Job
    act: Act


def queue(
    cursor: sqlite3.Cursor, jobs: Sequence[Job], on_device: Sequence[DeviceApplication], at: int
) -> Act | None:
    """Insert jobs, and what they are to bring to the device; see `DeliveryStore.queue`."""
    if not jobs and not on_device:
        return None
    device_id, *others = {*(each.device_id for each in jobs), *(each.device_id for each in on_device)}
    belong_together(others, [])
    belong_together({each.state for each in jobs} - {JobState.QUEUED}, set())
    live_device(cursor, device_id, "queue")
    _none_twice(jobs, open_jobs_of(cursor, device_id))
    cursor.executemany(DELETE_JOB, cursor.execute(LIST_SURPLUS_JOBS, (device_id, KEPT)).fetchall())
    for job in jobs:
        with known_already(what="job", name=job.job_id.hex()):
            cursor.execute(INSERT_JOB, job_row(job))
    for wanted in on_device:
        assign(cursor, wanted, at)
    named = [f"{job.kind.value} {job.application}".rstrip() for job in jobs]
    return Act(at, "job.queue", device_id, jobs[0].reason if jobs else "", facts(jobs=", ".join(named)))


def begin(cursor: sqlite3.Cursor, job_id: bytes, at: int) -> Job:
    """One attempt more, and its application is LOADING. Raises NotKnown, MoveNotAllowed, RowDamaged."""
    known = find_job(cursor, job_id)
    device = find_device(cursor, known.device_id)
    if device.state not in SERVED:
        raise MoveNotAllowed(name=device.device_id, move="deliver", state=device.state.value)
    begun = transitions.move_job(known, JobMove.BEGIN, reason=known.reason, at=at)
    if known.kind is JobKind.INSTALL:
        move_application(cursor, known, InstallMove.LOAD, known.reason, at)
    return put_job(cursor, begun._replace(attempts=known.attempts + 1, progress=(0, known.progress[1])))


def progress(cursor: sqlite3.Cursor, job_id: bytes, blocks: tuple[int, int], at: int) -> Job:
    """How far an ACTIVE job is. Raises NotKnown, MoveNotAllowed, RowDamaged."""
    known = find_job(cursor, job_id)
    if known.state is not JobState.ACTIVE:
        raise MoveNotAllowed(name=job_id.hex(), move="progress", state=known.state.value)
    return put_job(cursor, known._replace(progress=blocks, changed_at=at))


def postpone(cursor: sqlite3.Cursor, job_id: bytes, due_at: int, reason: str, at: int) -> Job:
    """Back into the queue. Raises NotKnown, MoveNotAllowed, RowDamaged."""
    known = find_job(cursor, job_id)
    moved = transitions.move_job(known, JobMove.POSTPONE, reason=reason, at=at)
    return put_job(cursor, moved._replace(due_at=due_at))


def fail(cursor: sqlite3.Cursor, job_id: bytes, reason: str, at: int) -> JobChanged:
    """Give a job up, and its application. Raises NotKnown, MoveNotAllowed, RowDamaged."""
    known = find_job(cursor, job_id)
    failed = put_job(cursor, transitions.move_job(known, JobMove.FAIL, reason=reason, at=at))
    action, told = "job.fail", {"kind": known.kind.value, "attempts": known.attempts}
    if known.kind in ON_DEVICE:
        on_device = move_application(cursor, known, InstallMove.FAIL, reason, at)
        action = "application.fail"
        told |= {"application": on_device.application, "version": str(on_device.version)}
    return JobChanged(failed, Act(at, action, known.device_id, reason, facts(**told)))


def cancel(cursor: sqlite3.Cursor, job_id: bytes, reason: str, at: int) -> JobChanged:
    """Give up what nobody wants any more. Raises NotKnown, MoveNotAllowed, RowDamaged."""
    known = find_job(cursor, job_id)
    cancelled = put_job(cursor, transitions.move_job(known, JobMove.CANCEL, reason=reason, at=at))
    told = facts(kind=known.kind.value, application=known.application)
    return JobChanged(cancelled, Act(at, "job.cancel", known.device_id, reason, told))


def cancel_open(cursor: sqlite3.Cursor, device_id: str, reason: str, at: int) -> int:
    """Cancel all open jobs of a device, as part of an act that says so; how many."""
    jobs = open_jobs_of(cursor, device_id)
    for job in jobs:
        put_job(cursor, transitions.move_job(job, JobMove.CANCEL, reason=reason, at=at))
    return len(jobs)


def open_jobs_of(cursor: sqlite3.Cursor, device_id: str) -> list[Job]:
    """The open jobs of a device whose rows are sound."""
    found = []
    for row in cursor.execute(LIST_OPEN_JOBS_OF, (device_id,)).fetchall():
        with suppress(RowDamaged):
            found.append(read_job(row))
    return found


def find_job(cursor: sqlite3.Cursor, job_id: bytes) -> Job:
    """One job. Raises NotKnown, RowDamaged."""
    row = cursor.execute(FIND_JOB, (job_id,)).fetchone()
    if row is None:
        raise NotKnown(what="job", name=job_id.hex())
    return read_job(row)


def put_job(cursor: sqlite3.Cursor, job: Job) -> Job:
    """Write a job; returns it."""
    cursor.execute(PUT_JOB, job_row(job))
    return job


def _none_twice(jobs: Iterable[Job], still_open: Iterable[Job]) -> None:
    """Refuse a second open job for the same. Raises AlreadyKnown."""
    taken = {(each.kind, each.application) for each in still_open}
    for job in jobs:
        if (job.kind, job.application) in taken:
            raise AlreadyKnown(what="job", name=job.device_id, kind=job.kind.value, of=job.application)
        taken.add((job.kind, job.application))
