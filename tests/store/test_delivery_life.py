"""What a device may do follows what is installed on its app SE, in the very transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.delivery_samples import (
    app_se,
    assigned,
    delivered,
    digest,
    job,
    job_id,
    job_state,
    loading,
    published,
    ready,
    resumes_to,
    stage_install,
    stage_removal,
    state_on,
)
from tests.store.provisioning_samples import acts_since, registration, standing, state_of
from tests.store.samples import NOW, device_id, kid
from tsm_gateway.registry.application import InstallState
from tsm_gateway.registry.device import Device, DeviceMove, DeviceState
from tsm_gateway.registry.errors import MoveNotAllowed
from tsm_gateway.registry.job import JobKind, JobState
from tsm_gateway.registry.suspension import SuspensionKind

if TYPE_CHECKING:
    from tsm_gateway.store.sqlite_store import SqliteStore

D = DeviceState
LATER = NOW + 50


def suspended(store: SqliteStore, number: int = 10, *, proof_wanted: bool = False) -> None:
    store.provisioning.suspend(
        device_id(number), SuspensionKind.LOST, proof_wanted=proof_wanted, reason="lost", at=NOW
    )
    store.flush()


def finished(store: SqliteStore, which: int = 1, *, outstanding: bool = False) -> Device | None:
    moved = store.delivery.finish(job_id(10, which), outstanding=outstanding, at=LATER)
    store.flush()
    return moved


def removed(store: SqliteStore, which: int = 2, name: str = "pay") -> Device | None:
    stage_removal(store, 10, which, name)
    return finished(store, which)


# --- activation ---


def test_the_last_installation_lets_a_device_pay(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    head, _ = store.provisioning.audit_head()
    before = store.registry.versions()[0]
    moved = finished(store)
    assert moved == standing(store).device
    assert (moved.state, moved.reason, moved.changed_at) == (D.ACTIVE, "application delivered", LATER)
    assert (state_on(store), job_state(store)) == (InstallState.INSTALLED, JobState.DONE)
    assert acts_since(store, head) == ["application.install", "device.activate"]
    entry = store.provisioning.audit(head)[0].entry
    assert (entry.subject, entry.reason) == (device_id(10), "wanted")
    assert dict(entry.facts) == {"application": "pay", "version": "1.0.0"}
    assert store.registry.versions()[0] == before  # nobody caches what is not active


def test_while_another_application_is_outstanding_nobody_pays(store: SqliteStore) -> None:
    ready(store)
    published(store, name="loyalty")
    loading(store)
    assert finished(store, outstanding=True) is None
    assert state_of(store) is D.REGISTERED
    loading(store, 10, 2, name="loyalty")
    moved = finished(store, 2)
    assert moved is not None
    assert moved.state is D.ACTIVE


def test_an_active_device_that_is_upgraded_stays_active(store: SqliteStore) -> None:
    ready(store)
    delivered(store)
    loading(store, 10, 2)
    assert state_of(store) is D.ACTIVE
    assert finished(store, 2) is None
    assert state_of(store) is D.ACTIVE


def test_a_job_on_the_card_itself_activates_nobody_without_an_application(store: SqliteStore) -> None:
    ready(store)
    renew = job(kind=JobKind.RENEW_KEYS)
    store.delivery.queue([renew], [], at=NOW)
    store.delivery.begin(renew.job_id, at=NOW)
    assert finished(store) is None
    assert state_of(store) is D.REGISTERED
    assert job_state(store) is JobState.DONE


def test_a_device_settles_when_its_other_application_is_not_wanted_any_more(store: SqliteStore) -> None:
    ready(store)
    assert store.delivery.settle(device_id(10), at=NOW) is None
    loading(store)
    assert store.delivery.settle(device_id(10), at=NOW) is None
    finished(store, outstanding=True)
    moved = store.delivery.settle(device_id(10), at=LATER)
    store.flush()
    assert moved == standing(store).device
    assert moved.state is D.ACTIVE
    assert store.delivery.settle(device_id(10), at=LATER) is None


def test_an_installation_that_was_not_begun_ends_nothing(store: SqliteStore) -> None:
    ready(store)
    store.delivery.queue([job()], [assigned()], at=NOW)
    store.flush()
    with pytest.raises(MoveNotAllowed):
        finished(store)
    assert state_on(store) is InstallState.ASSIGNED


# --- deactivation ---


def test_the_last_removal_takes_the_right_to_pay(store: SqliteStore) -> None:
    ready(store)
    delivered(store)
    head, _ = store.provisioning.audit_head()
    before = store.registry.versions()[0]
    moved = removed(store)
    assert moved == standing(store).device
    assert (moved.state, moved.reason) == (D.REGISTERED, "last application removed")
    assert state_on(store) is InstallState.REMOVED
    assert acts_since(store, head) == ["job.queue", "application.remove", "device.deactivate"]
    assert store.registry.versions()[0] == before + 1


def test_while_another_application_is_installed_a_device_stays_active(store: SqliteStore) -> None:
    ready(store)
    published(store, name="loyalty")
    delivered(store)
    delivered(store, 10, 3, name="loyalty")
    assert removed(store) is None
    assert state_of(store) is D.ACTIVE
    assert removed(store, 4, "loyalty") is not None
    assert state_of(store) is D.REGISTERED


def test_a_removal_moves_nobody_who_was_not_active(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    store.delivery.fail(job_id(), reason="torn", at=NOW)
    store.flush()
    assert removed(store) is None
    assert (state_of(store), state_on(store)) == (D.REGISTERED, InstallState.REMOVED)


# --- suspended meanwhile ---


def test_a_device_suspended_while_it_is_loaded_resumes_active(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    suspended(store)
    head, _ = store.provisioning.audit_head()
    moved = finished(store)
    assert moved is not None
    assert (moved.state, resumes_to(store)) == (D.SUSPENDED, D.ACTIVE)
    assert acts_since(store, head) == ["application.install", "device.activate"]
    entry = store.provisioning.audit(head + 1)[0].entry
    assert dict(entry.facts) == {"resumes_to": "active"}
    assert store.provisioning.resume(device_id(10), reason="found", at=LATER).state is D.ACTIVE


def test_a_proof_leads_to_where_it_would_resume(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    suspended(store, proof_wanted=True)
    finished(store)
    proved = store.provisioning.register(registration(), overlap_s=0, at=LATER)
    assert proved.state is D.ACTIVE


def test_one_that_has_to_prove_itself_anew_is_not_activated_before(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    suspended(store)
    store.provisioning.change_number(device_id(10), "+491", reason="", at=NOW)
    store.flush()
    assert resumes_to(store) is D.KEYED
    assert finished(store) is None
    assert resumes_to(store) is D.KEYED


def test_a_removal_while_suspended_resumes_registered(store: SqliteStore) -> None:
    ready(store)
    delivered(store)
    stage_removal(store)
    suspended(store)
    finished(store, 2)
    assert resumes_to(store) is D.REGISTERED
    assert store.provisioning.resume(device_id(10), reason="", at=LATER).state is D.REGISTERED


def test_one_suspended_by_hand_in_an_older_release_resumes_registered_too(store: SqliteStore) -> None:
    ready(store)
    delivered(store)
    stage_removal(store)
    suspended(store)
    with store._writer.transaction() as cursor:
        cursor.execute("DELETE FROM suspension")
    finished(store, 2)
    assert resumes_to(store) is D.REGISTERED


# --- the end of a device, of its claim ---


def test_a_terminated_device_has_no_open_jobs_and_its_card_stays(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    store.provisioning.terminate(device_id(10), reason="", at=LATER)
    store.flush()
    found = store.delivery.job(job_id())
    assert found is not None
    assert (found.state, found.reason, found.changed_at) == (JobState.CANCELLED, "terminated", LATER)
    assert store.delivery.card(app_se()) is not None
    assert len(store.delivery.card_keys(app_se())) == 1
    assert state_on(store) is InstallState.LOADING
    with pytest.raises(MoveNotAllowed):
        finished(store)


def test_the_registrys_own_way_to_terminate_cancels_jobs_too(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    store.registry.move_device(device_id(10), DeviceMove.TERMINATE, reason="", at=LATER)
    assert job_state(store) is JobState.CANCELLED


def test_a_replaced_device_has_no_open_jobs(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    store.provisioning.replace(device_id(10), device_id(1), reason="", at=LATER)
    store.flush()
    assert job_state(store) is JobState.CANCELLED


def test_whose_elements_are_freed_has_no_open_jobs(store: SqliteStore) -> None:
    ready(store)
    delivered(store)
    loading(store, 10, 2)
    store.provisioning.forget_elements(device_id(10), reason="", at=LATER)
    store.flush()
    assert job_state(store, 10, 2) is JobState.CANCELLED


def test_whose_elements_are_freed_has_nothing_that_was_delivered_to_them(store: SqliteStore) -> None:
    """Another may prove them next: what is on them is not this device's any more, and it must not pay."""
    ready(store)
    delivered(store)
    (head, _), before = store.provisioning.audit_head(), store.registry.versions()[0]
    freed = store.provisioning.forget_elements(device_id(10), reason="new card", at=LATER)
    store.flush()
    assert (freed.state, freed.reason) == (D.REGISTERED, "its secure elements were freed")
    assert state_of(store) is D.REGISTERED
    assert state_on(store) is InstallState.REMOVED
    assert store.registry.versions()[0] == before + 1, "the relay has it cached as active"
    (entry,) = store.provisioning.audit(head)
    assert (entry.entry.action, entry.entry.reason) == ("device.forget-elements", "new card")
    facts = dict(entry.entry.facts)
    assert (facts["applications_lost"], facts["state"]) == ("pay", "registered")


