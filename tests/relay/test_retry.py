"""When a message is tried again."""

from __future__ import annotations

import pytest

from tsm_gateway.messages import Fate
from tsm_gateway.relay.retry import RetryPolicy, next_move
from tsm_gateway.relay.states import Move

POLICY = RetryPolicy(attempts=4, first_s=30, cap_s=3600)


@pytest.mark.parametrize(
    ("fate", "move"),
    [
        (Fate.BUSY, Move.DEFER),
        (Fate.TEMPORARY, Move.DEFER),
        (Fate.UNKNOWN, Move.DEFER),
        (Fate.PERMANENT, Move.GIVE_UP),
        (Fate.NOT_SENT, Move.RETURN),
    ],
)
def test_each_fate_has_its_move(fate, move):
    assert next_move(fate, 1, POLICY, 0.0).move is move


def test_the_delay_doubles_up_to_its_cap():
    policy = POLICY._replace(attempts=100)
    delays = [next_move(Fate.TEMPORARY, attempts, policy, 0.0).delay_s for attempts in range(1, 11)]
    assert delays == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_thousand_attempts_do_not_overflow_the_delay():
    assert next_move(Fate.TEMPORARY, 1000, POLICY._replace(attempts=2000), 0.0).delay_s == 3600


def test_jitter_spreads_by_at_most_a_quarter():
    assert next_move(Fate.TEMPORARY, 2, POLICY, 0.999).delay_s == 75


def test_the_last_attempt_gives_up():
    assert next_move(Fate.TEMPORARY, 4, POLICY, 0.0).move is Move.GIVE_UP


def test_an_unanswered_part_is_tried_again_soon_because_its_repetition_is_harmless():
    assert next_move(Fate.UNKNOWN, 1, POLICY, 0.0).delay_s == 1
    assert next_move(Fate.UNKNOWN, 3, POLICY, 0.0).delay_s == 4


def test_what_was_never_sent_costs_no_attempt():
    assert next_move(Fate.NOT_SENT, 99, POLICY, 0.0).move is Move.RETURN
