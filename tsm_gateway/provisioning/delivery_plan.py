"""What is to be done on a device's app SE: rules and what is there in, jobs out.

| rules for an application | the device is to have |
|---|---|
| none that applies | what it has; it is left alone |
| the most specific one (device, issuer, all) forbids it | nothing of it: REMOVE |
| … names a version that is published | that version, even if it is a lower one |
| … names none | the highest published version; never a lower one than is installed |
| … names one that is retired or unknown, or none is published | what it has |

What it has is never half there: when the version that was being loaded is retired, or no rule wants it any
more, it is removed, unless another takes its place.

Jobs come in one order, so that two who plan the same get the same: keys first, then what goes, then what
comes, what was published first ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.registry.application import ApplicationState, InstallState, Scope
from tsm_gateway.registry.card import CardKeyState
from tsm_gateway.registry.job import JobKind, JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tsm_gateway.registry.application import Application, DeviceApplication, Rule, Version
    from tsm_gateway.registry.card import CardKeySet
    from tsm_gateway.registry.job import Job

_SCOPES = tuple(Scope)  # the most specific first
_OPEN = (JobState.QUEUED, JobState.ACTIVE)


class Wish(NamedTuple):
    """What the rules say of one application on one device."""

    application: Application | None  # None: it is to go
    exact: bool  # the rule names the version
    made_at: int  # Unix seconds, of the rule


class PlannedJob(NamedTuple):
    """A job to be queued; who queues it gives it id and times."""

    kind: JobKind
    application: str  # name; "" for the card itself
    digest: bytes  # of the load file; b"" for the card itself
    version: Version | None


def wanted(
    rules: Iterable[Rule], device_id: str, issuer: str, applications: Iterable[Application]
) -> dict[str, Wish]:
    """What a device is to have and not to have, by application name; what no rule settles is absent.

    `issuer` is that of its crypto SE ("" = none). Of two rules alike the later one decides.
    """
    subjects = {Scope.DEVICE: device_id, Scope.ISSUER: issuer, Scope.ALL: ""}
    deciding: dict[str, Rule] = {}
    for rule in sorted(rules, key=_weight):
        if rule.subject == subjects[rule.scope] and (rule.subject or rule.scope is Scope.ALL):
            deciding[rule.application] = rule
    published: dict[str, dict[Version, Application]] = {}
    for each in applications:
        if each.state is ApplicationState.PUBLISHED:
            published.setdefault(each.name, {})[each.version] = each
    wishes = {name: _wish(deciding[name], published.get(name, {})) for name in sorted(deciding)}
    return {name: wish for name, wish in wishes.items() if wish is not None}


def obsolete(
    wishes: Mapping[str, Wish], on_device: Iterable[DeviceApplication], open_jobs: Iterable[Job]
) -> tuple[Job, ...]:
    """Those of `open_jobs` that are wanted no longer: to be cancelled, not to be begun again.

    Parameters are wanted for what is installed and stays: whatever comes in its place is told its own.
    """
    standing = {each.application: each for each in on_device}
    return tuple(job for job in open_jobs if job.state in _OPEN and not _still_wanted(job, wishes, standing))


def jobs_for(
    wishes: Mapping[str, Wish],
    on_device: Iterable[DeviceApplication],
    key_sets: Sequence[CardKeySet],
    open_jobs: Iterable[Job],
) -> tuple[PlannedJob, ...]:
    """The jobs to queue beside `open_jobs`, in order; `key_sets` newest first.

    Nothing is planned for an application that has an open job, unless that is obsolete. What failed is
    planned again only under a rule made later, or for another version.
    """
    standing = {each.application: each for each in on_device}
    still_open = [job for job in open_jobs if job.state in _OPEN and _still_wanted(job, wishes, standing)]
    busy = {job.application for job in still_open if job.kind in (JobKind.INSTALL, JobKind.REMOVE)}
    halves = [
        PlannedJob(JobKind.REMOVE, name, there.digest, there.version)
        for name, there in sorted(standing.items())
        if name not in busy and name not in wishes and there.state is InstallState.LOADING
    ]
    planned = [
        job
        for name, wish in sorted(wishes.items(), key=_order)
        if name not in busy and (job := _planned(name, wish, standing.get(name))) is not None
    ]
    return (*_renewal(key_sets, still_open), *halves, *planned)


def _weight(rule: Rule) -> tuple[int, int, bool, tuple[int, ...]]:
    """Later in this order decides; the last two only settle what was made in the same second."""
    return -_SCOPES.index(rule.scope), rule.made_at, not rule.wanted, rule.version or (0, 0, 0)


def _wish(rule: Rule, published: Mapping[Version, Application]) -> Wish | None:
    if not rule.wanted:
        return Wish(None, exact=True, made_at=rule.made_at)
    version = rule.version or max(published, default=None)
    application = published.get(version) if version else None
    return application and Wish(application, exact=rule.version is not None, made_at=rule.made_at)


def _still_wanted(job: Job, wishes: Mapping[str, Wish], standing: Mapping[str, DeviceApplication]) -> bool:
    wish, there = wishes.get(job.application), standing.get(job.application)
    if job.kind is JobKind.INSTALL:
        return bool(wish and wish.application and wish.application.digest == job.digest)
    if job.kind is JobKind.REMOVE:
        half = there is not None and there.state is InstallState.LOADING
        return wish.application is None if wish else half
    if job.kind is JobKind.PERSONALISE:
        has = there is not None and (there.state, there.digest) == (InstallState.INSTALLED, job.digest)
        return has and not (wish and _planned(job.application, wish, there))
    return True


def _planned(name: str, wish: Wish, there: DeviceApplication | None) -> PlannedJob | None:
    if wish.application is not None:
        install = there is None or _comes(wish, wish.application, there)
        job = PlannedJob(JobKind.INSTALL, name, wish.application.digest, wish.application.version)
        return job if install else None
    if there is None or there.state is InstallState.REMOVED or _failed_since(wish, there):
        return None
    return PlannedJob(JobKind.REMOVE, name, there.digest, there.version)


def _comes(wish: Wish, application: Application, there: DeviceApplication) -> bool:
    """Whether `application` is to be put in the place of what is there."""
    if there.state is InstallState.REMOVED:
        return True
    if there.digest == application.digest:
        return there.state is not InstallState.INSTALLED and not _failed_since(wish, there)
    return wish.exact or there.state is not InstallState.INSTALLED or application.version > there.version


def _failed_since(wish: Wish, there: DeviceApplication) -> bool:
    """Whether it failed under this very rule: trying again is an operator's decision."""
    return there.state is InstallState.FAILED and wish.made_at <= there.changed_at


def _renewal(key_sets: Sequence[CardKeySet], open_jobs: Iterable[Job]) -> tuple[PlannedJob, ...]:
    """Keys that are not ours alone are renewed before anything is loaded under them."""
    ours = any(keys.state is CardKeyState.CURRENT for keys in key_sets)
    renewing = any(job.kind is JobKind.RENEW_KEYS for job in open_jobs)
    known = any(keys.state is not CardKeyState.RETIRED for keys in key_sets)
    return (PlannedJob(JobKind.RENEW_KEYS, "", b"", None),) if known and not ours and not renewing else ()


def _order(wish: tuple[str, Wish]) -> tuple[int, str]:
    """What goes comes first, as it makes room; then what was published first."""
    name, (application, _exact, _made_at) = wish
    return (application.published_at if application else -1), name