def test_a_suspended_device_whose_elements_are_freed_resumes_as_registered(store: SqliteStore) -> None:
    ready(store)
    delivered(store)
    suspended(store)
    store.provisioning.forget_elements(device_id(10), reason="", at=LATER)
    store.flush()
    assert (state_of(store), resumes_to(store)) == (D.SUSPENDED, D.REGISTERED)
    assert store.provisioning.resume(device_id(10), reason="", at=LATER).state is D.REGISTERED


def test_a_device_that_is_active_without_a_delivery_stays_so_without_elements(store: SqliteStore) -> None:
    ready(store)
    store.provisioning.activate(device_id(10), reason="loaded at the factory", at=NOW)
    freed = store.provisioning.forget_elements(device_id(10), reason="", at=LATER)
    store.flush()
    assert (freed.state, state_of(store)) == (D.ACTIVE, D.ACTIVE)


def test_the_same_card_again_gets_all_anew(store: SqliteStore) -> None:
    ready(store)
    delivered(store)
    store.provisioning.forget_elements(device_id(10), reason="", at=LATER)
    moved = store.provisioning.register(registration(), overlap_s=0, at=LATER)
    store.flush()
    assert (moved.state, state_on(store)) == (D.REGISTERED, InstallState.REMOVED)


def test_another_card_has_nothing_and_its_device_waits_for_it(store: SqliteStore) -> None:
    """Whatever is on record of the card before: also of a delivery that ended when its claim had."""
    ready(store)
    published(store, name="loyalty")
    store.provisioning.forget_elements(device_id(10), reason="", at=LATER)
    delivered(store)
    stage_install(store, 10, 2, name="loyalty")
    store.flush()
    head, _ = store.provisioning.audit_head()
    before = store.registry.versions()[0]
    moved = store.provisioning.register(registration(app_se=b"another card"), overlap_s=0, at=LATER)
    store.flush()
    assert (moved.state, moved.reason) == (D.REGISTERED, "another app SE, without applications")
    assert (state_on(store), state_on(store, 10, "loyalty")) == (InstallState.REMOVED,) * 2
    assert job_state(store, 10, 2) is JobState.CANCELLED
    assert dict(store.provisioning.audit(head)[0].entry.facts)["applications_lost"] == "pay"
    assert store.registry.versions()[0] == before + 1


def test_another_card_of_a_device_that_has_no_application_changes_nothing(store: SqliteStore) -> None:
    ready(store)
    store.provisioning.activate(device_id(10), reason="loaded at the factory", at=NOW)
    store.provisioning.forget_elements(device_id(10), reason="", at=LATER)
    moved = store.provisioning.register(registration(app_se=b"another card"), overlap_s=0, at=LATER)
    store.flush()
    assert moved.state is D.ACTIVE


def test_a_payment_is_taken_from_a_device_whose_application_is_installed(store: SqliteStore) -> None:
    """The relay reads the state that a delivery wrote."""
    ready(store)
    delivered(store)
    key = standing(store).keys[0].kid
    entry = store.registry.device_for(key)
    assert entry is not None
    assert entry.device.state is D.ACTIVE
    removed(store)
    entry = store.registry.device_for(key)
    assert entry is not None
    assert entry.device.state is D.REGISTERED
    assert store.registry.device_for(kid(1)) is not None
    assert store.delivery.load_file(digest())
