"""Payments, deliveries and an operator's commands write to one file at the same time; a disk gets full."""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
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
    job,
    job_id,
    published,
    ready,
    signature,
    state_on,
)
from tests.store.provisioning_samples import state_of
from tests.store.samples import NOW, device_id, open_store
from tests.store.test_disk_full import MEBIBYTE, home, needs_mount
from tests.store.test_provisioning_processes import PAYMENTS, as_relay, in_two_roles, insisting
from tsm_gateway.registry.application import InstallState
from tsm_gateway.registry.audit import broken_links
from tsm_gateway.registry.card import CardKeyState
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.errors import AlreadyKnown
from tsm_gateway.registry.job import JobKind, JobState
from tsm_gateway.relay.interfaces import StoreConflict, StoreFull
from tsm_gateway.store.card_store import Rewrap

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore

__all__ = ["home"]  # a fixture

DEVICES = range(100, 130)
CARDS = range(1000, 1060)


def deliver(store: SqliteStore, number: int) -> None:
    """A whole delivery in as many commits as a session makes."""
    renew = job(number, 1, JobKind.RENEW_KEYS)
    install = job(number, 2)
    steps = (
        lambda: store.delivery.queue([renew, install], [assigned(number)], at=NOW),
        lambda: store.delivery.begin(renew.job_id, at=NOW),
        lambda: store.delivery.keys_pending(card_keys(number, 0x31), at=NOW),
        lambda: store.delivery.keys_current(app_se(number), 0x31, at=NOW),
        lambda: store.delivery.finish(renew.job_id, outstanding=True, at=NOW),
        lambda: store.delivery.begin(install.job_id, at=NOW),
        lambda: store.delivery.progress(install.job_id, 16, 20, at=NOW),
        lambda: store.delivery.finish(install.job_id, outstanding=False, at=NOW),
    )
    for step in steps:
        insisting(lambda step=step: (step(), store.flush()))  # type: ignore[func-returns-value, misc]


def as_delivery(folder: Path) -> int:
    store = open_store(folder, exclusive=False, patience_s=0.0, actor="provisioning")
    for number in DEVICES:
        deliver(store, number)
    store.close()
    return len(DEVICES)


def as_operator(folder: Path) -> int:
    """Imports cards and rewraps what is there, again and again."""
    store = open_store(folder, exclusive=False, actor="operator")
    for number in CARDS:
        store.delivery.import_cards([(card(number), card_keys(number))], reason="", at=NOW)
        store.flush()
        with suppress(StoreConflict):  # a delivery changed one of them
            keys = store.delivery.all_card_keys()
            store.delivery.rewrap_card_keys(
                Rewrap(each.app_se, each.kvn, each.wrapped, each.wrapped + b"+", each.master_version + 1)
                for each in keys
            )
    store.close()
    return len(CARDS)


@pytest.fixture
def waiting(folder: Path) -> Path:
    """Registered devices with cards."""
    store = open_store(folder)
    for number in DEVICES:
        ready(store, number)
    store.close()
    return folder


def assert_all_delivered(folder: Path) -> None:
    store = open_store(folder)
    assert store.check() == []
    assert broken_links(store.provisioning.audit(limit=100_000)) == []
    for number in DEVICES:
        assert state_on(store, number) is InstallState.INSTALLED
        assert state_of(store, number) is DeviceState.ACTIVE
        states = [each.state for each in store.delivery.card_keys(app_se(number))]
        assert states == [CardKeyState.CURRENT, CardKeyState.RETIRED]
        assert {each.state for each in store.delivery.jobs(device_id(number))} == {JobState.DONE}
    assert store.delivery.installed_counts() == {("pay", "1.0.0"): len(DEVICES)}
    store.close()


def test_payments_and_deliveries_interleave_on_one_file(waiting: Path) -> None:
    assert sorted(in_two_roles(waiting, as_relay, as_delivery)) == [len(DEVICES), PAYMENTS]
    assert_all_delivered(waiting)
    store = open_store(waiting)
    assert store.provisioning.providers_of(device_id(1)) == [("bank", PAYMENTS, NOW)]
    store.close()


