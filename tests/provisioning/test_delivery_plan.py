"""From rules to jobs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.provisioning.delivery_plan import PlannedJob, Wish, jobs_for, obsolete, wanted
from tsm_gateway.registry.application import (
    Application,
    ApplicationState,
    DeviceApplication,
    InstallState,
    Rule,
    Scope,
    Version,
)
from tsm_gateway.registry.card import CardKeySet, CardKeyState
from tsm_gateway.registry.job import Job, JobKind, JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

DEVICE, ISSUER = "d:0000000000000001", "issuer"
V1, V2, V3 = Version(1, 0, 0), Version(1, 10, 0), Version(2, 0, 0)
OURS = (CardKeySet(b"\x5e" * 16, 0x31, CardKeyState.CURRENT, b"w", 1, 0),)


def digest(name: str, version: Version) -> bytes:
    return hashlib.sha256(f"{name} {version}".encode()).digest()


def application(
    name: str = "pay", version: Version = V1, *, retired: bool = False, at: int = 0
) -> Application:
    state = ApplicationState.RETIRED if retired else ApplicationState.PUBLISHED
    aid = b"\xa0" * 6
    return Application(name, version, digest(name, version), "", aid, (1, 0), (aid,), "3.0.5", 9, state, at)


def rule(
    scope: Scope = Scope.ALL,
    subject: str = "",
    version: Version | None = None,
    *,
    name: str = "pay",
    wanted: bool = True,
    at: int = 10,
) -> Rule:
    return Rule(name, scope, subject, version, wanted, at)


def there(
    version: Version = V1, state: InstallState = InstallState.INSTALLED, *, name: str = "pay", at: int = 5
) -> DeviceApplication:
    return DeviceApplication(DEVICE, name, version, digest(name, version), state, at, "")


def job(kind: JobKind, version: Version = V1, state: JobState = JobState.QUEUED, *, name: str = "pay") -> Job:
    return Job(b"\x00" * 8, DEVICE, kind, name, digest(name, version), state, 0, (0, 0), 0, 0, 0, "")


def version_wanted(rules: Sequence[Rule], *applications: Application) -> Version | None:
    wish = wanted(rules, DEVICE, ISSUER, applications).get("pay")
    return wish.application.version if wish and wish.application else None


def planned(
    rules: Sequence[Rule],
    applications: Sequence[Application],
    on_device: Sequence[DeviceApplication] = (),
    jobs: Sequence[Job] = (),
    keys: Sequence[CardKeySet] = OURS,
) -> list[tuple[JobKind, str, Version | None]]:
    wishes = wanted(rules, DEVICE, ISSUER, applications)
    return [(each.kind, each.application, each.version) for each in jobs_for(wishes, on_device, keys, jobs)]


def test_the_highest_published_version_is_the_newest_by_number_and_not_by_text() -> None:
    low, high = application(version=Version(1, 9, 0)), application(version=V2)
    assert version_wanted([rule()], high, low) == V2


def test_a_retired_version_is_never_wanted() -> None:
    assert version_wanted([rule()], application(version=V2, retired=True), application(version=V1)) == V1
    assert version_wanted([rule(version=V2)], application(version=V2, retired=True)) is None
    assert wanted([rule(version=V2)], DEVICE, ISSUER, [application(version=V2, retired=True)]) == {}


def test_the_most_specific_rule_decides_whenever_it_was_made() -> None:
    rules = [
        rule(version=V3, at=99),
        rule(Scope.ISSUER, ISSUER, V2, at=50),
        rule(Scope.DEVICE, DEVICE, V1, at=1),
    ]
    published = [application(version=version) for version in (V1, V2, V3)]
    assert version_wanted(rules, *published) == V1
    assert version_wanted(rules[:2], *published) == V2
    assert version_wanted(rules[:1], *published) == V3


def test_rules_for_others_do_not_count() -> None:
    rules = [rule(Scope.DEVICE, "d:0000000000000002"), rule(Scope.ISSUER, "another")]
    assert wanted(rules, DEVICE, ISSUER, [application()]) == {}
    assert wanted([rule(Scope.ISSUER, "")], DEVICE, "", [application()]) == {}


def test_a_device_is_kept_from_what_all_others_get() -> None:
    rules = [rule(), rule(Scope.DEVICE, DEVICE, wanted=False)]
    assert planned(rules, [application()]) == []
    assert planned(rules, [application()], [there()]) == [(JobKind.REMOVE, "pay", V1)]


def test_what_no_rule_is_about_is_left_alone() -> None:
    assert planned([], [application()], [there()]) == []


def test_an_application_is_installed_once() -> None:
    assert planned([rule()], [application()]) == [(JobKind.INSTALL, "pay", V1)]
    assert planned([rule()], [application()], [there(state=InstallState.REMOVED)]) == [
        (JobKind.INSTALL, "pay", V1)
    ]
    assert planned([rule()], [application()], [there()]) == []
    assert planned([rule()], [application()], jobs=[job(JobKind.INSTALL)]) == []
    assert planned([rule()], [application()], jobs=[job(JobKind.INSTALL, state=JobState.ACTIVE)]) == []


@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED, JobState.CANCELLED])
def test_a_job_that_is_over_holds_nothing_up(state: JobState) -> None:
    jobs = [job(JobKind.INSTALL, state=state)]
    assert planned([rule()], [application()], jobs=jobs) == [(JobKind.INSTALL, "pay", V1)]
    assert obsolete({}, [], jobs) == ()


def test_the_newest_version_comes_by_itself_and_never_a_lower_one() -> None:
    both = [application(version=V1), application(version=V2)]
    assert planned([rule()], both, [there(V1)]) == [(JobKind.INSTALL, "pay", V2)]
    fallen = [application(version=V1), application(version=V2, retired=True)]
    assert planned([rule()], fallen, [there(V2)]) == []


def test_a_version_that_is_named_comes_even_if_it_is_lower() -> None:
    both = [application(version=V1), application(version=V2)]
    assert planned([rule(version=V1)], both, [there(V2)]) == [(JobKind.INSTALL, "pay", V1)]


def test_what_failed_waits_for_a_new_rule_or_another_version() -> None:
    failed = [there(V1, InstallState.FAILED, at=20)]
    assert planned([rule(at=10)], [application()], failed) == []
    assert planned([rule(at=20)], [application()], failed) == []
    assert planned([rule(at=21)], [application()], failed) == [(JobKind.INSTALL, "pay", V1)]
    assert planned([rule(at=10)], [application(version=V2)], failed) == [(JobKind.INSTALL, "pay", V2)]
    assert planned([rule(wanted=False, at=10)], [], failed) == []
    assert planned([rule(wanted=False, at=21)], [], failed) == [(JobKind.REMOVE, "pay", V1)]


def test_what_was_cut_is_planned_again() -> None:
    for state in (InstallState.ASSIGNED, InstallState.LOADING):
        assert planned([rule()], [application()], [there(state=state)]) == [(JobKind.INSTALL, "pay", V1)]


def test_a_job_for_what_is_no_longer_wanted_is_obsolete_and_makes_way() -> None:
    both = [application(version=V1), application(version=V2)]
    old = job(JobKind.INSTALL, V1)
    wishes = wanted([rule()], DEVICE, ISSUER, both)
    assert obsolete(wishes, [], [old, job(JobKind.INSTALL, V2)]) == (old,)
    assert planned([rule()], both, jobs=[old]) == [(JobKind.INSTALL, "pay", V2)]


def test_removing_is_obsolete_once_the_application_is_wanted_again() -> None:
    wishes = wanted([rule()], DEVICE, ISSUER, [application()])
    assert len(obsolete(wishes, [there()], [job(JobKind.REMOVE)])) == 1
    assert obsolete({"pay": Wish(None, exact=True, made_at=1)}, [there()], [job(JobKind.REMOVE)]) == ()


def test_jobs_on_the_card_itself_are_never_obsolete() -> None:
    others = [job(kind, name="") for kind in (JobKind.RENEW_KEYS, JobKind.INVENTORY)]
    assert obsolete({}, [], others) == ()


def test_a_version_that_is_retired_while_it_is_loaded_makes_way_for_the_newest_that_is_left() -> None:
    retired, left = application(version=V2, retired=True), application(version=V1)
    for state in (InstallState.ASSIGNED, InstallState.LOADING, InstallState.FAILED):
        assert planned([rule()], [retired, left], [there(V2, state)]) == [(JobKind.INSTALL, "pay", V1)]
    assert planned([rule()], [retired, left], [there(V2)]) == [], "nothing is set back that is installed"


@pytest.mark.parametrize("rules", [[], [rule()], [rule(version=V1)]], ids=["none", "newest", "exact"])
def test_what_is_half_there_and_wanted_by_nobody_is_removed(rules: list[Rule]) -> None:
    retired, half = [application(version=V1, retired=True)], there(state=InstallState.LOADING)
    assert planned(rules, retired, [half]) == [(JobKind.REMOVE, "pay", V1)]
    removal = job(JobKind.REMOVE)
    wishes = wanted(rules, DEVICE, ISSUER, retired)
    assert obsolete(wishes, [half], [removal]) == ()
    assert planned(rules, retired, [half], [removal]) == []
    for state in set(InstallState) - {InstallState.LOADING}:
        assert planned(rules, retired, [there(state=state)]) == [], "it is not there, or whole"


def test_parameters_are_for_what_is_installed_and_stays() -> None:
    both, order = [application(version=V1), application(version=V2)], [job(JobKind.PERSONALISE, V1)]
    stays, goes, comes = ({"pay": Wish(each, exact=True, made_at=9)} for each in (both[0], None, both[1]))
    assert obsolete({}, [there(V1)], order) == obsolete(stays, [there(V1)], order) == ()
    assert obsolete(goes, [there(V1)], order) == obsolete(comes, [there(V1)], order) == tuple(order)
    assert obsolete({}, [there(V2)], order) == obsolete({}, [], order) == tuple(order)
    assert obsolete({}, [there(V1, InstallState.ASSIGNED)], order) == tuple(order)


@pytest.mark.parametrize(
    ("states", "renews"),
    [
        ((), False),
        ((CardKeyState.TRANSPORT,), True),
        ((CardKeyState.PENDING, CardKeyState.TRANSPORT), True),
        ((CardKeyState.CURRENT, CardKeyState.RETIRED), False),
        ((CardKeyState.PENDING, CardKeyState.CURRENT), False),
        ((CardKeyState.RETIRED,), False),
    ],
)
def test_an_issuers_keys_are_renewed_first(states: tuple[CardKeyState, ...], renews: bool) -> None:
    keys = [OURS[0]._replace(state=state) for state in states]
    jobs = planned([rule()], [application()], keys=keys)
    assert jobs == [*([(JobKind.RENEW_KEYS, "", None)] if renews else []), (JobKind.INSTALL, "pay", V1)]
    again = planned([rule()], [application()], keys=keys, jobs=[job(JobKind.RENEW_KEYS, name="")])
    assert again == [(JobKind.INSTALL, "pay", V1)]


def test_what_goes_makes_room_before_what_comes_the_oldest_ahead() -> None:
    rules = [rule(name=name) for name in ("new", "old")] + [rule(name="zed", wanted=False)]
    published = [application("new", at=200), application("old", at=100)]
    assert planned(rules, published, [there(name="zed")]) == [
        (JobKind.REMOVE, "zed", V1),
        (JobKind.INSTALL, "old", V1),
        (JobKind.INSTALL, "new", V1),
    ]


NAMES = st.sampled_from(["pay", "loyalty", "ticket"])
VERSIONS = st.sampled_from([V1, V2, V3])
TIMES = st.integers(0, 5)
RULES = st.lists(
    st.builds(
        lambda name, whom, version, wanted, at: Rule(name, whom[0], whom[1], version, wanted, at),
        NAMES,
        st.sampled_from(
            [(Scope.ALL, ""), (Scope.ISSUER, ISSUER), (Scope.DEVICE, DEVICE), (Scope.DEVICE, "d:2")]
        ),
        st.none() | VERSIONS,
        st.booleans(),
        TIMES,
    ),
    max_size=6,
)
PUBLISHED = st.lists(
    st.builds(
        lambda name, version, retired: application(name, version, retired=retired),
        NAMES,
        VERSIONS,
        st.booleans(),
    ),
    max_size=8,
    unique_by=lambda each: (each.name, each.version),
)
ON_DEVICE = st.lists(
    st.builds(
        lambda name, version, state, at: there(version, state, name=name, at=at),
        NAMES,
        VERSIONS,
        st.sampled_from(InstallState),
        TIMES,
    ),
    max_size=3,
    unique_by=lambda each: each.application,
)
JOBS = st.lists(
    st.builds(
        lambda kind, version, state, name: job(kind, version, state, name=name),
        st.sampled_from(JobKind),
        VERSIONS,
        st.sampled_from(JobState),
        NAMES,
    ),
    max_size=4,
)


def after(done: PlannedJob) -> DeviceApplication:
    assert done.version is not None
    state = InstallState.INSTALLED if done.kind is JobKind.INSTALL else InstallState.REMOVED
    return there(done.version, state, name=done.application, at=6)


@given(RULES, PUBLISHED, ON_DEVICE, JOBS, st.randoms())
def test_a_plan_is_settled_by_what_is_known_and_by_no_order_of_it(
    rules: list[Rule],
    published: list[Application],
    on_device: list[DeviceApplication],
    jobs: list[Job],
    chance: st.DataObject,
) -> None:
    wishes = wanted(rules, DEVICE, ISSUER, published)
    plan = jobs_for(wishes, on_device, OURS, jobs)
    for sequence in (rules, published, on_device, jobs):
        chance.shuffle(sequence)  # type: ignore[attr-defined]
    assert jobs_for(wanted(rules, DEVICE, ISSUER, published), on_device, OURS, jobs) == plan


@given(RULES, PUBLISHED, ON_DEVICE, JOBS)
def test_plans_come_to_rest_and_never_load_what_is_retired(
    rules: list[Rule], published: list[Application], on_device: list[DeviceApplication], jobs: list[Job]
) -> None:
    wishes = wanted(rules, DEVICE, ISSUER, published)
    plan = jobs_for(wishes, on_device, OURS, jobs)
    loadable = {each.digest for each in published if each.state is ApplicationState.PUBLISHED}
    assert all(each.digest in loadable for each in plan if each.kind is JobKind.INSTALL)
    names = [each.application for each in plan]
    assert len(set(names)) == len(names)
    kept = [
        each
        for each in jobs
        if each not in obsolete(wishes, on_device, jobs) and each.state in {JobState.QUEUED, JobState.ACTIVE}
    ]
    assert not {each.application for each in kept if each.kind in {JobKind.INSTALL, JobKind.REMOVE}} & set(
        names
    )
    held = {each.application: each for each in on_device} | {each.application: after(each) for each in plan}
    assert jobs_for(wishes, held.values(), OURS, kept) == ()


@given(RULES, PUBLISHED, ON_DEVICE)
def test_nothing_is_set_back_unless_a_rule_names_the_version(
    rules: list[Rule], published: list[Application], on_device: list[DeviceApplication]
) -> None:
    standing = {each.application: each for each in on_device if each.state is InstallState.INSTALLED}
    named = {(each.application, each.version) for each in rules if each.version}
    for each in jobs_for(wanted(rules, DEVICE, ISSUER, published), on_device, OURS, ()):
        if each.kind is JobKind.INSTALL and each.application in standing:
            up = each.version > standing[each.application].version  # type: ignore[operator]
            assert up or (each.application, each.version) in named
