"""One step of a delivery, one transaction: what breaks in between leaves nothing, and again does the step."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.store.delivery_samples import (
    FIRST,
    SECOND,
    app_se,
    application,
    assigned,
    card,
    card_keys,
    delivered,
    inventory,
    job,
    job_id,
    load_file,
    loading,
    ready,
    rule,
    signature,
    stage_install,
    stage_removal,
    state_on,
)
from tests.store.provisioning_samples import registration, state_of
from tests.store.samples import NOW, device_id, open_store, payments
from tests.store.test_provisioning_transaction import content, failing_at_every_statement
from tsm_gateway.registry.application import InstallState, Scope, Version
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.errors import AlreadyKnown
from tsm_gateway.registry.job import JobKind
from tsm_gateway.relay.interfaces import StoreBusy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore

    Step = Callable[[SqliteStore], object]

LATER = NOW + 5
THIRD = Version(2, 0, 0)


def another_card(store: SqliteStore) -> None:
    store.provisioning.forget_elements(device_id(10), reason="", at=LATER)
    store.provisioning.register(registration(10, app_se=b"another card"), overlap_s=0, at=LATER)


def renew_keys(store: SqliteStore) -> None:
    store.delivery.keys_pending(card_keys(11, 0x31), at=LATER)
    store.delivery.keys_current(app_se(11), 0x31, at=LATER)


def install(store: SqliteStore) -> None:
    stage_install(store, 12, 1)
    store.delivery.finish(job_id(12, 1), outstanding=False, at=LATER)


STEPS: dict[str, Step] = {
    "publish": lambda store: store.delivery.publish(
        application(THIRD), load_file(THIRD), signature(THIRD), at=LATER
    ),
    "sign": lambda store: store.delivery.sign(signature(key_id=b"signer-2")),
    "retire": lambda store: store.delivery.retire("pay", FIRST, reason="", at=LATER),
    "assign": lambda store: store.delivery.assign(rule(made_at=LATER), reason=""),
    "unassign": lambda store: store.delivery.unassign("pay", Scope.ISSUER, "issuer-a", reason="", at=LATER),
    "import": lambda store: store.delivery.import_cards([(card(20), card_keys(20))], reason="", at=LATER),
    "forget": lambda store: store.delivery.forget_card(app_se(11), reason="", at=LATER),
    "keys_pending": lambda store: store.delivery.keys_pending(card_keys(11, 0x31), at=LATER),
    "renew_keys": renew_keys,
    "inventory": lambda store: store.delivery.keep_inventory(inventory(taken_at=LATER)),
    "queue": lambda store: store.delivery.queue([job(12)], [assigned(12)], at=LATER),
    "begin": lambda store: store.delivery.begin(job_id(11), at=LATER),
    "progress": lambda store: store.delivery.progress(job_id(11), 3, 9, at=LATER),
    "postpone": lambda store: store.delivery.postpone(job_id(11), due_at=LATER, reason="", at=LATER),
    "finish": lambda store: store.delivery.finish(job_id(11), outstanding=False, at=LATER),
    "finish_removal": lambda store: store.delivery.finish(job_id(10, 2), outstanding=False, at=LATER),
    "install": install,
    "fail": lambda store: store.delivery.fail(job_id(11), reason="", at=LATER),
    "cancel": lambda store: store.delivery.cancel(job_id(11), reason="", at=LATER),
    "terminate": lambda store: store.provisioning.terminate(device_id(11), reason="", at=LATER),
    "forget_elements": lambda store: store.provisioning.forget_elements(device_id(11), reason="", at=LATER),
    "another_card": another_card,
}


@pytest.fixture(scope="module")
def template(populated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Device 10 is active and loses its application, 11 is being loaded, 12 waits."""
    folder = shutil.copytree(populated, tmp_path_factory.mktemp("delivery") / "store")
    store = open_store(folder)
    for number in (10, 11, 12):
        ready(store, number)
    delivered(store, 10)
    stage_removal(store, 10)
    store.delivery.assign(rule(scope=Scope.ISSUER, subject="issuer-a"), reason="")
    store.delivery.keep_inventory(inventory())
    loading(store, 11)
    store.close()
    return folder


@pytest.fixture
def prepared(template: Path, tmp_path: Path) -> Path:
    """A copy of it of one's own."""
    return shutil.copytree(template, tmp_path / "store")


