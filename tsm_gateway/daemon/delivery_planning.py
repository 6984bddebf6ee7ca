"""What is to be done for a device whose agent came: the rules turned into jobs, and the jobs that are due.

It is worked out when somebody asks, so that a rule for a million devices writes one row. What the rules no
longer want is cancelled, what was begun too often is given up, what was cut again waits, and what is new is
queued, in one transaction.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.daemon.delivery_retry import (
    FIRST_S,
    MOST_SESSIONS,
    RENEWAL_REST_S,
    AgentSilent,
    cut_until,
)
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.delivery_plan import jobs_for, obsolete, wanted
from tsm_gateway.registry.application import DeviceApplication, InstallState
from tsm_gateway.registry.card import CardKeyState
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed
from tsm_gateway.registry.job import JOB_OCTETS, Job, JobKind, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tsm_gateway.daemon.delivery_reports import DeliveryReports
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.provisioning.delivery_plan import PlannedJob, Wish
    from tsm_gateway.registry.card import CardKeySet
    from tsm_gateway.registry.device import Device
    from tsm_gateway.store.delivery_store import DeliveryStore

REASON: Final = "as the rules say"
NOT_WANTED: Final = "the rules want it no more"
OPEN: Final = frozenset({JobState.QUEUED, JobState.ACTIVE})
TRIES: Final = 3  # when somebody else writes meanwhile


class Plan(NamedTuple):
    """What there is to do."""

    due: tuple[Job, ...]  # now, in their order
    next_at: int | None  # Unix seconds, when more is due; None: nothing is open


class Seen(NamedTuple):
    """What a plan is made of."""

    wishes: Mapping[str, Wish]
    on_device: Sequence[DeviceApplication]
    keys: Sequence[CardKeySet]
    jobs: Sequence[Job]  # open and closed


class Changes(NamedTuple):
    """What is to be written, before anything is begun."""

    cancelled: tuple[Job, ...]
    exhausted: tuple[Job, ...]
    cut: tuple[tuple[Job, int], ...]  # to wait up to that Unix second
    queued: tuple[Job, ...]
    assigned: tuple[DeviceApplication, ...]
    settles: bool  # nothing is awaited any more

    @property
    def any(self) -> bool:
        """Whether there is something."""
        return any(self)


class DeliveryPlanning:
    """Plans, and writes down what it planned."""

    def __init__(self, ledger: Ledger, reports: DeliveryReports, wall: Callable[[], float]) -> None:
        """`wall`: Unix seconds."""
        self._ledger, self._reports, self._wall = ledger, reports, wall
        self._store = ledger.delivery

    async def plan(self, device: Device, issuer: str, app_se: bytes) -> Plan:
        """What is due for `device`; all of it is stored. `issuer`: of its crypto SE.

        Raises what the store raises.
        """
        for left in reversed(range(TRIES)):
            seen, at = self._look(device.device_id, issuer, app_se), int(self._wall())
            changes = _changes(device, seen, at)
            try:
                if changes.any:
                    await self._ledger.deliver(partial(_write, device=device, changes=changes, at=at))
            except (AlreadyKnown, MoveNotAllowed):  # an operator did something of it meanwhile
                if not left:
                    raise
                continue
            for job in changes.exhausted:
                self._reports.given_up(job, AgentSilent.code, self._version(job))
            for job, due_at in changes.cut:
                self._reports.put_off(job, AgentSilent.code, due_at - at, self._version(job))
            if not changes.exhausted:  # else there may be more to do for what they stood in the way of
                return _plan(self._store.jobs(device.device_id, open_only=True), at, seen)
        return Plan((), int(self._wall()) + FIRST_S)

    def _version(self, job: Job) -> str | None:
        """Which version a job is about; None for one on the card itself, or when its row cannot be read."""
        with suppress(TsmError):
            application = self._store.by_digest(job.digest) if job.digest else None
            return str(application.version) if application else None
        return None

    def next_at(self, device_id: str, issuer: str, app_se: bytes) -> int | None:
        """When there is something to do (Unix seconds), as things are now; None: as far as is known never."""
        seen, at = self._look(device_id, issuer, app_se), int(self._wall())
        still = _still_open(seen)
        if _planned(seen, still, at):
            return at
        plan = _plan(sorted(still, key=lambda job: job.due_at), at, seen)
        return at if plan.due else plan.next_at

    def outstanding(self, device_id: str, issuer: str, but: str) -> bool:
        """Whether a device waits for an application beside `but`."""
        wishes = self._wishes(device_id, issuer)
        return any(name != but for name in awaited(wishes, self._store.on_device(device_id)))

    def _look(self, device_id: str, issuer: str, app_se: bytes) -> Seen:
        return Seen(
            self._wishes(device_id, issuer),
            self._store.on_device(device_id),
            self._store.card_keys(app_se),
            self._store.jobs(device_id),
        )

    def _wishes(self, device_id: str, issuer: str) -> Mapping[str, Wish]:
        rules = self._store.rules_for(device_id, issuer)
        return wanted(rules, device_id, issuer, self._store.applications()) if rules else {}


def awaited(wishes: Mapping[str, Wish], on_device: Iterable[DeviceApplication]) -> list[str]:
    """The applications that a device is to have and has not, whatever the reason."""
    there = {each.application: each for each in on_device if each.state is InstallState.INSTALLED}
    return [
        name
        for name, wish in wishes.items()
        if wish.application is not None and not _satisfied(wish, there.get(name))
    ]


def _satisfied(wish: Wish, there: DeviceApplication | None) -> bool:
    if there is None or wish.application is None:
        return False
    newer = not wish.exact and there.version >= wish.application.version
    return newer or there.digest == wish.application.digest


def _still_open(seen: Seen) -> list[Job]:
    gone = obsolete(seen.wishes, seen.on_device, seen.jobs)
    return [job for job in seen.jobs if job.state in OPEN and job not in gone]


def _planned(seen: Seen, still: Sequence[Job], at: int) -> tuple[PlannedJob, ...]:
    planned = jobs_for(seen.wishes, seen.on_device, seen.keys, still)
    if at < _rest_until(seen):
        return tuple(each for each in planned if each.kind is not JobKind.RENEW_KEYS)
    return planned


def _changes(device: Device, seen: Seen, at: int) -> Changes:
    still = _still_open(seen)
    exhausted = tuple(job for job in still if job.attempts >= MOST_SESSIONS)
    cut = tuple((job, due_at) for job in still if job not in exhausted and (due_at := cut_until(job)) > at)
    planned = () if exhausted else _planned(seen, still, at)
    settles = (
        device.state is DeviceState.REGISTERED
        and any(each.state is InstallState.INSTALLED for each in seen.on_device)
        and not awaited(seen.wishes, seen.on_device)
    )
    queued = tuple(_queued(device.device_id, each, at) for each in planned)
    assigned = tuple(_assigned(device.device_id, each, at) for each in planned if _assigns(each))
    gone = obsolete(seen.wishes, seen.on_device, seen.jobs)
    return Changes(gone, exhausted, cut, queued, assigned, settles)


def _write(store: DeliveryStore, *, device: Device, changes: Changes, at: int) -> None:
    for job in changes.cancelled:
        store.cancel(job.job_id, reason=NOT_WANTED, at=at)
    for job in changes.exhausted:
        store.fail(job.job_id, reason=AgentSilent.code, at=at)
    for job, due_at in changes.cut:
        store.postpone(job.job_id, due_at=due_at, reason=AgentSilent.code, at=at)
    if changes.queued or changes.assigned:
        store.queue(changes.queued, changes.assigned, at=at)
    if changes.settles:
        store.settle(device.device_id, at=at)


def _plan(open_jobs: Sequence[Job], at: int, seen: Seen) -> Plan:
    """Nothing is done under keys that are not ours alone, but to make them so."""
    renewal = [job for job in open_jobs if job.kind is JobKind.RENEW_KEYS]
    first = renewal[0] if renewal else None
    if first is not None and first.due_at > at:
        return Plan((), first.due_at)
    if first is None and at < _rest_until(seen):
        return Plan((), _rest_until(seen))
    ordered = [*renewal, *(job for job in open_jobs if job.kind is not JobKind.RENEW_KEYS)]
    later = [job.due_at for job in ordered if job.due_at > at]
    return Plan(tuple(job for job in ordered if job.due_at <= at), min(later, default=None))


def _rest_until(seen: Seen) -> int:
    """Until when a card is left alone, as its keys are not ours and could not be renewed; 0: it is not."""
    if any(keys.state is CardKeyState.CURRENT for keys in seen.keys):
        return 0
    renewals = [job for job in seen.jobs if job.kind is JobKind.RENEW_KEYS]
    last = max(renewals, key=lambda job: job.changed_at, default=None)
    return last.changed_at + RENEWAL_REST_S if last is not None and last.state is JobState.FAILED else 0


def _assigns(planned: PlannedJob) -> bool:
    return planned.kind is JobKind.INSTALL and planned.version is not None


def _queued(device_id: str, planned: PlannedJob, at: int) -> Job:
    return Job(
        secrets.token_bytes(JOB_OCTETS),
        device_id,
        planned.kind,
        planned.application,
        planned.digest,
        JobState.QUEUED,
        attempts=0,
        progress=(0, 0),
        due_at=at,
        created_at=at,
        changed_at=at,
        reason=REASON,
    )


def _assigned(device_id: str, planned: PlannedJob, at: int) -> DeviceApplication:
    assert planned.version is not None  # noqa: S101 - `_assigns` said so
    return DeviceApplication(
        device_id, planned.application, planned.version, planned.digest, InstallState.ASSIGNED, at, REASON
    )
