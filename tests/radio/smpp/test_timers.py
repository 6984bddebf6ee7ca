from __future__ import annotations

import pytest

from tests.radio.smpp.peer import options_for
from tsm_gateway.radio.smpp.timers import GIVE_UP, Due, Timers


def timers(*, bound: bool = True, **changes: float) -> Timers:
    limits = {"enquire_s": 30, "answer_s": 10, "bind_s": 5, "pdu_read_s": 10, "stall_s": 20, "unbind_s": 3}
    options = options_for(**limits, **changes)
    return Timers(options, heard_at=100.0, active_at=100.0, bound=bound)


def test_a_silent_peer_is_asked_after_the_enquire_interval_and_not_before() -> None:
    clock = timers()
    assert clock.tick(129.9) is Due.NOTHING
    assert clock.tick(130.0) is Due.PROBE


def test_a_peer_that_talks_is_never_asked() -> None:
    clock = timers()
    for now in range(100, 500, 20):
        clock.heard(now, complete=True, partial=False)
        assert clock.tick(now + 19.9) is Due.NOTHING


def test_octets_that_make_no_whole_pdu_do_not_count_as_talking() -> None:
    clock = timers()
    clock.heard(129.0, complete=False, partial=True)
    assert clock.tick(130.0) is Due.PROBE


def test_an_unanswered_question_gives_the_link_up() -> None:
    clock = timers()
    clock.probed_at = 130.0
    assert clock.tick(139.9) is Due.NOTHING
    assert clock.tick(140.0) is Due.ANSWER_LATE


def test_only_one_question_is_out_at_a_time() -> None:
    clock = timers()
    clock.probed_at = 130.0
    assert clock.tick(135.0) is Due.NOTHING


def test_no_question_is_asked_before_the_bind_is_done() -> None:
    assert timers(bound=False).tick(1000.0) is Due.NOTHING


def test_a_bind_without_an_answer_is_given_up() -> None:
    clock = timers(bound=False)
    clock.binding_at = 100.0
    assert clock.tick(104.9) is Due.NOTHING
    assert clock.tick(105.0) is Due.BIND_LATE


def test_a_dribbled_pdu_is_given_up_counting_from_its_first_octet() -> None:
    clock = timers()
    for now in range(100, 110):
        clock.heard(now, complete=False, partial=True)
        assert clock.tick(now + 0.9) is Due.NOTHING
    clock.heard(110.0, complete=False, partial=True)
    assert clock.tick(110.0) is Due.PDU_LATE


def test_the_beginning_of_the_next_pdu_starts_its_own_timer() -> None:
    clock = timers()
    clock.heard(100.0, complete=False, partial=True)
    clock.heard(109.0, complete=True, partial=True)
    assert clock.tick(118.9) is Due.NOTHING
    assert clock.tick(119.0) is Due.PDU_LATE


def test_a_pdu_that_came_whole_leaves_no_timer_behind() -> None:
    clock = timers()
    clock.heard(100.0, complete=False, partial=True)
    clock.heard(101.0, complete=True, partial=False)
    assert clock.tick(115.0) is Due.NOTHING


def test_a_peer_that_does_not_read_is_given_up() -> None:
    clock = timers()
    clock.stalled_at = 100.0
    clock.paused(100.0)
    assert clock.tick(119.9) is Due.NOTHING
    assert clock.tick(120.0) is Due.STALLED


def test_an_unbind_without_an_answer_is_given_up_and_nobody_is_asked_meanwhile() -> None:
    clock = timers()
    clock.unbinding_at = 140.0
    assert clock.tick(142.9) is Due.NOTHING
    assert clock.tick(143.0) is Due.UNBIND_LATE


def test_a_link_without_messages_unbinds_where_that_is_wanted() -> None:
    clock = timers(inactivity_s=60)
    clock.heard(155.0, complete=True, partial=False)
    assert clock.tick(159.9) is Due.NOTHING
    assert clock.tick(160.0) is Due.UNBIND
    clock.message(160.0)
    assert clock.tick(160.0) is Due.NOTHING


@pytest.mark.parametrize("began", ["binding_at", "probed_at", "partial_at", "unbinding_at"])
def test_while_we_do_not_read_the_peer_cannot_be_late(began: str) -> None:
    clock = timers()
    setattr(clock, began, 101.0)
    clock.paused(101.5)
    assert clock.tick(500.0) is Due.NOTHING
    assert clock.resumed(500.0) == pytest.approx(398.5)
    assert clock.tick(500.0) is Due.NOTHING
    assert clock.tick(511.0) in GIVE_UP


def test_silence_is_not_counted_while_we_do_not_read() -> None:
    clock = timers()
    clock.paused(110.0)
    clock.paused(120.0)  # asking twice is asking once
    clock.resumed(310.0)
    assert clock.tick(329.9) is Due.NOTHING
    assert clock.tick(330.0) is Due.PROBE
    assert clock.resumed(330.0) == 0.0