@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_breaks_anywhere_leaves_nothing(prepared: Path, name: str) -> None:
    store = open_store(prepared)
    before = content(prepared)
    broken = 0
    for _ in failing_at_every_statement(store, STEPS[name]):
        broken += 1
        store.flush()
        assert content(prepared) == before
    assert broken >= 2
    store.flush()
    assert content(prepared) != before
    assert store.check() == []
    store.close()


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("durable", [False, True], ids=["staged", "flushed"])
def test_a_process_that_is_killed_leaves_the_whole_step_or_nothing(
    prepared: Path, name: str, *, durable: bool
) -> None:
    before = content(prepared)
    child = os.fork()
    if not child:
        try:
            store = open_store(prepared)
            STEPS[name](store)
            if durable:
                store.flush()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    store = open_store(prepared)
    assert (content(prepared) != before) is durable
    if not durable:
        STEPS[name](store)
        store.flush()
    assert store.check() == []
    store.close()


def test_after_a_crash_in_the_middle_of_a_job_it_is_begun_again(prepared: Path) -> None:
    child = os.fork()
    if not child:
        try:
            store = open_store(prepared)
            store.delivery.progress(job_id(11), 16, 137, at=LATER)
            store.flush()
            store.delivery.finish(job_id(11), outstanding=False, at=LATER)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    store = open_store(prepared)
    assert state_of(store, 11) is DeviceState.REGISTERED
    (found,) = store.delivery.jobs(device_id(11), open_only=True)
    assert found.progress == (16, 137)
    assert store.delivery.begin(found.job_id, at=LATER).attempts == 2
    store.delivery.finish(found.job_id, outstanding=False, at=LATER)
    store.flush()
    assert (state_of(store, 11), state_on(store, 11)) == (DeviceState.ACTIVE, InstallState.INSTALLED)
    store.close()


def test_the_old_key_set_is_there_until_the_commit_that_makes_the_new_one_current(prepared: Path) -> None:
    """Whatever moment a crash chooses, the store has a set that the card knows."""
    child = os.fork()
    if not child:
        try:
            store = open_store(prepared)
            store.delivery.keys_pending(card_keys(10, 0x31), at=LATER)
            store.flush()
            store.delivery.keys_current(app_se(10), 0x31, at=LATER)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    store = open_store(prepared)
    assert [each.wrapped for each in store.delivery.card_keys(app_se(10))] == [
        card_keys(10, 0x31).wrapped,
        card_keys(10).wrapped,
    ]
    store.close()


def test_a_refusal_takes_the_rest_of_its_transaction_with_it(prepared: Path) -> None:
    store = open_store(prepared)
    before = content(prepared)
    store.delivery.queue([job(12)], [assigned(12)], at=LATER)
    store.delivery.keys_pending(card_keys(12, 0x31), at=LATER)
    with pytest.raises(AlreadyKnown):
        store.delivery.import_cards(
            [(card(20), card_keys(20)), (card(12), card_keys(12))], reason="", at=LATER
        )
    store.flush()
    assert content(prepared) == before
    store.close()


def test_deliveries_enrolments_and_payments_share_a_transaction(prepared: Path) -> None:
    store = open_store(prepared)
    generation = store.generation
    store.stage(payments([1]))
    store.delivery.finish(job_id(11), outstanding=False, at=LATER)
    store.provisioning.activate(device_id(12), reason="", at=LATER)
    store.delivery.keep_inventory(inventory(12))
    store.flush()
    assert store.generation == generation + 1
    store.delivery.keep_inventory(inventory(11))
    store.delivery.roll_back()
    store.flush()
    assert store.generation == generation + 1
    assert store.delivery.inventory(app_se(11)) is None
    store.close()


def test_who_does_not_wait_for_another_process_is_told_at_once(prepared: Path) -> None:
    daemon, beside = open_store(prepared), open_store(prepared, exclusive=False, patience_s=0.0)
    daemon.stage(payments([1]))
    with pytest.raises(StoreBusy):
        beside.delivery.progress(job_id(11), 1, 9, at=LATER)
    daemon.flush()
    beside.delivery.progress(job_id(11), 1, 9, at=LATER)
    beside.flush()
    assert daemon.delivery.jobs(device_id(11))[0].progress == (1, 9)
    beside.close()
    daemon.close()


def test_nothing_is_seen_before_it_is_durable(prepared: Path) -> None:
    store = open_store(prepared)
    store.delivery.queue([job(12, 1, JobKind.INVENTORY)], [], at=LATER)
    assert store.delivery.jobs(device_id(12)) == []
    store.flush()
    assert len(store.delivery.jobs(device_id(12))) == 1
    assert store.delivery.application("pay", SECOND) == application(SECOND)
    store.close()
