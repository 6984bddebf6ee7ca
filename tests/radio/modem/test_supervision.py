"""Restarts, silence, unplugging, locks: noticed, cured in order, told once."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import pytest

from tests.radio.modem.paper_modem import TPDU, Desk, PaperModem, ready
from tsm_gateway.messages import Fate
from tsm_gateway.radio.modem.modem_life import MODEM_LIFE, LifeEvent, ModemState
from tsm_gateway.radio.modem.modem_value import EVENTS, PinResult
from tsm_gateway.radio.modem.options import Timing
from tsm_gateway.radio.modem.recovery import Cure, Recovery
from tsm_gateway.radio.modem.talk import Trouble
from tsm_gateway.secret import Secret

PIN = Secret(b"1234")


def cures(desk: Desk) -> list[str]:
    return [str(event.fields["cure"]) for event in desk.events if event.event == "modem.recovering"]


def fall_silent_at(desk: Desk, command: str) -> None:
    def watch(line: str) -> None:
        desk.plugged = desk.plugged and line != command

    desk.modem.on_line = watch


# A restart without a word


@pytest.mark.parametrize("lost", ["cnmi", "cmgf", "cpms", "csms"])
def test_a_silent_restart_is_found_and_everything_is_set_again(lost):
    desk = ready()
    modem = desk.modem
    if lost == "cnmi":
        modem.cnmi = [0, 0, 0, 0, 0]
    elif lost == "cmgf":
        modem.cmgf = 1
    elif lost == "cpms":
        modem.selected = ["ME", "ME", "ME"]
    if lost == "csms":  # of no meaning in store mode
        modem.csms = 1
    modem.echo = True
    desk.wait(200)
    assert (modem.cnmi, modem.cmgf, modem.selected[2]) == ([2, 1, 0, 1, 0], 0, "SM")
    assert desk.engine.counters.reboots == (lost != "csms")


@pytest.mark.parametrize("hint", ["^BOOT:26583914,0,0,0,6", "RDY", "SMS Ready", "^SYSSTART"])
def test_a_hint_at_a_restart_is_followed_at_once(hint):
    desk = ready().wait(30)
    desk.modem.cnmi = [0, 0, 0, 0, 0]
    desk.urc(hint).wait(1)
    assert desk.modem.cnmi == [2, 1, 0, 1, 0]
    assert desk.event("modem.rebooted").fields == {"changed": "indications"}


def test_a_modem_that_hints_all_the_time_is_asked_no_more_often_than_the_gap():
    desk = ready().wait(30)
    before = desk.modem.lines.count("AT+CNMI?")
    for _ in range(100):
        desk.urc("^BOOT:26583914,0,0,0,6").wait(0.3)
    assert desk.modem.lines.count("AT+CNMI?") - before <= 4
    assert desk.engine.counters.reboots == 0


def test_a_sim_that_was_taken_out_is_noticed():
    desk = ready().wait(30)
    desk.modem.answers["AT+CPMS?"] = "+CMS ERROR: 310"
    desk.modem.answers["AT+CPIN?"] = "+CME ERROR: 10"
    desk.urc("+CPIN: NOT INSERTED").wait(1)
    assert desk.engine.health.state == "locked"
    assert desk.event("sim.locked").fields == {"reason": "missing"}
    del desk.modem.answers["AT+CPMS?"], desk.modem.answers["AT+CPIN?"]
    desk.wait(61)
    assert desk.engine.health.state == "ready"


# Silence and noise


def test_a_modem_that_falls_silent_is_opened_again_then_reset_then_an_alarm():
    desk = ready()
    desk.plugged = False  # the port is there, nobody answers
    for _ in range(8):
        desk.wait(400)
        assert desk.engine.health.state == "closed"
        desk.now += desk.reopens[-1].after_s
        desk.open()
    assert cures(desk)[:6] == ["reopen", "reset", "reopen", "reset", "reopen", "reset"]
    waits = [reopen.after_s for reopen in desk.reopens]
    assert waits == [0.5, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 600.0]
    assert b"AT+CFUN=1,1\r" in desk.writes
    alarms = [event for event in desk.events if event.event == "modem.recovering" and event.alarm]
    assert len(alarms) == 6
    desk.plugged = True
    desk.wait(400)
    desk.now += desk.reopens[-1].after_s
    assert desk.open().wait(2).engine.health.state == "ready"


def test_a_modem_that_held_for_a_while_starts_the_ladder_anew():
    recovery = Recovery(Timing())
    assert recovery.trouble(Trouble.LATE, 0).cure is Cure.INITIALISE
    recovery.ready(1)
    assert recovery.trouble(Trouble.LATE, 60).cure is Cure.REOPEN
    recovery.ready(100)
    assert recovery.trouble(Trouble.LATE, 221).cure is Cure.INITIALISE


def test_noise_without_end_does_not_keep_a_modem_from_starting():
    desk = Desk().open()
    for _ in range(120):
        desk.now += 0.1
        desk.engine.tick(desk.now)
        desk.hear("\r\n^RSSI: 11\r\n")
    assert desk.engine.health.state == "ready"


def test_a_late_error_is_not_the_answer_to_the_marker():
    desk = ready()
    desk.modem.answers |= {"AT+CSQ": "", "AT": ""}
    desk.wait(64).wait(0.7)
    assert desk.modem.lines[-1] == "AT"
    before = len(desk.writes)
    desk.hear("\r\nERROR\r\n").wait(1)
    assert desk.writes[before:] == []  # the marker's own OK would answer whatever came next
    assert desk.engine.counters.timeouts == 0
    desk.hear("\r\nOK\r\n").wait(0.4)
    assert desk.engine.counters.timeouts == 1


def test_a_modem_that_needs_a_few_tries_is_woken():
    modem = PaperModem()
    modem.answers["AT"] = deque(["", "ERROR", ""])
    assert Desk(modem).open().wait(20).engine.health.state == "ready"


def test_a_modem_that_answers_in_digits_is_understood():
    modem = PaperModem()
    modem.answers["AT"] = "0"
    modem.answers["ATE0V1"] = "0"
    assert Desk(modem).open().wait(5).engine.health.state == "ready"


def test_one_command_that_is_late_is_no_trouble_two_in_a_row_are():
    desk = ready()
    for _ in range(3):  # with answers between them
        desk.modem.answers["AT+CSQ"] = deque([""])
        desk.wait(70)
    assert desk.engine.counters.timeouts == 3
    assert cures(desk) == []
    desk.modem.answers |= {"AT+CSQ": deque([""]), "AT+COPS?": deque([""]), "AT+CREG?": deque([""])}
    desk.modem.answers['AT+CPMS="SM"'] = deque([""])
    desk.wait(120)
    assert cures(desk) == ["initialise"]
    assert desk.engine.health.state == "ready"


# The port


def test_a_port_that_is_gone_is_looked_for_at_its_own_pace():
    desk = ready()
    desk.engine.lost("unplugged", desk.now)
    for _ in range(7):
        desk.engine.lost("missing", desk.now)
    desk.pump()
    assert [reopen.after_s for reopen in desk.reopens] == [0.5, 1, 2, 4, 8, 10, 10, 10]
    assert desk.names().count("modem.port_missing") == 1
    assert desk.engine.health.registration == ""
    assert desk.open().wait(2).engine.health.state == "ready"
    assert cures(desk) == []


@pytest.mark.parametrize("at", range(1, 40))
def test_unplugging_at_any_command_loses_nothing(at):
    modem = PaperModem()
    modem.store(TPDU)
    desk = Desk(modem)

    def cut(_octets: bytes) -> None:
        desk.plugged = desk.plugged and len(desk.writes) != at

    desk.before_write = cut
    desk.open().wait(1)
    desk.engine.lost("unplugged", desk.now)
    desk.before_write = lambda _octets: None
    desk.plugged, modem.echo, modem.cnmi, modem.cmgf = True, True, [0] * 5, 1
    desk.open().wait(3)
    assert set(desk.tpdus()) == {TPDU}
    assert not modem.memories["SM"]


def test_what_the_caller_says_of_messages_of_a_lost_port_is_ignored():
    modem = PaperModem()
    modem.store(TPDU)
    desk = Desk(modem)
    desk.keeps = False
    desk.open().wait(1)
    desk.engine.lost("unplugged", desk.now)
    assert not desk.engine._station.fates
    desk.open().wait(1)
    desk.engine.durable([desk.incoming[0].number], desk.now)
    assert "AT+CMGD=1" not in desk.pump().modem.lines


def test_opening_again_without_a_loss_settles_what_was_under_way():
    modem = PaperModem()
    modem.on_body = lambda _body: ""
    desk = ready(modem)
    desk.engine.submit("k", bytes(20), desk.now)
    desk.pump().open()
    assert [sent.fate for sent in desk.sent] == [Fate.UNKNOWN]


# The SIM


def locked(pin_state="SIM PIN") -> PaperModem:
    modem = PaperModem()
    modem.pin_state = pin_state
    return modem


def entered(modem: PaperModem) -> int:
    return sum("CPIN=" in line for line in modem.lines)


def test_a_right_pin_is_noted_ahead_of_the_try_and_struck_out_after_it():
    desk = Desk(locked(), pin=PIN)
    order: list[str] = []
    desk.before_write = lambda octets: order.append("pin") if b"CPIN=" in octets else None
    desk.open().wait(5)
    assert desk.engine.health.state == "ready"
    assert [attempt.sim for attempt in desk.attempts] == ["8949000000000000001"]
    assert desk.others == [PinResult("8949000000000000001", accepted=True)]
    assert order == ["pin"]


def test_a_wrong_pin_is_tried_once_ever_over_restarts_of_modem_and_gateway():
    modem = locked()
    modem.pin = "9999"
    noted: set[str] = set()
    for _ in range(5):
        desk = Desk(modem, pin=PIN)
        desk.pin_noted = noted
        desk.open().wait(300)
        desk.engine.lost("unplugged", desk.now)
        desk.open().wait(300)
        assert desk.engine.health.state == "locked"
    assert entered(modem) == 1


def test_no_pin_is_tried_before_the_caller_noted_it():
    desk = Desk(locked(), pin=PIN)
    desk.engine.opened(desk.now)
    while not desk.engine._station.fates:
        out = desk.engine.take_out()
        for octets in out:
            desk.engine.receive(desk.modem.write(octets).encode(), desk.now)
        if not out:
            desk.now += 0.1
            desk.engine.tick(desk.now)
    desk.engine.tick(desk.now + 31)  # it never answered
    assert not [octets for octets in desk.engine.take_out() if b"CPIN=" in octets]
    assert desk.engine.health.sim == "pin_tried"


def test_a_sim_that_tells_nothing_before_its_pin_is_known_by_its_modem():
    modem = locked()
    modem.answers |= {f"AT{name}": "+CME ERROR: 11" for name in ("+CCID", "+ICCID", "+CICCID", "^ICCID?")}
    desk = Desk(modem, pin=PIN).open().wait(2)
    assert [attempt.sim for attempt in desk.attempts] == ["imei:350123451234560"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("+CPIN: SIM PUK\r\n\r\nOK", "puk"),
        ("+CPIN:SIM PUK\r\n\r\nOK", "puk"),
        ("+CME ERROR: 12", "puk"),
        ("+CME ERROR: 10", "missing"),
        ("+CME ERROR: 13", "failed"),
        ("+CPIN: PH-NET PIN\r\n\r\nOK", "locked"),
    ],
)
def test_a_lock_we_cannot_open_is_told_once_and_looked_at_again(answer, reason):
    modem = PaperModem()
    modem.answers["AT+CPIN?"] = answer
    desk = Desk(modem, pin=PIN).open().wait(400)
    assert [event.fields for event in desk.events if event.event == "sim.locked"] == [{"reason": reason}]
    assert entered(modem) == 0
    assert modem.lines.count("AT+CPIN?") >= 6
    del modem.answers["AT+CPIN?"]
    assert desk.wait(61).engine.health.state == "ready"


@pytest.mark.parametrize("answer", ["+CPIN: READY", "+CPIN:READY", "+CPIN: SIM PIN2"])
def test_a_sim_that_is_ready_in_any_spelling_is_ready(answer):
    modem = PaperModem()
    modem.answers["AT+CPIN?"] = f"{answer}\r\n\r\nOK"
    assert Desk(modem).open().wait(2).engine.health.state == "ready"


def test_a_busy_sim_is_waited_for():
    modem = PaperModem()
    modem.answers["AT+CPIN?"] = deque(["+CME ERROR: 14", "+CPIN: NOT READY\r\n\r\nOK"])
    assert Desk(modem).open().wait(5).engine.health.state == "ready"


# Who it is


@pytest.mark.parametrize("pinned", [{"imei": "999999999999999"}, {"iccid": "8949999999999999999"}])
def test_another_modem_or_sim_is_left_as_it_was_found(pinned):
    modem = locked()
    modem.store(TPDU)
    desk = Desk(modem, pin=PIN, **pinned).open().wait(5)
    assert desk.event("modem.foreign").alarm
    assert desk.engine.health.state == "closed"
    assert not [
        line
        for line in modem.lines
        if any(word in line for word in ("CPIN=", "CMGL", "CMGD", "CFUN=", "CPMS"))
    ]
    assert desk.reopens[-1].after_s == 30


def test_the_pinned_modem_and_sim_are_taken():
    desk = Desk(PaperModem(), imei="350123451234560", iccid="8949000000000000001").open().wait(2)
    assert desk.engine.health.state == "ready"


# The network


def test_a_lost_network_is_told_when_the_modem_says_so_and_nothing_stops():
    desk = ready().wait(30)
    desk.modem.answers["AT+CREG?"] = "+CREG: 1,2\r\n\r\nOK"
    desk.urc("+CREG: 2").wait(1)
    assert desk.names()[-1] == "network.lost"
    assert not desk.events[-1].alarm
    desk.modem.answers["AT+CREG?"] = "+CREG: 1,3\r\n\r\nOK"
    desk.wait(61)
    assert desk.events[-1].alarm
    desk.modem.answers["AT+CREG?"] = '+CREG: 1,5,"00AB","01CD",7\r\n\r\nOK'
    desk.wait(61)
    assert desk.events[-1].fields == {"roaming": 1}
    assert desk.engine.health.state == "ready"


def test_lte_alone_is_a_network():
    modem = PaperModem()
    modem.answers |= {"AT+CREG?": "+CREG: 1,0\r\n\r\nOK", "AT+CEREG?": "+CEREG: 1,1\r\n\r\nOK"}
    assert ready(modem).engine.health.registration == "home"


# Tables and bounds


def test_every_state_can_be_reached_and_every_open_one_left_by_unplugging():
    assert set(MODEM_LIFE.values()) == set(ModemState)
    for state in ModemState:
        assert MODEM_LIFE[state, LifeEvent.LOST] is ModemState.CLOSED


def test_only_initialising_makes_a_modem_ready():
    assert [row for row, state in MODEM_LIFE.items() if state is ModemState.READY] == [
        (ModemState.STARTING, LifeEvent.INITIALISED)
    ]


def test_the_wait_for_a_sick_modem_grows_up_to_its_cap():
    recovery = Recovery(Timing())
    waits = [recovery.trouble(Trouble.LATE, now).after_s for now in range(30)]
    assert all(earlier <= later for earlier, later in pairwise(waits[3:]))
    assert waits[-1] == 600


def test_a_thousand_indications_a_second_are_a_few_sweeps_and_bounded_memory():
    desk = ready()
    desk.modem.store(TPDU)
    before = desk.engine.counters.sweeps
    for _ in range(50):
        desk.engine.receive(b'\r\n+CMTI: "SM",1\r\n\r\n+CREG: 1\r\n\r\n^BOOT\r\n' * 100, desk.now)
    desk.pump().wait(15)
    assert desk.engine.counters.sweeps - before <= 5
    assert set(desk.tpdus()) == {TPDU}
    assert not desk.modem.memories["SM"]


def test_every_event_is_on_the_list_and_shows_no_secret():
    modem = locked()
    desk = Desk(modem, pin=PIN).open().wait(300)
    assert {event.event for event in desk.events} <= EVENTS
    shown = repr([desk.events, desk.incoming, desk.engine.health, desk.attempts])
    assert "1234," not in shown.replace("350123451234560", "")
    assert TPDU not in shown


def test_what_comes_in_shows_its_place_and_its_size():
    modem = PaperModem()
    modem.store(TPDU, "ME", 7)
    assert repr(ready(modem).incoming) == "[Incoming(1, message, ME,7, 26 octets)]"


@pytest.mark.parametrize("command", ["AT+CPIN?", "AT+CGSN", "AT+CMGF=0", "AT+CPMS=?", "AT+CNMI=?", "AT+CCID"])
def test_a_modem_that_falls_silent_while_it_is_set_is_opened_again(command):
    desk = Desk()
    fall_silent_at(desk, command)
    desk.modem.answers[command] = ""
    desk.open().wait(60)
    assert cures(desk) == ["reopen"]
    assert desk.engine.health.state == "closed"


@pytest.mark.parametrize(
    "command", ['AT+CPMS="SM"', "AT+CMGL=4", "AT+CMGR=1", "AT+CMGD=1", "AT+CMGF?", "AT+CSQ"]
)
def test_a_modem_that_falls_silent_at_work_is_opened_again_and_nothing_is_lost(command):
    desk = ready()
    desk.modem.store("04", "SM", 1)
    desk.modem.store(TPDU, "SM", 2)
    listed = deque([f"+CMGL: 1,0,,9\r\n{'00' * 9}\r\n\r\nOK"]) if command == "AT+CMGR=1" else None
    if listed:
        desk.modem.answers["AT+CMGL=4"] = listed
    fall_silent_at(desk, command)
    desk.modem.answers[command] = ""
    desk.wait(300)
    assert cures(desk) == ["reopen"]
    desk.plugged, desk.modem.on_line = True, lambda _line: None
    del desk.modem.answers[command]
    desk.open().wait(5)
    assert TPDU in desk.tpdus()
    assert not desk.modem.memories["SM"]


def test_a_pin_whose_result_is_late_is_judged_by_the_sim_and_not_tried_again():
    modem = locked()
    modem.answers['AT+CPIN="1234"'] = ""
    desk = Desk(modem, pin=PIN).open().wait(100)
    assert desk.event("sim.locked").fields == {"reason": "pin_wrong"}
    assert entered(modem) == 1


def test_a_pin_that_takes_effect_slowly_is_waited_for():
    modem = locked()
    modem.answers["AT+CPIN?"] = deque(
        [f"+CPIN: {state}\r\n\r\nOK" for state in ("SIM PIN", "SIM PIN", "NOT READY")]
    )
    desk = Desk(modem, pin=PIN).open().wait(10)
    assert desk.engine.health.state == "ready"
    assert desk.others == [PinResult("8949000000000000001", accepted=True)]


def test_a_sim_that_wants_a_pin_nobody_gave_is_locked():
    desk = Desk(locked()).open().wait(3)
    assert desk.event("sim.locked").fields == {"reason": "pin"}


def test_an_engine_tries_a_wrong_pin_once_even_for_a_caller_that_forgets():
    modem = locked()
    modem.pin = "9999"
    desk = Desk(modem, pin=PIN)
    desk.open().wait(30)
    desk.pin_noted.clear()
    desk.wait(300)
    assert entered(modem) == 1


def test_a_right_pin_is_given_again_after_a_power_cut_of_the_modem():
    modem = locked()
    desk = Desk(modem, pin=PIN).open().wait(3)
    modem.pin_state = "SIM PIN"
    desk.engine.lost("unplugged", desk.now)
    assert desk.open().wait(3).engine.health.state == "ready"
    assert entered(modem) == 2


def test_a_network_that_was_never_found_is_not_lost():
    modem = PaperModem()
    modem.answers["AT+CREG?"] = "+CREG: 1,2\r\n\r\nOK"
    assert "network.lost" not in ready(modem).names()


def test_nothing_more_is_said_to_a_modem_that_does_not_answer():
    desk = Desk()
    desk.modem.answers["AT+CGMI"] = ""
    fall_silent_at(desk, "AT+CGMI")
    desk.open().wait(20)
    assert cures(desk) == ["reopen"]
    assert b"AT+CGMM\r" not in desk.writes


def test_what_was_not_written_before_the_port_went_is_never_written():
    desk = Desk()
    desk.engine.opened(desk.now)
    desk.engine.lost("unplugged", desk.now)
    assert desk.engine.take_out() == []
