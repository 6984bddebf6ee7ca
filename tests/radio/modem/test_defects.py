"""Twenty defects that were reproduced in another stack, each as the demand that it does not happen here.

D18 (flow control hard-wired) is about opening the port and stands with the link.
"""

from __future__ import annotations

from collections import deque

import pytest

from tests.radio.modem.paper_modem import REPORT, TPDU, Desk, PaperModem, deliver, length, pdu, ready
from tsm_gateway.messages import Fate
from tsm_gateway.radio.modem.modem_value import Content
from tsm_gateway.radio.modem.options import Mode, Timing
from tsm_gateway.secret import Secret

SUBMIT = bytes.fromhex("0100049194710000040548656C6C6F")


def sender(modem: PaperModem | None = None, **options) -> Desk:
    desk = ready(modem, **options)
    assert desk.engine.submit("k", SUBMIT, desk.now)
    return desk.pump()


def test_d1_three_indications_in_one_chunk_bring_three_messages():
    desk = ready()
    for number in (1, 2, 3):
        desk.modem.store(deliver(number))
    desk.hear("".join(f'\r\n+CMTI: "SM",{number}\r\n' for number in (1, 2, 3))).wait(1)
    assert desk.tpdus() == [deliver(number) for number in (1, 2, 3)]
    assert not desk.modem.memories["SM"]


def test_d2_an_indication_ahead_of_the_answer_spoils_neither():
    desk = ready()
    desk.modem.answers["AT+CSQ"] = '+CMTI: "SM",1\r\n\r\n+CSQ: 11,99\r\n\r\nOK'
    desk.modem.store(TPDU)
    desk.wait(61)
    assert desk.engine.health.signal_dbm == -91
    assert desk.tpdus() == [TPDU]


@pytest.mark.parametrize("dcs", ["04", "44", "54", "F4", "F5", "F6", "F7"])
def test_d3_octets_come_through_whatever_the_data_coding(dcs):
    body = bytes(range(256))[:140].hex().upper()
    tpdu = f"440B919471325476F800{dcs}62501191834080" + "8C" + body
    modem = PaperModem()
    modem.store(tpdu)
    assert ready(modem).tpdus() == [tpdu]


@pytest.mark.parametrize(
    "tpdu", ["04", "040B", TPDU[:20], TPDU[:-2], "040B919471325476F80004" + "00" * 7 + "FF"]
)
def test_d4_a_cut_pdu_stops_nobody(tpdu):
    modem = PaperModem()
    modem.store(tpdu)
    modem.store(TPDU)
    desk = ready(modem)
    assert desk.tpdus() == [tpdu, TPDU]
    assert not modem.memories["SM"]


def test_d5_the_octets_to_send_go_out_as_they_are():
    submit = bytes.fromhex("4100049194710000040B0608040001020141424344")
    desk = ready()
    desk.engine.submit("k", submit, desk.now)
    desk.pump()
    assert desk.modem.lines[-1] == f"AT+CMGS={len(submit)}"
    assert desk.modem.sent == ["00" + submit.hex().upper()]


def test_d6_a_malformed_message_is_told_and_the_good_one_keeps_its_index():
    modem = PaperModem()
    modem.store(TPDU, index=2)
    bad = "+CMGL: 1,0,,99\r\nZZ00"
    good = modem.entry("CMGL", 2, TPDU)
    modem.answers["AT+CMGL=4"] = deque([f"{bad}\r\n{good}\r\n\r\nOK"])
    modem.answers["AT+CMGR=1"] = "+CMGR: 0,,99\r\nZZ00\r\n\r\nOK"
    desk = ready(modem)
    assert [(each.index, each.fault, each.content) for each in desk.incoming] == [
        (1, "hex", Content.OTHER),
        (2, "", Content.MESSAGE),
    ]
    assert desk.incoming[0].pdu == "ZZ00"
    assert [line for line in modem.lines if "CMGD" in line] == ["AT+CMGD=1", "AT+CMGD=2"]


def test_d7_what_the_caller_did_not_make_durable_is_not_deleted():
    modem = PaperModem()
    modem.store(deliver(1))
    modem.store(deliver(2))
    desk = Desk(modem)
    desk.keeps = False
    desk.open().wait(2)
    first, second = desk.incoming
    assert not [line for line in modem.lines if "CMGD" in line]
    desk.engine.durable([first.number], desk.now)
    desk.engine.refused([second.number], desk.now)
    desk.pump()
    assert list(modem.memories["SM"].values()) == [deliver(2)]


def test_d8_every_memory_is_read_whichever_receives():
    modem = PaperModem(memories=("ME", "SM", "MT"))
    modem.store(deliver(1), "SM")
    modem.store(deliver(2), "MT")
    assert sorted(ready(modem).tpdus()) == [deliver(1), deliver(2)]


def test_d9_a_message_is_deleted_in_the_memory_it_was_read_from():
    modem = PaperModem()
    modem.store(deliver(1), "ME", 1)
    desk = Desk(modem)
    desk.keeps = False
    desk.open().wait(2)
    modem.store(deliver(2), "SM", 1)
    desk.urc('+CMTI: "SM",1')
    assert modem.selected[0] == "ME"
    desk.engine.durable([desk.incoming[0].number], desk.now)
    desk.pump()
    assert modem.memories["SM"] == {1: deliver(2)}
    assert not modem.memories["ME"]
    desk.wait(1)
    assert desk.tpdus() == [deliver(1), deliver(2)]


