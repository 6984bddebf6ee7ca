"""Connections cut at every kind of place, and many at once: one phone, one key, whatever happened before."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import repeat
from typing import TYPE_CHECKING

import pytest

from tests.faults.cutter import Cutter, Place, Way
from tests.faults.premises import HOST, Phone, Premises
from tsm_gateway.virtual.identity import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.cutter import Passed
    from tests.faults.zygote import Zygote

# Python's ssl forgets a socket whose peer resets it between connecting and the handshake.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")

THREADS, IN_STEP = 20, 8
WITHIN_RECORD = (0, 1, 4, 5, 6, 0.5, -1)  # its header, its first octets, its middle, ahead of its last


@pytest.fixture
def premises(tmp_path: Path, zygote: Zygote) -> Iterator[Premises]:
    with Premises(tmp_path, zygote) as made:
        made.start().ready()
        yield made


def places(passed: Passed) -> Iterator[Place]:
    """Every place within every TLS record of a whole enrolment, by RST and by FIN in turn."""
    abruptly = itertools.cycle([True, False])
    for way in Way:
        for first, end in passed.records(way):
            for each in WITHIN_RECORD:
                at = first + int((end - first) * each) if isinstance(each, float) else first + each
                yield Place(way, at if each >= 0 else end - 1, next(abruptly))
        yield Place(way, end, next(abruptly))


def cut_each(premises: Premises, cutter: Cutter, lot: list[Place]) -> list[Phone]:
    return [cut_phone(premises, cutter, place) for place in lot]


def cut_phone(premises: Premises, cutter: Cutter, place: Place | None) -> Phone:
    """A phone whose first connection is cut at `place`, and that completes all the same."""
    cutter.cut_next = place
    phone = premises.phone(port=cutter.port)
    phone.complete()
    return phone


@pytest.mark.timeout(120)
def test_an_enrolment_cut_behind_any_octet_completes_with_one_key(premises: Premises) -> None:
    with ExitStack() as stack:
        cutters = [stack.enter_context(Cutter(premises.port)) for _ in range(IN_STEP)]
        phones = [cut_phone(premises, cutters[0], None)]
        plan = list(places(cutters[0].calls[-1]))
        assert len(plan) > 80
        with ThreadPoolExecutor(IN_STEP) as pool:
            lots = [plan[at::IN_STEP] for at in range(IN_STEP)]
            for cut in pool.map(cut_each, repeat(premises), cutters, lots):
                phones += cut
    assert sum(cutter.cuts for cutter in cutters) > 0.9 * len(plan)  # the last octets may never come
    assert {heard.status for phone in phones for heard in phone.heard} <= {200, 409}
    assert premises.lives[-1].stop() == 0
    assert premises.problems(phones) == []


@pytest.mark.timeout(60)
def test_twenty_phones_at_once_get_twenty_different_keys(premises: Premises) -> None:
    phones = [premises.phone(kind) for _, kind in zip(range(THREADS), itertools.cycle(Kind), strict=False)]
    premises.lives[-1].stop()
    premises.configure(provisioning='hybrid = "offered"')
    premises.start().ready()
    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(Phone.enrol, phones)) == {"registered"}
    assert premises.problems(phones) == []


@pytest.mark.timeout(60)
def test_one_phone_over_twenty_connections_is_enrolled_once_and_has_one_key(premises: Premises) -> None:
    phone = premises.phone()
    phone.enrol_user()  # one element has one template; a crowd of them with one each changes it too often
    with ThreadPoolExecutor(THREADS) as pool:
        for each in [pool.submit(phone.complete) for _ in range(THREADS)]:
            each.result()
    packages = {heard.octets for heard in phone.heard if heard.path == "/v1/enrolment"}
    assert {heard.status for heard in phone.heard} <= {200, 409}
    assert packages
    with premises.opened() as store:
        actions = [each.entry.action for each in store.provisioning.audit() if each.entry.outcome == "done"]
    assert actions.count("device.enrol") == 1
    assert actions.count("key.deliver") == 1
    assert premises.problems([phone]) == []


@pytest.mark.timeout(60)
def test_two_agents_with_one_identity_get_one_package_and_only_one_registers_it(premises: Premises) -> None:
    first = premises.phone()
    clone = Phone(first.record, first.url)
    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(one.complete) for one in (first, clone)]:
            each.result()
    assert premises.lives[-1].stop() == 0
    assert premises.problems([first]) == []
    assert first.record.key.reveal() == clone.record.key.reveal()


def test_a_line_that_is_not_cut_is_the_control(premises: Premises) -> None:
    with Cutter(premises.port) as cutter:
        phone = premises.phone(port=cutter.port)
        assert phone.url == f"https://{HOST}:{cutter.port}"
        assert phone.enrol() == "registered"
        assert cutter.cuts == 0
