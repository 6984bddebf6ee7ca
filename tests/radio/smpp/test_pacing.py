from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.radio.smpp.pacing import BURST_S, SOONEST_S, Bucket, Throttle


def test_without_a_rate_everything_may_leave() -> None:
    bucket = Bucket(0, 5.0)
    assert bucket.room(5.0, 1000) == 1000
    bucket.take(1000)
    assert bucket.room(5.0, 1000) == 1000
    assert bucket.wait_s(5.0) == 0.0


def test_a_slow_rate_lets_one_part_leave_and_then_makes_it_wait() -> None:
    bucket = Bucket(2.0, 0.0)
    assert bucket.room(0.0, 50) == 1
    bucket.take(1)
    assert bucket.room(0.4, 50) == 0
    assert bucket.wait_s(0.4) == pytest.approx(0.1)
    assert bucket.room(0.5, 50) == 1


def test_an_idle_link_saves_up_a_tenth_of_a_second_and_no_more() -> None:
    bucket = Bucket(100.0, 0.0)
    assert bucket.room(3600.0, 50) == 10


def test_nobody_is_woken_more_often_than_makes_sense() -> None:
    bucket = Bucket(50_000.0, 0.0)
    bucket.take(bucket.room(0.0, 10_000))
    assert bucket.wait_s(0.0) == SOONEST_S


@given(
    rate=st.floats(0.5, 2000),
    steps=st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 200)), max_size=60),
)
def test_in_no_second_does_more_leave_than_the_rate_and_a_tenth(
    rate: float, steps: list[tuple[float, int]]
) -> None:
    bucket, now, left = Bucket(rate, 0.0), 0.0, list[tuple[float, int]]()
    for pause_s, wanted in steps:
        now += pause_s
        room = bucket.room(now, wanted)
        bucket.take(room)
        left.append((now, room))
    for since, _ in left:
        within = sum(parts for at, parts in left if since <= at < since + 1.0)
        assert within <= rate * 1.0 + max(1.0, rate * BURST_S) + 1e-6


def test_a_refusal_pauses_and_repeated_ones_pause_longer_up_to_the_cap() -> None:
    throttle, now, pauses = Throttle(10.0), 0.0, []
    for _ in range(6):
        pauses.append(throttle.refused(now, 1.0))
        now += throttle.wait_s(now)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_refusals_already_on_their_way_do_not_lengthen_the_pause() -> None:
    throttle = Throttle(30.0)
    assert throttle.refused(0.0, 1.0) == 1.0
    assert throttle.refused(0.5, 5.0) == 0.0
    assert throttle.wait_s(0.5) == 0.5
    assert throttle.wait_s(1.0) == 0.0


def test_the_cap_holds_for_the_first_pause_too() -> None:
    assert Throttle(0.2).refused(0.0, 5.0) == 0.2


def test_acceptance_shortens_the_next_pause_step_by_step() -> None:
    throttle = Throttle(30.0)
    throttle.refused(0.0, 1.0)
    throttle.refused(1.0, 1.0)
    throttle.refused(3.0, 1.0)  # 4 seconds, until 7
    throttle.accepted(7.1)  # too early to say
    throttle.accepted(11.0)  # 4 -> 2
    assert throttle.refused(11.5, 1.0) == 4.0
    now = 15.5
    for _ in range(10):
        now += 10.0
        throttle.accepted(now)
    assert throttle.wait_s(now) == 0.0
    assert throttle.refused(now, 1.0) == 1.0


def test_a_full_queue_pauses_for_longer_than_a_rate() -> None:
    throttle = Throttle(30.0)
    throttle.refused(0.0, 1.0)
    assert throttle.refused(1.0, 5.0) == 5.0
