from __future__ import annotations

from tsm_gateway.messages import PartId
from tsm_gateway.radio.smpp.window import LAST_SEQUENCE, Control, Window

PART = PartId(bytes(16), 1)


def test_sequence_numbers_wrap_from_the_last_to_one() -> None:
    window = Window(5, last=LAST_SEQUENCE - 1)
    assert [window.number() for _ in range(3)] == [LAST_SEQUENCE, 1, 2]


def test_a_number_still_waiting_is_not_given_out_again() -> None:
    window = Window(5, last=LAST_SEQUENCE)
    window.sent(1, PART, 10.0)
    window._last = LAST_SEQUENCE
    assert window.ask(Control.PROBE) == 2
    window._last = LAST_SEQUENCE
    assert window.number() == 3


def test_late_submissions_come_out_oldest_first_and_once() -> None:
    window = Window(5)
    for number in range(1, 4):
        window.sent(window.number(), PartId(bytes(16), number), float(number))
    assert [late.number for late in window.late(2.0)] == [1, 2]
    assert window.late(2.0) == []
    assert window.free() == 4


def test_deadlines_move_when_no_answer_could_be_read() -> None:
    window = Window(5)
    window.sent(window.number(), PART, 10.0)
    window.postpone(5.0)
    assert window.late(14.9) == []
    assert window.late(15.0) == [PART]