def test_d10_a_message_handed_over_is_told_and_acknowledged_after_it_is_durable():
    desk = ready(mode=Mode.DIRECT)
    assert desk.modem.csms == 1
    assert desk.modem.cnmi[1] == 2
    desk.keeps = False
    desk.urc(f"+CMT: ,{length(TPDU)}\r\n{pdu()}")
    assert desk.tpdus() == [TPDU]
    assert "AT+CNMA" not in desk.modem.lines
    desk.engine.durable([desk.incoming[0].number], desk.now)
    desk.pump()
    assert desk.modem.lines[-1] == "AT+CNMA"


def test_d11_octets_that_are_no_characters_are_dropped():
    desk = ready()
    desk.modem.store(TPDU)
    desk.hear(b'\xff\xfe\x00\r\n+CM\xffTI: "SM",1\r\n').wait(1)
    assert desk.tpdus() == [TPDU]


def test_d12_an_answer_after_its_time_out_answers_nothing_else():
    desk = ready()
    desk.modem.answers["AT+CSQ"] = deque(["", "+CSQ: 9,99\r\n\r\nOK"])
    desk.wait(61).wait(5.1)
    assert desk.modem.escapes == 2  # one was the first contact
    desk.hear("\r\n+CSQ: 31,99\r\n\r\nOK\r\n").wait(2)
    assert desk.engine.health.signal_dbm == -73  # that of the first look: the late line was dropped
    assert desk.engine.health.operator == "Example"
    desk.wait(60)
    assert desk.engine.health.signal_dbm == -95
    assert desk.engine.state.value == "ready"


def test_d13_nothing_but_the_body_goes_behind_the_prompt():
    modem = PaperModem()
    modem.prompt = '\r\n> \r\n+CMTI: "SM",1\r\n'
    desk = ready(modem)
    modem.store(TPDU)
    desk.engine.submit("k", SUBMIT, desk.now)
    desk.pump().wait(1)
    assert modem.sent == ["00" + SUBMIT.hex().upper()]
    assert desk.sent[0].fate is Fate.ACCEPTED
    assert desk.tpdus() == [TPDU]
    body = next(octets for octets in desk.writes if octets.endswith(b"\x1a"))
    assert body == f"00{SUBMIT.hex().upper()}".encode() + b"\x1a"


def test_d14_a_result_with_an_acknowledgement_pdu_is_a_result():
    modem = PaperModem()
    modem.on_body = lambda _body: '+CMGS: 5,"000100"\r\n\r\nOK'
    desk = sender(modem)
    assert [(sent.fate, sent.reference) for sent in desk.sent] == [(Fate.ACCEPTED, 5)]
    assert len(modem.sent) == 1


def test_d15_a_busy_modem_is_asked_again_from_the_beginning_and_not_for_ever():
    modem = PaperModem()
    modem.on_body = lambda _body: "+CMS ERROR: 515"
    desk = sender(modem, tries=3).wait(60)
    assert [line for line in modem.lines if "CMGS" in line] == [f"AT+CMGS={len(SUBMIT)}"] * 3
    assert len(modem.sent) == 3
    assert [(sent.fate, sent.status) for sent in desk.sent] == [(Fate.BUSY, 515)]


@pytest.mark.parametrize("final", ["+CMS ERROR: memory failure", "NO CARRIER", "COMMAND NOT SUPPORT"])
def test_d16_a_final_result_in_words_ends_its_command(final):
    modem = PaperModem()
    modem.on_body = lambda _body: final
    desk = sender(modem)
    assert [sent.fate for sent in desk.sent] == [Fate.TEMPORARY]


def test_d17_no_pin_is_sent_where_a_puk_is_wanted():
    modem = PaperModem()
    modem.pin_state = "SIM PUK"
    desk = Desk(modem, pin=Secret(b"1234")).open().wait(600)
    assert desk.engine.health.state == "locked"
    assert not [line for line in modem.lines if "CPIN=" in line]
    assert desk.names().count("sim.locked") == 1
    assert desk.event("sim.locked").alarm


@pytest.mark.parametrize("written", [False, True])
def test_d19_unplugging_tells_the_sender_at_once(written):
    modem = PaperModem()
    modem.prompt = "\r\n> " if written else ""
    modem.on_body = lambda _body: ""
    desk = sender(modem)
    assert desk.engine.submit("later", SUBMIT, desk.now)
    desk.engine.lost("unplugged", desk.now)
    desk.pump()
    first = Fate.UNKNOWN if written else Fate.NOT_SENT
    assert [(sent.key, sent.fate) for sent in desk.sent] == [("k", first), ("later", Fate.NOT_SENT)]
    assert desk.reopens
    assert desk.engine.wake_at is None


def test_d20_indications_of_strange_forms_are_hints_and_a_garbled_report_harms_nothing():
    desk = ready()
    for number, line in enumerate(
        (
            '+CMTI: "SM",1,"MMS PUSH",2,1',
            "+CMTI: ,-1",
            '+CMTI: "XX",999999',
            "+CMTI:",
            "^SMMEMFULL",
            "SMS FULL",
        )
    ):
        desk.modem.store(deliver(number))
        desk.urc(line).wait(1)
    assert len(desk.incoming) == 6
    desk.urc(f"+CDS: {length(REPORT)}\r\nrubbish here").wait(1)
    desk.urc(f"+CDS: {length(REPORT)}\r\n{pdu(REPORT)}").wait(1)
    assert [each.content for each in desk.incoming[6:]] == [Content.OTHER, Content.REPORT]
    assert desk.engine.state.value == "ready"


def test_the_times_in_these_tests_are_those_of_the_product():
    assert (Timing().look_s, Timing().quick_s, Timing().locked_s) == (60, 5, 60)