def test_cards_are_imported_and_rewrapped_while_others_are_loaded(waiting: Path) -> None:
    assert sorted(in_two_roles(waiting, as_operator, as_delivery)) == [len(DEVICES), len(CARDS)]
    assert_all_delivered(waiting)
    store = open_store(waiting)
    assert len(store.delivery.cards()) == len(DEVICES) + len(CARDS)
    for each in store.delivery.all_card_keys():
        assert each.wrapped.count(b"+") == each.master_version - 1
    store.close()


def test_one_thing_is_queued_once_by_two_processes(waiting: Path) -> None:
    one, other = open_store(waiting), open_store(waiting, exclusive=False)
    assert one.delivery.jobs(device_id(100)) == other.delivery.jobs(device_id(100)) == []
    one.delivery.queue([job(100)], [assigned(100)], at=NOW)
    one.flush()
    with pytest.raises(AlreadyKnown):
        other.delivery.queue([job(100, 2)], [assigned(100)], at=NOW)
    other.close()
    one.close()


def test_a_key_set_is_made_once_by_two_processes(waiting: Path) -> None:
    one, other = open_store(waiting), open_store(waiting, exclusive=False)
    one.delivery.keys_pending(card_keys(100, 0x31), at=NOW)
    one.flush()
    with pytest.raises(AlreadyKnown):
        other.delivery.keys_pending(card_keys(100, 0x31, wrapped=b"another"), at=NOW)
    (first, _) = other.delivery.card_keys(app_se(100))
    assert first.wrapped == card_keys(100, 0x31).wrapped
    other.close()
    one.close()


def test_the_relay_forgets_a_device_whose_application_another_process_removed(waiting: Path) -> None:
    daemon = open_store(waiting)
    as_delivery(waiting)
    before = daemon.registry.versions()[0]
    beside = open_store(waiting, exclusive=False)
    beside.delivery.queue([job(100, 3, JobKind.REMOVE)], [], at=NOW)
    beside.delivery.begin(job_id(100, 3), at=NOW)
    beside.delivery.finish(job_id(100, 3), outstanding=False, at=NOW)
    beside.flush()
    assert daemon.registry.versions()[0] == before + 1
    beside.close()
    daemon.close()


# --- no room ---


def publish_without_end(store: SqliteStore) -> None:
    for which in range(1, 400):
        octets = b"%03d" % which * 30_000
        digest = sha256(octets).digest()
        made = application(SECOND._replace(patch=which), digest=digest, size=len(octets))
        store.delivery.publish(made, octets, signature(digest=digest), at=NOW)
        store.flush()


@needs_mount
def test_a_full_disk_is_told_and_a_delivery_goes_on_when_there_is_room(home: Path) -> None:
    ballast = home.parent / "ballast"
    store = open_store(home, reserve=0)
    try:
        for number in (10, 11):
            ready(store, number)
        store.checkpoint()
        ballast.write_bytes(b"\0" * MEBIBYTE)
        with pytest.raises(StoreFull):
            publish_without_end(store)
        kept = [each.version for each in store.delivery.applications()]
        ballast.unlink()
        deliver(store, 10)
        assert state_of(store, 10) is DeviceState.ACTIVE
        assert [each.version for each in store.delivery.applications()] == kept
        assert store.check() == []
    finally:
        store.close()


def test_a_backup_has_the_deliveries_and_a_resync_changes_none(waiting: Path, tmp_path: Path) -> None:
    as_delivery(waiting)
    store = open_store(waiting)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    store.backup(elsewhere / "gateway.db")
    before = [*store.delivery.cards(), *store.delivery.all_card_keys(), *store.delivery.jobs(device_id(100))]
    store.close()
    copy = open_store(elsewhere, accept_rollback=True)
    copy.resync(advance=1000, demand_new_keys=False)
    assert [
        *copy.delivery.cards(),
        *copy.delivery.all_card_keys(),
        *copy.delivery.jobs(device_id(100)),
    ] == before
    assert copy.delivery.load_file(application(FIRST).digest)
    assert copy.check() == []
    published(copy, SECOND._replace(patch=9))
    copy.close()
