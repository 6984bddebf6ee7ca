"""Messages on their way out: one prompt, one body, one truth about what became of it."""

from __future__ import annotations

from collections import deque

import pytest

from tests.radio.modem.paper_modem import TPDU, Desk, PaperModem, ready
from tsm_gateway.messages import Fate
from tsm_gateway.radio.modem.faults import CommandInvalid
from tsm_gateway.radio.modem.options import Timing

SUBMIT = bytes.fromhex("4100049194710000040B0608040001020141424344")


def sender(modem: PaperModem, key="k", **options) -> Desk:
    desk = ready(modem, **options)
    assert desk.engine.submit(key, SUBMIT, desk.now)
    return desk.pump()


def submissions(modem: PaperModem) -> int:
    return sum("CMGS" in line for line in modem.lines)


def test_body_and_its_end_are_one_write_and_nothing_is_between():
    desk = sender(PaperModem())
    at = desk.writes.index(f"AT+CMGS={len(SUBMIT)}\r".encode())
    assert desk.writes[at + 1] == b"00" + SUBMIT.hex().upper().encode() + b"\x1a"


@pytest.mark.parametrize(
    ("final", "fate", "status"),
    [
        ("+CMS ERROR: 21", Fate.PERMANENT, 21),
        ("+CMS ERROR: 28", Fate.PERMANENT, 28),
        ("+CMS ERROR: 38", Fate.TEMPORARY, 38),
        ("+CMS ERROR: 304", Fate.PERMANENT, 304),
        ("+CMS ERROR: 331", Fate.TEMPORARY, 331),
        ("+CMS ERROR: 332", Fate.UNKNOWN, 332),
        ("+CMS ERROR: 500", Fate.UNKNOWN, 500),
        ("+CME ERROR: 30", Fate.TEMPORARY, 30),
        ("ERROR", Fate.TEMPORARY, 0),
    ],
)
def test_every_refusal_has_its_fate_and_is_not_repeated(final, fate, status):
    modem = PaperModem()
    modem.on_body = lambda _body: final
    desk = sender(modem).wait(30)
    assert [(sent.fate, sent.status) for sent in desk.sent] == [(fate, status)]
    assert submissions(modem) == 1


@pytest.mark.parametrize(
    "final", ["+CMS ERROR: 515", "+CME ERROR: 14", "+CMS ERROR: 314", "+CME ERROR: SIM busy"]
)
def test_a_busy_modem_is_asked_again_after_a_pause(final):
    modem = PaperModem()
    results = deque([final, final, "+CMGS: 7\r\n\r\nOK"])
    modem.on_body = lambda _body: results.popleft()
    desk = sender(modem)
    assert submissions(modem) == 1
    assert submissions(desk.wait(2).modem) == 2
    desk.wait(3.9)
    assert not desk.sent
    desk.wait(0.2)
    assert [(sent.fate, sent.reference) for sent in desk.sent] == [(Fate.ACCEPTED, 7)]
    assert desk.engine.counters.send_retries == 2


def test_a_refusal_at_the_prompt_is_no_doubt():
    modem = PaperModem()
    modem.answers[f"AT+CMGS={len(SUBMIT)}"] = "+CMS ERROR: 500"
    assert [sent.fate for sent in sender(modem).sent] == [Fate.TEMPORARY]


def test_a_prompt_that_never_comes_is_left_and_nothing_was_sent():
    modem = PaperModem()
    modem.prompt = ""
    desk = sender(modem).wait(15)
    assert [sent.fate for sent in desk.sent] == [Fate.NOT_SENT]
    assert modem.prompted is None  # by ESC
    assert not modem.sent


def test_a_prompt_that_is_late_is_left_and_no_body_follows():
    modem = PaperModem()
    modem.prompt = ""
    desk = sender(modem).wait(10.1)
    desk.hear("\r\n> ").wait(15)
    assert not modem.sent
    assert not [octets for octets in desk.writes if b"\x1a" in octets]
    assert desk.engine.health.state == "ready"


def test_no_result_at_all_is_unknown_and_never_sent_again():
    modem = PaperModem()
    modem.on_body = lambda _body: ""
    desk = sender(modem).wait(119)
    assert not desk.sent
    desk.wait(600)
    assert [sent.fate for sent in desk.sent] == [Fate.UNKNOWN]
    assert submissions(modem) == 1
    assert desk.event("modem.send_unknown")
    assert "modem.recovering" not in desk.names()


def test_a_result_that_is_late_still_tells_that_it_went_out():
    modem = PaperModem()
    modem.on_body = lambda _body: ""
    desk = sender(modem).wait(120)
    desk.hear("\r\n+CMGS: 9\r\n\r\nOK\r\n").wait(5)
    assert [(sent.fate, sent.reference) for sent in desk.sent] == [(Fate.ACCEPTED, 9)]


