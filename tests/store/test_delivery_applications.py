"""Applications are published, signed, retired and assigned."""

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
    job_id,
    load_file,
    loading,
    published,
    ready,
    rule,
    signature,
    state_on,
)
from tests.store.provisioning_samples import last_act
from tests.store.samples import NOW, device_id
from tsm_gateway.registry.application import ApplicationState, InstallState, Scope, Version
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed, NotKnown

if TYPE_CHECKING:
    from tsm_gateway.store.sqlite_store import SqliteStore

LATER = NOW + 50


def facts_of_last(store: SqliteStore) -> dict[str, str]:
    return dict(store.provisioning.audit(after=store.provisioning.audit_head()[0] - 1)[-1].entry.facts)


# --- publish ---


def test_what_is_published_is_found_by_version_and_by_digest(store: SqliteStore) -> None:
    published(store)
    assert store.delivery.application("pay", FIRST) == application()
    assert store.delivery.by_digest(digest()) == application()
    assert store.delivery.load_file(digest()) == load_file()
    assert store.delivery.signatures(digest()) == [signature()]
    assert last_act(store) == ("application.publish", "pay", "")
    assert facts_of_last(store) == {
        "version": "1.0.0",
        "digest": digest().hex(),
        "size": str(len(load_file())),
        "key": signature().key_id.hex(),
    }


def test_what_was_not_published_is_not_there(store: SqliteStore) -> None:
    assert store.delivery.applications() == []
    assert store.delivery.application("pay", FIRST) is None
    assert store.delivery.by_digest(digest()) is None
    assert store.delivery.signatures(digest()) == []
    with pytest.raises(NotKnown):
        store.delivery.load_file(digest())


def test_versions_are_ordered_as_numbers_are(store: SqliteStore) -> None:
    published(store, Version(1, 9, 0), Version(1, 10, 0), Version(0, 99, 99))
    published(store, Version(2, 0, 0), name="loyalty")
    named = [(each.name, str(each.version)) for each in store.delivery.applications()]
    assert named == [("loyalty", "2.0.0"), ("pay", "1.10.0"), ("pay", "1.9.0"), ("pay", "0.99.99")]


def test_a_version_is_published_once(store: SqliteStore) -> None:
    published(store)
    other = application(SECOND)._replace(version=FIRST)
    with pytest.raises(AlreadyKnown) as caught:
        store.delivery.publish(other, load_file(SECOND), signature(SECOND), at=NOW)
    assert caught.value.facts["what"] == "application"
    with pytest.raises(NotKnown):
        store.delivery.load_file(digest(SECOND))


def test_a_load_file_is_published_as_one_version(store: SqliteStore) -> None:
    published(store)
    with pytest.raises(AlreadyKnown) as caught:
        store.delivery.publish(
            application(version=FIRST)._replace(version=SECOND), load_file(), signature(), at=1
        )
    assert caught.value.facts["what"] == "load file"


@pytest.mark.parametrize(
    "wrong",
    [
        (application(), load_file(SECOND), signature()),
        (application(size=1), load_file(), signature()),
        (application(), load_file(), signature(SECOND)),
    ],
    ids=["octets", "size", "signature"],
)
def test_records_of_different_load_files_are_refused(store: SqliteStore, wrong: tuple) -> None:
    with pytest.raises(ValueError, match="different things"):
        store.delivery.publish(*wrong, at=NOW)
    assert store.delivery.applications() == []


# --- sign ---


def test_another_key_signs_beside_the_first_and_the_newest_is_first(store: SqliteStore) -> None:
    published(store)
    later = signature(key_id=b"signer-2", signed_at=LATER)
    store.delivery.sign(later)
    store.flush()
    assert store.delivery.signatures(digest()) == [later, signature()]
    assert last_act(store) == ("application.sign", "pay", "")


def test_the_same_key_signs_in_place_of_its_first_signature(store: SqliteStore) -> None:
    published(store)
    again = signature(signature=b"\x02" * 64, signed_at=LATER)
    store.delivery.sign(again)
    store.flush()
    assert store.delivery.signatures(digest()) == [again]


def test_nobody_signs_what_was_not_published(store: SqliteStore) -> None:
    with pytest.raises(NotKnown):
        store.delivery.sign(signature())


# --- retire ---


def test_a_retired_version_stays_on_record_and_is_told(store: SqliteStore) -> None:
    published(store)
    retired = store.delivery.retire("pay", FIRST, reason="a hole", at=LATER)
    store.flush()
    assert store.delivery.application("pay", FIRST) == retired == application(state=ApplicationState.RETIRED)
    assert store.delivery.load_file(digest()) == load_file()
    assert last_act(store) == ("application.retire", "pay", "a hole")
    with pytest.raises(MoveNotAllowed) as caught:
        store.delivery.retire("pay", FIRST, reason="", at=LATER)
    assert caught.value.facts["state"] == "retired already"


def test_what_is_not_known_cannot_be_retired(store: SqliteStore) -> None:
    published(store)
    with pytest.raises(NotKnown):
        store.delivery.retire("pay", SECOND, reason="", at=NOW)


