from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.radio.smpp.peer import (
    DELIVER,
)
from tsm_gateway.messages import Verdict
from tsm_gateway.radio.smpp.intake import HOLD_S, Intake


def test_reading_stops_at_the_limit_and_goes_on_at_half_of_it() -> None:
    intake = Intake(4, 5.0)
    for sequence in range(3):
        intake.take(sequence, DELIVER, 0.0)
    assert intake.reads(0.0)
    intake.take(3, DELIVER, 0.0)
    assert not intake.reads(0.0)
    intake.answered(0)
    assert not intake.reads(0.0)
    intake.answered(1)
    assert intake.reads(0.0)


def test_a_held_intake_first_stops_reading_and_then_refuses() -> None:
    intake = Intake(4, 5.0)
    intake.hold(10.0)
    intake.hold(11.0)  # asking twice is asking once
    assert not intake.reads(10.0 + HOLD_S - 0.1)
    assert intake.refusal(10.0 + HOLD_S - 0.1) is None
    assert intake.reads(10.0 + HOLD_S)
    assert intake.refusal(10.0 + HOLD_S) is Verdict.FULL
    intake.release()
    assert intake.refusal(10.0 + HOLD_S) is None


@given(st.lists(st.tuples(st.sampled_from(["take", "answer", "late"]), st.integers(0, 5)), max_size=50))
def test_a_request_is_answered_exactly_once_in_any_order(steps: list[tuple[str, int]]) -> None:
    """The relay answers what it was given once and in order; numbers are used again meanwhile."""
    intake, open_, now = Intake(100, 2.0), set[int](), 0.0
    owed: dict[int, int] = dict.fromkeys(range(6), 0)  # answers of the relay still to come
    for what, sequence in steps:
        now += 0.5
        if what == "take":
            taken = intake.take(sequence, DELIVER, now)
            assert taken is (sequence not in open_)
            owed[sequence] += taken
            open_.add(sequence)
        elif what == "answer":
            if not owed[sequence]:
                continue
            its_own = sequence in open_ and owed[sequence] == 1
            assert (intake.answered(sequence) == DELIVER) is its_own
            owed[sequence] -= 1
            if its_own:
                open_.discard(sequence)
        else:
            late = {unanswered.sequence for unanswered in intake.late(now)}
            assert late <= open_
            open_ -= late
        assert len(intake) == len(open_)
