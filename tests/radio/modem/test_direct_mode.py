"""Messages handed over: acknowledged only when durable, in order, and the modem armed again after a miss."""

from __future__ import annotations

from tests.radio.modem.paper_modem import REPORT, TPDU, Desk, PaperModem, deliver, length, pdu, ready
from tsm_gateway.radio.modem.modem_value import Content
from tsm_gateway.radio.modem.options import Mode


def direct(modem: PaperModem | None = None, *, keeps=True) -> Desk:
    desk = ready(modem, mode=Mode.DIRECT)
    desk.keeps = keeps
    return desk


def hand_over(desk: Desk, tpdu: str) -> Desk:
    return desk.urc(f"+CMT: ,{length(tpdu)}\r\n{pdu(tpdu)}")


def acknowledged(desk: Desk) -> int:
    return desk.modem.lines.count("AT+CNMA")


def test_the_service_and_the_routing_are_chosen_together():
    desk = direct()
    assert desk.modem.csms == 1
    assert desk.modem.cnmi == [2, 2, 0, 1, 0]
    assert desk.engine.health.mode == "direct"


def test_a_modem_without_the_service_never_gets_routing_and_somebody_is_told():
    modem = PaperModem()
    modem.answers["AT+CSMS=?"] = "+CSMS: (0)\r\n\r\nOK"
    desk = direct(modem)
    assert desk.engine.health.mode == "store"
    assert modem.cnmi == [2, 1, 0, 1, 0]
    assert desk.event("modem.direct_unavailable").alarm


def test_a_modem_that_refuses_the_service_never_gets_routing():
    modem = PaperModem()
    modem.answers["AT+CSMS=1"] = "+CMS ERROR: 303"
    assert direct(modem).modem.cnmi[1] == 1


def test_a_modem_that_refuses_routing_goes_back_to_acknowledging_by_itself():
    modem = PaperModem()
    for mode in range(4):
        for ds in range(3):
            modem.answers[f"AT+CNMI={mode},2,0,{ds},0"] = "ERROR"
    desk = direct(modem)
    assert modem.csms == 0
    assert desk.engine.health.mode == "store"


def test_acknowledgements_go_in_order_and_only_behind_the_spool():
    desk = direct(keeps=False)
    hand_over(desk, deliver(1))
    hand_over(desk, deliver(2))
    first, second = (each.number for each in desk.incoming)
    desk.engine.durable([second], desk.now)
    assert acknowledged(desk.pump()) == 0  # the modem would acknowledge the first with it
    desk.engine.durable([first], desk.now)
    assert acknowledged(desk.pump()) == 2
    assert desk.engine.counters.acknowledged == 2


def test_a_report_handed_over_is_acknowledged_like_a_message():
    desk = direct()
    desk.urc(f"+CDS: {length(REPORT)}\r\n{pdu(REPORT)}")
    assert desk.incoming[0].content is Content.REPORT
    assert acknowledged(desk) == 1


def test_an_acknowledgement_goes_out_while_a_sweep_waits_for_the_spool():
    modem = PaperModem()
    desk = direct(modem, keeps=False)
    modem.store(deliver(1), "SM")
    desk.urc('+CMTI: "SM",1')  # class 2 goes to the SIM even here
    hand_over(desk, deliver(2))
    stored, handed = desk.incoming
    desk.engine.durable([handed.number], desk.now)
    assert desk.pump().modem.lines[-1] == "AT+CNMA"
    desk.engine.durable([stored.number], desk.now)
    assert desk.pump().modem.memories["SM"] == {}


def test_a_missed_acknowledgement_has_the_modem_armed_again_and_its_memories_swept():
    desk = direct(keeps=False)
    hand_over(desk, TPDU)
    desk.modem.cnmi = [2, 0, 0, 0, 0]  # what it does when nobody acknowledges
    desk.wait(19)
    before = len(desk.modem.lines)
    desk.keeps = True
    desk.wait(1.1)
    assert desk.event("modem.acknowledgement_missed").fields == {"why": "not_durable", "count": 1}
    assert desk.modem.cnmi == [2, 2, 0, 1, 0]
    assert {'AT+CPMS="SM"', 'AT+CPMS="ME"'} <= set(desk.modem.lines[before:])
    desk.engine.durable([desk.incoming[0].number], desk.now)
    assert acknowledged(desk.pump()) == 0  # too late: the network sends it again
    hand_over(desk, TPDU)
    assert acknowledged(desk) == 1
    assert len({each.digest for each in desk.incoming}) == 1


def test_a_refused_message_is_left_to_the_network():
    desk = direct(keeps=False)
    hand_over(desk, TPDU)
    desk.engine.refused([desk.incoming[0].number], desk.now)
    desk.pump().wait(21)
    assert acknowledged(desk) == 0
    assert desk.event("modem.acknowledgement_missed").fields["why"] == "refused_by_us"


def test_an_acknowledgement_the_modem_refuses_arms_it_again():
    desk = direct()
    desk.modem.answers["AT+CNMA"] = "+CMS ERROR: 340"
    desk.modem.cnmi = [2, 0, 0, 0, 0]
    hand_over(desk, TPDU).wait(0.1)
    assert desk.modem.cnmi == [2, 2, 0, 1, 0]


def test_a_damaged_message_is_not_acknowledged_until_it_comes_the_same_again():
    desk = direct()
    desk.urc(f"+CMT: ,99\r\n{pdu()}")
    assert acknowledged(desk.wait(21)) == 0
    desk.urc(f"+CMT: ,99\r\n{pdu()}")
    assert acknowledged(desk) == 1
    assert {each.fault for each in desk.incoming} == {"length"}


def test_a_message_whose_pdu_was_lost_is_never_acknowledged():
    desk = direct()
    desk.urc("+CMT: ,26").urc(f"+CMT: ,{length(TPDU)}\r\n{pdu()}")
    assert acknowledged(desk) == 0
    desk.wait(21)
    assert desk.event("modem.acknowledgement_missed").fields == {"why": "damaged", "count": 2}
    assert desk.modem.cnmi == [2, 2, 0, 1, 0]
    assert not desk.engine._station.fates


def test_silence_of_a_disarmed_modem_is_found_by_verifying():
    desk = direct()
    desk.modem.cnmi = [2, 0, 0, 0, 0]
    desk.wait(181)
    assert desk.modem.cnmi == [2, 2, 0, 1, 0]
    assert "modem.rebooted" not in desk.names()


def test_a_thousand_messages_nobody_answers_are_bounded():
    desk = direct(keeps=False)
    for number in range(1000):
        hand_over(desk, deliver(number))
    assert len(desk.engine._station.fates) <= 65
    assert acknowledged(desk) == 0
