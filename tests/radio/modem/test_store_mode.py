"""The sweep: nothing is deleted that the caller does not have, and nothing stays that it has."""

from __future__ import annotations

from collections import deque
from random import Random

import pytest

from tests.radio.modem.paper_modem import REPORT, TPDU, Desk, PaperModem, deliver, length, pdu, ready
from tsm_gateway.radio.modem.modem_value import Content


def deletes(modem: PaperModem) -> list[str]:
    return [line for line in modem.lines if "CMGD" in line]


def test_only_the_caller_s_word_lets_a_message_be_deleted():
    modem = PaperModem()
    modem.store(TPDU)
    desk = Desk(modem)
    desk.keeps = False
    desk.open().wait(29)
    assert len(desk.incoming) == 1
    assert not deletes(modem)
    desk.wait(3)  # the spool never answered: the message stays, the modem is served on
    assert desk.engine.health.registration == "home"
    desk.engine.durable([desk.incoming[0].number], desk.now)  # too late: its place may hold another now
    desk.pump()
    assert not deletes(modem)
    desk.keeps = True
    desk.wait(61)
    assert desk.tpdus() == [TPDU, TPDU]
    assert desk.incoming[0].digest == desk.incoming[1].digest
    assert not modem.memories["SM"]


def test_a_spool_that_is_full_keeps_messages_in_the_modem_until_it_says_so():
    modem = PaperModem()
    modem.store(TPDU)
    desk = Desk(modem)
    desk.keeps = False
    desk.open().wait(1)
    desk.engine.refused([1], desk.now)
    desk.pump()
    assert modem.memories["SM"]
    desk.keeps = True
    desk.engine.sweep_soon(desk.now)
    desk.pump()
    assert not modem.memories["SM"]


def test_a_slow_spool_has_the_memory_selected_again_ahead_of_deleting():
    modem = PaperModem()
    modem.store(TPDU, "ME")
    desk = Desk(modem)
    desk.keeps = False
    desk.open().wait(5)
    before = len(modem.lines)
    desk.engine.durable([1], desk.now)
    desk.pump()
    assert modem.lines[before : before + 2] == ['AT+CPMS="ME"', "AT+CMGD=1"]


@pytest.mark.parametrize("hint", ["^BOOT:1,0,0,0,6", "RDY", "Call Ready", "SMS Ready", "+CPIN: NOT READY"])
def test_nothing_is_deleted_after_a_hint_at_a_restart(hint):
    modem = PaperModem()
    modem.store(TPDU, "ME")
    desk = Desk(modem)
    desk.keeps = False
    desk.open().wait(1)
    desk.urc(hint)
    desk.engine.durable([1], desk.now)
    desk.pump()
    assert not deletes(modem)
    assert "AT+CNMI?" in modem.lines[-12:]
    desk.keeps = True
    desk.wait(61)
    assert not modem.memories["ME"]


def test_a_pdu_damaged_on_the_line_is_read_again_and_comes_whole():
    modem = PaperModem()
    modem.store(TPDU)
    listed = modem.entry("CMGL", 1, TPDU)
    modem.answers["AT+CMGL=4"] = deque([listed[:-6] + "\r\n\r\nOK"])
    desk = ready(modem)
    assert desk.tpdus() == [TPDU]
    assert desk.incoming[0].fault == ""
    assert "AT+CMGR=1" in modem.lines


def test_two_different_readings_leave_the_message_where_it_is():
    modem = PaperModem()
    modem.store(TPDU)
    listed = modem.entry("CMGL", 1, TPDU)
    modem.answers["AT+CMGL=4"] = deque([listed[:-6] + "\r\n\r\nOK"])
    modem.answers["AT+CMGR=1"] = deque([modem.entry("CMGR", 1, TPDU)[:-4] + "\r\n\r\nOK"])
    desk = ready(modem)
    assert not desk.incoming
    assert not deletes(modem)
    desk.wait(61)
    assert desk.tpdus() == [TPDU]


def test_the_same_damage_twice_is_what_the_sim_holds():
    modem = PaperModem()
    modem.store(TPDU)
    modem.answers["AT+CMGL=4"] = deque([f"+CMGL: 1,0,,99\r\n{pdu()}\r\n\r\nOK"])
    modem.answers["AT+CMGR=1"] = f"+CMGR: 0,,99\r\n{pdu()}\r\n\r\nOK"
    desk = ready(modem)
    assert [(each.fault, each.pdu, each.tpdu) for each in desk.incoming] == [("length", pdu(), b"")]
    assert deletes(modem) == ["AT+CMGD=1"]


def test_a_place_listed_twice_is_left_alone():
    modem = PaperModem()
    modem.store(deliver(1), index=1)
    modem.store(deliver(2), index=12)
    garbled = modem.entry("CMGL", 12, deliver(2)).replace(": 12,", ": 1,")
    modem.answers["AT+CMGL=4"] = deque([f"{modem.entry('CMGL', 1, deliver(1))}\r\n{garbled}\r\n\r\nOK"])
    desk = ready(modem)
    assert not desk.incoming
    assert not deletes(modem)
    desk.wait(61)
    assert desk.tpdus() == [deliver(1), deliver(2)]