def test_ok_without_a_reference_may_belong_to_something_else():
    modem = PaperModem()
    modem.on_body = lambda _body: "OK"
    assert [sent.fate for sent in sender(modem).wait(5).sent] == [Fate.UNKNOWN]


def test_messages_go_one_by_one_in_order_and_the_queue_is_bounded():
    modem = PaperModem()
    modem.on_body = lambda _body: ""
    desk = sender(modem, key=0, queue=3)
    assert [desk.engine.submit(key, SUBMIT, desk.now) for key in (1, 2, 3)] == [True, True, False]
    modem.on_body = lambda _body: "+CMGS: 1\r\n\r\nOK"
    desk.hear("\r\n+CMGS: 0\r\n\r\nOK\r\n").wait(1)
    assert [sent.key for sent in desk.sent] == [0, 1, 2]


def test_sending_and_sweeping_take_turns():
    modem = PaperModem()
    desk = ready(modem)
    modem.on_line = lambda line: line == "AT+CMGL=4" and modem.store(TPDU)
    modem.on_body = lambda _body: '+CMGS: 1\r\n\r\n+CMTI: "SM",1\r\n\r\nOK'
    for key in range(5):
        desk.engine.submit(key, SUBMIT, desk.now)
    desk.pump()
    order = [line[:7] for line in modem.lines if line[:7] in ("AT+CMGS", "AT+CMGL")][2:]
    assert order[:9] == ["AT+CMGS", *["AT+CMGL", "AT+CMGL", "AT+CMGS"] * 2, "AT+CMGL", "AT+CMGL"]
    assert len(desk.sent) == 5


@pytest.mark.parametrize("size", [0, 176])
def test_what_is_no_tpdu_is_refused_at_once(size):
    desk = ready()
    with pytest.raises(CommandInvalid):
        desk.engine.submit("k", bytes(size), desk.now)
    assert desk.engine.room == 64


def test_a_modem_that_is_not_ready_takes_nothing():
    desk = Desk()
    assert not desk.engine.submit("k", SUBMIT, desk.now)
    assert desk.engine.room == 0


def test_three_messages_without_a_result_are_the_modem_s_doing():
    modem = PaperModem()
    modem.on_body = lambda _body: ""
    desk = sender(modem).wait(125)
    for key in (1, 2):
        assert desk.names().count("modem.recovering") == 0
        desk.engine.submit(key, SUBMIT, desk.now)
        desk.pump().wait(125)
    assert desk.event("modem.recovering").fields["reason"] == "mute"
    assert desk.engine.health.state == "ready"


def test_two_messages_without_a_result_are_the_network_s_doing():
    modem = PaperModem()
    modem.on_body = lambda _body: ""
    desk = sender(modem, timing=Timing(poll_s=900, poll_busy_s=900, look_s=900, verify_s=900))
    assert desk.engine.submit("next", SUBMIT, desk.now)
    desk.pump().wait(300)
    assert [sent.fate for sent in desk.sent] == [Fate.UNKNOWN, Fate.UNKNOWN]
    assert "modem.recovering" not in desk.names()


def test_a_result_ahead_of_the_answer_to_the_marker_counts_too():
    modem = PaperModem()
    modem.on_body = lambda _body: ""
    desk = sender(modem)
    modem.answers["AT"] = ""  # it says nothing until the network answers
    desk.wait(121)
    assert modem.lines[-1] == "AT"
    desk.hear("\r\n+CMGS: 9\r\n\r\nOK\r\n\r\nOK\r\n").wait(1)
    assert [(sent.fate, sent.reference) for sent in desk.sent] == [(Fate.ACCEPTED, 9)]


def test_a_message_that_is_tried_again_keeps_its_place():
    modem = PaperModem()
    modem.on_body = lambda _body: ""
    desk = sender(modem, key=0)
    assert desk.engine.submit(1, SUBMIT, desk.now)
    modem.on_body = lambda _body: "+CMGS: 1\r\n\r\nOK"
    desk.hear("\r\n+CMS ERROR: 515\r\n").wait(5)
    assert [sent.key for sent in desk.sent] == [0, 1]


def test_a_modem_that_announces_messages_without_end_sends_all_the_same():
    modem = PaperModem()
    desk = ready(modem)
    modem.answers["AT+CMGL=4"] = deque(['+CMTI: "SM",1\r\n\r\nOK'] * 20)
    modem.on_body = lambda _body: '+CMTI: "SM",1\r\n\r\n+CMGS: 1\r\n\r\nOK'
    desk.engine.submit("k", SUBMIT, desk.now)
    desk.engine.submit("l", SUBMIT, desk.now)
    desk.pump()
    order = [line[:7] for line in modem.lines if line[:7] in ("AT+CMGS", "AT+CMGL")][2:]
    assert order.index("AT+CMGS") == 0
    assert order[1:].index("AT+CMGS") == 2