def test_a_retired_version_is_assigned_to_nobody(store: SqliteStore) -> None:
    ready(store)
    store.delivery.retire("pay", FIRST, reason="", at=NOW)
    store.flush()
    with pytest.raises(MoveNotAllowed):
        store.delivery.assign(rule(version=FIRST), reason="")
    with pytest.raises(MoveNotAllowed):
        store.delivery.queue([], [assigned()], at=NOW)
    store.delivery.assign(rule(version=FIRST, wanted=False), reason="not on any device")
    store.delivery.assign(rule(scope=Scope.DEVICE, subject=device_id(10)), reason="the newest")
    store.flush()
    assert len(store.delivery.rules()) == 2


# --- rules ---


def test_a_device_comes_under_its_own_rules_its_issuers_and_everybodys(store: SqliteStore) -> None:
    ready(store)
    mine = rule(scope=Scope.DEVICE, subject=device_id(10), version=FIRST)
    issuers = rule(scope=Scope.ISSUER, subject="issuer-a", version=SECOND)
    others = [
        rule(scope=Scope.DEVICE, subject=device_id(1)),
        rule(scope=Scope.ISSUER, subject="issuer-b", wanted=False),
    ]
    for each in (mine, issuers, rule(), *others):
        store.delivery.assign(each, reason="because")
    store.flush()
    assert set(store.delivery.rules_for(device_id(10), "issuer-a")) == {mine, issuers, rule()}
    assert set(store.delivery.rules()) == {mine, issuers, rule(), *others}
    assert last_act(store) == ("application.assign", "pay", "because")
    assert facts_of_last(store) == {
        "scope": "issuer",
        "whom": "issuer-b",
        "version": "newest",
        "wanted": "no",
    }


def test_a_later_rule_replaces_the_one_for_the_same_devices(store: SqliteStore) -> None:
    published(store, FIRST, SECOND)
    store.delivery.assign(rule(version=FIRST), reason="")
    later = rule(version=SECOND, made_at=LATER)
    store.delivery.assign(later, reason="")
    store.flush()
    assert store.delivery.rules() == [later]


def test_a_rule_that_is_taken_back_is_gone(store: SqliteStore) -> None:
    published(store)
    store.delivery.assign(rule(), reason="")
    store.delivery.unassign("pay", Scope.ALL, "", reason="enough", at=LATER)
    store.flush()
    assert store.delivery.rules() == []
    assert last_act(store) == ("application.unassign", "pay", "enough")
    with pytest.raises(NotKnown):
        store.delivery.unassign("pay", Scope.ALL, "", reason="", at=LATER)


@pytest.mark.parametrize(
    "wrong",
    [
        rule(application="unheard-of"),
        rule(version=Version(9, 9, 9)),
        rule(scope=Scope.DEVICE, subject="d:ffffffffffffffff"),
    ],
    ids=["name", "version", "device"],
)
def test_a_rule_about_what_is_not_known_is_refused(store: SqliteStore, wrong: object) -> None:
    published(store)
    with pytest.raises(NotKnown):
        store.delivery.assign(wrong, reason="")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [rule(subject="d:1"), rule(scope=Scope.ISSUER)], ids=["all", "issuer"])
def test_a_rule_names_whom_its_scope_means(store: SqliteStore, wrong: object) -> None:
    published(store)
    with pytest.raises(ValueError, match="different things"):
        store.delivery.assign(wrong, reason="")  # type: ignore[arg-type]


def test_nothing_is_assigned_to_a_terminated_device(store: SqliteStore) -> None:
    published(store)
    store.provisioning.terminate(device_id(1), reason="", at=NOW)
    store.flush()
    with pytest.raises(MoveNotAllowed):
        store.delivery.assign(rule(scope=Scope.DEVICE, subject=device_id(1)), reason="")


# --- on devices ---


def test_a_failed_application_is_tried_again_when_an_operator_says_so(store: SqliteStore) -> None:
    ready(store)
    loading(store)
    store.delivery.fail(job_id(10), reason="no memory", at=NOW)
    store.flush()
    assert state_on(store) is InstallState.FAILED
    again = store.delivery.retry(device_id(10), "pay", reason="bigger card", at=LATER)
    store.flush()
    assert store.delivery.on_device(device_id(10)) == [again]
    assert (again.state, again.reason, again.changed_at) == (InstallState.ASSIGNED, "bigger card", LATER)
    assert last_act(store) == ("application.retry", device_id(10), "bigger card")
    with pytest.raises(MoveNotAllowed):
        store.delivery.retry(device_id(10), "pay", reason="", at=LATER)
    with pytest.raises(NotKnown):
        store.delivery.retry(device_id(10), "loyalty", reason="", at=LATER)


def test_installed_applications_of_live_devices_are_counted(store: SqliteStore) -> None:
    for number in (10, 11, 12, 13):
        ready(store, number)
    delivered(store, 10)
    delivered(store, 11, version=SECOND)
    delivered(store, 12)
    loading(store, 13)
    assert store.delivery.installed_counts() == {("pay", "1.0.0"): 2, ("pay", "1.2.0"): 1}
    assert store.delivery.standing_counts() == {
        ("pay", "1.0.0", InstallState.INSTALLED): 2,
        ("pay", "1.2.0", InstallState.INSTALLED): 1,
        ("pay", "1.0.0", InstallState.LOADING): 1,
    }
    store.provisioning.terminate(device_id(12), reason="", at=NOW)
    store.flush()
    assert store.delivery.installed_counts() == {("pay", "1.0.0"): 1, ("pay", "1.2.0"): 1}
    assert store.delivery.standing_counts()["pay", "1.0.0", InstallState.INSTALLED] == 1