def test_a_place_that_can_never_be_read_is_an_alarm_and_blocks_nobody():
    modem = PaperModem()
    modem.store(deliver(2), index=2)
    modem.answers["AT+CMGL=4"] = f"+CMGL: 1,0,,26\r\n{modem.entry('CMGL', 2, deliver(2))}\r\n\r\nOK"
    modem.answers["AT+CMGR=1"] = "+CMS ERROR: 500"
    desk = ready(modem).wait(200)
    assert deliver(2) in desk.tpdus()
    assert desk.event("modem.slot_unreadable").alarm
    assert "AT+CMGD=1" not in modem.lines


def test_a_message_that_cannot_be_deleted_is_an_alarm():
    modem = PaperModem()
    modem.store(TPDU)
    modem.answers["AT+CMGD=1"] = "+CMS ERROR: 500"
    desk = ready(modem).wait(30)
    assert desk.event("modem.delete_failed").fields == {"memory": "SM", "count": 1}
    assert len({each.digest for each in desk.incoming}) == 1


def test_messages_nobody_announced_are_found_by_polling():
    desk = ready()
    desk.modem.store(TPDU)
    desk.wait(59)
    assert desk.tpdus() == [TPDU]


def test_while_messages_come_the_next_look_is_soon():
    desk = ready()
    desk.modem.store(deliver(1))
    desk.urc('+CMTI: "SM",1').wait(1)
    desk.modem.store(deliver(2))
    desk.wait(5)
    assert desk.tpdus() == [deliver(1), deliver(2)]


def test_an_indication_during_a_sweep_is_not_forgotten():
    modem = PaperModem()
    modem.store(deliver(1), "ME")
    desk = Desk(modem)
    desk.keeps = False
    desk.open().wait(1)
    modem.store(deliver(2), "SM")
    desk.urc('+CMTI: "SM",1')
    desk.keeps = True
    desk.engine.durable([1], desk.now)
    desk.pump().wait(0.1)
    assert desk.tpdus() == [deliver(1), deliver(2)]


def test_a_full_store_is_an_alarm_once_and_its_end_is_told():
    modem = PaperModem(capacity=2)
    desk = ready(modem)
    modem.store(deliver(1))
    modem.store(deliver(2))
    desk.urc("^SMMEMFULL").wait(70)
    assert desk.names().count("modem.store_full") == 1
    assert desk.event("modem.store_full").fields == {"memory": "SM", "used": 2, "total": 2}
    assert desk.names()[-1] == "modem.store_recovered"


def test_a_stored_report_and_a_draft_are_told_as_what_they_are():
    modem = PaperModem(memories=("SM", "SR"))
    modem.store(REPORT, "SR")
    modem.store("01000B919471325476F80000026869", "SM")
    desk = ready(modem)
    assert [(each.memory, each.content) for each in desk.incoming] == [
        ("SM", Content.OTHER),
        ("SR", Content.REPORT),
    ]
    assert not modem.memories["SM"]
    assert not modem.memories["SR"]


def test_a_message_of_class_0_is_told_though_nobody_waits_for_its_acknowledgement():
    desk = ready()
    desk.urc(f"+CMT: ,{length(TPDU)}\r\n{pdu()}").wait(1)
    assert [(each.memory, each.index) for each in desk.incoming] == [("", -1)]
    assert "AT+CNMA" not in desk.modem.lines
    assert not desk.engine._station.fates


def test_a_listing_that_hangs_has_the_modem_set_anew_and_in_the_end_reset():
    desk = ready()
    desk.modem.answers["AT+CMGL=4"] = ""
    desk.wait(900)
    cures = [event.fields["cure"] for event in desk.events if event.event == "modem.recovering"]
    assert cures[:2] == ["initialise", "reopen"]
    assert desk.engine.health.state == "closed"
    assert len(desk.reopens) == 1


@pytest.mark.parametrize("chunk", [0, 1, 5])
@pytest.mark.parametrize("seed", range(4))
def test_two_hundred_messages_through_twenty_places_each_once(chunk, seed):
    """Indications lost, merged, malformed; junk on the line; a spool that refuses now and then."""
    dice = Random(seed)
    modem = PaperModem(capacity=20)
    desk = ready(modem, chunk=chunk)
    waiting = deque(deliver(number) for number in range(200))
    wanted = set(waiting)
    kept: set[str] = set()
    for _ in range(2_000):
        place = dice.choice(("SM", "ME"))
        while waiting and len(modem.memories[place]) < 20 and dice.random() < 0.8:
            index = modem.store(waiting.popleft(), place)
            desk.keeps = dice.random() < 0.9
            if dice.random() < 0.6:
                desk.urc(dice.choice((f'+CMTI: "{place}",{index}', "+CMTI: ,-1", '+CMTI: "SR",0')))
            if dice.random() < 0.2:
                desk.hear(dice.choice((b"\0\xff", b"\r\n^RSSI: 5\r\n", b"\r\n", b"\r\n+CREG: 1\r\n")))
        unanswered = [
            each for each in desk.incoming if desk.engine._station.fates.get(each.number, 0) is None
        ]
        good = [each.number for each in unanswered if dice.random() < 0.7]
        desk.engine.durable(good, desk.now)
        desk.engine.refused([each.number for each in unanswered if each.number not in good], desk.now)
        desk.pump().wait(dice.random() * 8)
        kept |= {each.tpdu.hex().upper() for each in desk.incoming}
        if not waiting and not any(modem.memories.values()):
            break
    assert kept == wanted
    assert not any(modem.memories.values())
    assert desk.engine.counters.deleted == 200
