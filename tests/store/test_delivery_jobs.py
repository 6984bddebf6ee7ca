"""Jobs: queued, begun, put off, given up; one open one for each thing, in the order they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.delivery_samples import (
    FIRST,
    SECOND,
    application,
    assigned,
    delivered,
    digest,
    job,
    job_id,
    job_state,
    loading,
    ready,
    stage_removal,
    state_on,
)
from tests.store.provisioning_samples import acts_since, last_act
from tests.store.samples import NOW, device_id
from tsm_gateway.registry.application import InstallState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed, NotKnown
from tsm_gateway.registry.job import JobKind, JobState
from tsm_gateway.registry.suspension import SuspensionKind
from tsm_gateway.store.job_store import KEPT

if TYPE_CHECKING:
    from tsm_gateway.registry.job import Job
    from tsm_gateway.store.sqlite_store import SqliteStore

LATER = NOW + 50
FAR = 10**6
RENEW = job(which=2, kind=JobKind.RENEW_KEYS)


def queued(store: SqliteStore, *jobs: Job) -> None:
    store.delivery.queue(jobs, [], at=NOW)
    store.flush()


# --- queue ---


def test_what_is_queued_at_once_is_one_entry_and_in_the_order_it_is_done(store: SqliteStore) -> None:
    ready(store)
    head, _ = store.provisioning.audit_head()
    jobs = [job(which=1), job(which=3, kind=JobKind.REMOVE, application="loyalty"), RENEW]
    store.delivery.queue(jobs, [assigned()], at=NOW)
    store.flush()
    assert store.delivery.jobs(device_id(10)) == [RENEW, jobs[1], jobs[0]]
    assert store.delivery.on_device(device_id(10)) == [assigned()]
    assert acts_since(store, head) == ["job.queue"]
    entry = store.provisioning.audit(head)[0].entry
    assert (entry.subject, entry.reason) == (device_id(10), "wanted")
    assert dict(entry.facts) == {"jobs": "install pay, remove loyalty, renew-keys"}


def test_an_earlier_job_is_done_first(store: SqliteStore) -> None:
    ready(store)
    queued(store, job(which=1, created_at=LATER), job(which=2, kind=JobKind.INVENTORY))
    assert [each.kind for each in store.delivery.jobs(device_id(10))] == [JobKind.INVENTORY, JobKind.INSTALL]


def test_nothing_to_queue_is_no_entry(store: SqliteStore) -> None:
    head = store.provisioning.audit_head()
    store.delivery.queue([], [], at=NOW)
    store.flush()
    assert store.provisioning.audit_head() == head


def test_one_thing_is_queued_once_until_it_is_closed(store: SqliteStore) -> None:
    ready(store)
    queued(store, RENEW)
    with pytest.raises(AlreadyKnown):
        queued(store, RENEW._replace(job_id=job_id(10, 7)))
    with pytest.raises(AlreadyKnown):
        queued(store, job(which=8), job(which=9))
    store.delivery.cancel(RENEW.job_id, reason="", at=NOW)
    store.flush()
    queued(store, RENEW._replace(job_id=job_id(10, 7)))
    with pytest.raises(AlreadyKnown) as caught:
        queued(store, job(which=7))
    assert caught.value.facts == {"what": "job", "name": job_id(10, 7).hex()}


@pytest.mark.parametrize(
    ("jobs", "on_device"),
    [
        ([job(10), job(11)], []),
        ([job(10)], [assigned(11)]),
        ([job(10, state=JobState.ACTIVE)], []),
        ([], [assigned(10, state=InstallState.INSTALLED)]),
        ([], [assigned(10, digest=digest(SECOND))]),
    ],
    ids=["jobs of two", "another's application", "active", "installed", "another load file"],
)
def test_records_that_do_not_belong_together_are_refused(
    store: SqliteStore, jobs: list[Job], on_device: list[object]
) -> None:
    ready(store, 10)
    ready(store, 11)
    with pytest.raises(ValueError, match="different things"):
        store.delivery.queue(jobs, on_device, at=NOW)  # type: ignore[arg-type]
    assert store.delivery.open_jobs() == []


def test_nothing_is_queued_for_who_is_not_there(store: SqliteStore) -> None:
    with pytest.raises(NotKnown):
        queued(store, job(99))
    ready(store)
    store.provisioning.terminate(device_id(10), reason="", at=NOW)
    store.flush()
    with pytest.raises(MoveNotAllowed):
        queued(store, RENEW)


def test_an_application_that_was_not_published_is_not_assigned(store: SqliteStore) -> None:
    ready(store)
    with pytest.raises(NotKnown):
        store.delivery.queue([], [assigned(name="loyalty")], at=NOW)


@pytest.mark.parametrize("before", ["assigned", "loading", "installed", "failed", "removed"])
def test_another_version_is_assigned_wherever_the_first_one_stands(store: SqliteStore, before: str) -> None:
    ready(store)
    store.delivery.queue([], [assigned()], at=NOW)
    if before in {"loading", "failed"}:
        loading(store)
    if before == "failed":
        store.delivery.fail(job_id(), reason="", at=NOW)
    if before in {"installed", "removed"}:
        delivered(store)
    if before == "removed":
        stage_removal(store)
        store.delivery.finish(job_id(10, 2), outstanding=False, at=NOW)
    store.flush()
    assert state_on(store) is InstallState(before)
    store.delivery.queue([], [assigned(version=SECOND)], at=NOW)
    store.flush()
    assert store.delivery.on_device(device_id(10)) == [assigned(version=SECOND)]


# --- begin, progress, postpone ---


def test_a_job_that_is_begun_counts_its_attempt_and_its_application_is_loading(store: SqliteStore) -> None:
    ready(store)
    store.delivery.queue([job()], [assigned()], at=NOW)
    store.flush()
    head = store.provisioning.audit_head()
    begun = store.delivery.begin(job_id(), at=LATER)
    store.flush()
    assert store.delivery.job(job_id()) == begun
    assert (begun.state, begun.attempts, begun.changed_at) == (JobState.ACTIVE, 1, LATER)
    assert state_on(store) is InstallState.LOADING
    again = store.delivery.begin(job_id(), at=LATER)  # after a cut or a crash
    store.flush()
    assert (again.state, again.attempts) == (JobState.ACTIVE, 2)
    assert store.provisioning.audit_head() == head


def test_progress_is_kept_of_a_job_at_work_and_begins_anew_with_it(store: SqliteStore) -> None:
    ready(store)
    store.delivery.queue([job()], [assigned()], at=NOW)
    with pytest.raises(MoveNotAllowed):
        store.delivery.progress(job_id(), 1, 9, at=LATER)
    loading(store)
    head = store.provisioning.audit_head()
    assert store.delivery.progress(job_id(), 16, 137, at=LATER).progress == (16, 137)
    store.flush()
    found = store.delivery.job(job_id())
    assert found is not None
    assert (found.progress, found.changed_at) == ((16, 137), LATER)
    assert store.provisioning.audit_head() == head
    assert store.delivery.begin(job_id(), at=LATER).progress == (0, 137)


def test_a_job_that_is_put_off_waits_and_says_why(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    head = store.provisioning.audit_head()
    put_off = store.delivery.postpone(job_id(), due_at=LATER + 30, reason="card torn", at=LATER)
    store.flush()
    assert store.delivery.job(job_id()) == put_off
    assert put_off[5:7] == (JobState.QUEUED, 1)
    assert (put_off.due_at, put_off.reason) == (LATER + 30, "card torn")
    assert store.provisioning.audit_head() == head


def test_a_job_for_another_version_than_is_assigned_is_too_late(store: SqliteStore) -> None:
    ready(store)
    store.delivery.queue([job()], [assigned()], at=NOW)
    store.delivery.queue([], [assigned(version=SECOND)], at=NOW)
    store.flush()
    with pytest.raises(MoveNotAllowed):
        store.delivery.begin(job_id(), at=NOW)
    store.delivery.cancel(job_id(), reason="another version", at=NOW)
    store.flush()


@pytest.mark.parametrize("step", ["suspend", "terminate"])
def test_no_job_of_a_device_that_is_out_is_begun(store: SqliteStore, step: str) -> None:
    ready(store)
    store.delivery.queue([job()], [assigned()], at=NOW)
    if step == "suspend":
        store.provisioning.suspend(device_id(10), SuspensionKind.LOST, proof_wanted=False, reason="", at=NOW)
    else:
        store.provisioning.terminate(device_id(10), reason="", at=NOW)
    store.flush()
    with pytest.raises(MoveNotAllowed):
        store.delivery.begin(job_id(), at=NOW)


def test_what_is_not_there_is_not_worked_at(store: SqliteStore) -> None:
    delivery = store.delivery
    assert delivery.job(job_id()) is None
    for step in (
        lambda: delivery.begin(job_id(), at=NOW),
        lambda: delivery.progress(job_id(), 1, 2, at=NOW),
        lambda: delivery.postpone(job_id(), due_at=NOW, reason="", at=NOW),
        lambda: delivery.finish(job_id(), outstanding=False, at=NOW),
        lambda: delivery.fail(job_id(), reason="", at=NOW),
        lambda: delivery.cancel(job_id(), reason="", at=NOW),
    ):
        with pytest.raises(NotKnown):
            step()


# --- fail, cancel ---


def test_what_failed_says_why_on_the_device_too(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    failed = store.delivery.fail(job_id(), reason="no memory on the card", at=LATER)
    store.flush()
    assert store.delivery.job(job_id()) == failed
    (known,) = store.delivery.on_device(device_id(10))
    assert (known.state, known.reason) == (InstallState.FAILED, "no memory on the card")
    assert last_act(store) == ("application.fail", device_id(10), "no memory on the card")


def test_a_removal_that_fails_leaves_the_application_failed(store: SqliteStore) -> None:
    ready(store)
    delivered(store)
    stage_removal(store)
    store.delivery.fail(job_id(10, 2), reason="card refuses", at=LATER)
    store.flush()
    assert state_on(store) is InstallState.FAILED


def test_a_job_on_the_card_itself_fails_by_itself(store: SqliteStore) -> None:
    ready(store)
    queued(store, RENEW)
    store.delivery.fail(RENEW.job_id, reason="wrong keys", at=LATER)
    store.flush()
    assert job_state(store, 10, 2) is JobState.FAILED
    assert last_act(store) == ("job.fail", device_id(10), "wrong keys")


def test_what_is_cancelled_stays_as_it_is_on_the_device(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    store.delivery.cancel(job_id(), reason="unassigned", at=LATER)
    store.flush()
    assert job_state(store) is JobState.CANCELLED
    assert state_on(store) is InstallState.LOADING
    assert last_act(store) == ("job.cancel", device_id(10), "unassigned")


@pytest.mark.parametrize("end", ["done", "failed", "cancelled"])
def test_a_closed_job_is_closed(store: SqliteStore, end: str) -> None:
    ready(store)
    loading(store)
    delivery = store.delivery
    {
        "done": lambda: delivery.finish(job_id(), outstanding=True, at=NOW),
        "failed": lambda: delivery.fail(job_id(), reason="", at=NOW),
        "cancelled": lambda: delivery.cancel(job_id(), reason="", at=NOW),
    }[end]()
    store.flush()
    assert job_state(store) is JobState(end)
    for step in (
        lambda: delivery.begin(job_id(), at=NOW),
        lambda: delivery.progress(job_id(), 1, 2, at=NOW),
        lambda: delivery.postpone(job_id(), due_at=NOW, reason="", at=NOW),
        lambda: delivery.finish(job_id(), outstanding=False, at=NOW),
        lambda: delivery.fail(job_id(), reason="", at=NOW),
        lambda: delivery.cancel(job_id(), reason="", at=NOW),
    ):
        with pytest.raises(MoveNotAllowed):
            step()
    assert delivery.jobs(device_id(10), open_only=True) == []
    assert delivery.open_jobs() == []


# --- lists ---


def test_open_jobs_of_all_devices_come_in_pages(store: SqliteStore) -> None:
    for number in (10, 11, 12, 13):
        ready(store, number)
        loading(store, number)
    store.delivery.finish(job_id(11), outstanding=False, at=NOW)
    store.delivery.postpone(job_id(12), due_at=LATER, reason="", at=NOW)
    store.flush()
    first = store.delivery.open_jobs(limit=2)
    assert [each.job_id for each in first] == [job_id(10), job_id(12)]
    assert [each.job_id for each in store.delivery.open_jobs(after=first[-1].job_id)] == [job_id(13)]
    assert store.delivery.count_jobs() == (1, 2)


# --- what is old ---


def closed(store: SqliteStore, count: int, first: int = 1) -> None:
    for which in range(first, first + count):
        store.delivery.queue([job(10, which, JobKind.INVENTORY, created_at=NOW + which)], [], at=NOW)
        store.delivery.cancel(job_id(10, which), reason="", at=NOW + which)
    store.flush()


def test_of_a_devices_closed_jobs_the_newest_are_kept(store: SqliteStore) -> None:
    ready(store)
    ready(store, 11)
    loading(store, 11)
    queued(store, RENEW._replace(job_id=job_id(10, 999)))
    closed(store, KEPT + 5)
    found = store.delivery.jobs(device_id(10))
    assert [each.job_id for each in found if each.state is JobState.CANCELLED] == [
        job_id(10, which) for which in range(5, KEPT + 6)
    ]
    assert found[0].state is JobState.QUEUED
    assert len(store.delivery.jobs(device_id(11))) == 1


def test_closed_jobs_go_with_done_messages_and_open_ones_stay(store: SqliteStore) -> None:
    ready(store)
    ready(store, 11)
    loading(store, 11)
    closed(store, 5)
    assert store.purge(NOW + 3 + FAR, FAR, FAR, 100) == 2
    store.flush()
    assert [each.job_id for each in store.delivery.jobs(device_id(10))] == [job_id(10, n) for n in (3, 4, 5)]
    assert store.purge(NOW + 9 + FAR, FAR, FAR, 2) == 2
    assert store.purge(NOW + 9 + FAR, FAR, FAR, 2) == 1
    store.flush()
    assert store.delivery.jobs(device_id(10)) == []
    assert len(store.delivery.open_jobs()) == 1


def test_the_application_of_a_job_is_known_by_its_load_file(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    found = store.delivery.job(job_id())
    assert found is not None
    assert store.delivery.by_digest(found.digest) == application(FIRST)
