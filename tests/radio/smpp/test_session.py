from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.radio.smpp.peer import (
    ALERT,
    BIND_TRX,
    BIND_TX,
    DATA,
    DELIVER,
    ENQUIRE,
    NACK,
    RALYBND,
    RESP,
    RINVBNDSTS,
    RINVPASWD,
    RMSGQFUL,
    RTHROTTLED,
    RX_T_APPN,
    SUBMIT,
    UNBIND,
    Desk,
    data_body,
    deliver,
    part,
    pdu,
)
from tsm_gateway.messages import Fate, Segment, Ticket, Verdict
from tsm_gateway.radio.smpp.bind_life import BIND_LIFE, BindEvent, BindState
from tsm_gateway.radio.smpp.link_event import EVENTS
from tsm_gateway.radio.smpp.options import BindMode
from tsm_gateway.radio.smpp.rebind import Ending

# The bind's table


def test_no_event_leads_out_of_a_closed_connection() -> None:
    assert not [row for row in BIND_LIFE if row[0] is BindState.CLOSED]


def test_every_state_can_be_reached_and_left() -> None:
    reached = {BindState.OPEN} | set(BIND_LIFE.values())
    assert reached == set(BindState)
    assert {state for state, _ in BIND_LIFE} == set(BindState) - {BindState.CLOSED}


def test_messages_never_change_the_state() -> None:
    for state in BindState:
        assert BIND_LIFE.get((state, BindEvent.GOT_MESSAGE), state) is state


@pytest.mark.parametrize("first", ["deliver", "enquire", "unbind", "bind_resp", "nack", "tick"])
def test_no_order_of_events_breaks_a_session(first: str) -> None:
    octets = {
        "deliver": deliver(9),
        "enquire": pdu(ENQUIRE, 8),
        "unbind": pdu(UNBIND, 7),
        "bind_resp": pdu(BIND_TRX | RESP, 1, b"\0"),
        "nack": pdu(NACK, 1, status=8),
    }
    for rest in product((*octets, "tick"), repeat=3):
        desk = Desk(bind=False)
        for now, step in enumerate((first, *rest)):
            if step == "tick":
                desk.session.tick(now)
            else:
                desk.hear(octets[step], now)
        _is_sound(desk)


def _is_sound(desk: Desk) -> None:
    assert {event.event for event in desk.session.notes.events} <= EVENTS
    assert (desk.session.state is BindState.CLOSED) == (desk.session.ended is not None)


# Binding


def test_the_bind_waits_for_its_own_answer_and_talks_meanwhile() -> None:
    desk = Desk(bind=False)
    (bind,) = desk.said()
    desk.hear(pdu(ENQUIRE, 77) + pdu(BIND_TRX | RESP, bind.sequence + 1, b"\0") + deliver(5))
    assert [(said.command_id, said.sequence) for said in desk.said()] == [(ENQUIRE | RESP, 77)]
    assert len(desk.session.arrivals) == 1
    assert not desk.session.timers.bound
    desk.hear(pdu(BIND_TRX | RESP, bind.sequence))
    assert desk.session.state is BindState.BOUND


@pytest.mark.parametrize(
    ("mode", "command_id"),
    [(BindMode.RECEIVER, 1), (BindMode.TRANSMITTER, 2), (BindMode.TRANSCEIVER, 9)],
)
def test_each_mode_has_its_bind(mode: BindMode, command_id: int) -> None:
    desk = Desk(bind=False, mode=mode, system_type="tsm", address_range="165", address_ton=1, address_npi=2)
    (bind,) = desk.said()
    assert bind.command_id == command_id
    assert bind.body == b"gateway\0canary77\0tsm\0\x34\x01\x02165\0"


def test_a_bind_receiver_may_be_answered_as_a_bind_transmitter() -> None:
    desk = Desk(bind=False, mode=BindMode.RECEIVER)
    (bind,) = desk.said()
    desk.hear(pdu(BIND_TX | RESP, bind.sequence, b"\0"))
    assert desk.session.state is BindState.BOUND


@pytest.mark.parametrize(
    ("status", "ending", "alarm"),
    [
        (RALYBND, Ending.REFUSED, False),
        (8, Ending.REFUSED, False),
        (RINVPASWD, Ending.DENIED, True),
        (15, Ending.DENIED, True),
    ],
)
@pytest.mark.parametrize("command_id", [BIND_TRX | RESP, NACK])
def test_a_refused_bind_says_how_to_go_on(status: int, ending: Ending, alarm: bool, command_id: int) -> None:
    desk = Desk(bind=False)
    desk.hear(pdu(command_id, 1, status=status))
    assert desk.session.ended
    assert desk.session.ended.ending is ending
    (event,) = desk.session.notes.events
    assert (event.event, event.alarm, event.fields["status"]) == ("link.bind_refused", alarm, status)


def test_a_bind_without_an_answer_ends() -> None:
    desk = Desk(bind=False, bind_s=3)
    desk.session.tick(3.0)
    assert desk.session.ended == ("bind_timeout", Ending.FAILED)


def test_a_bind_that_lasted_is_told_from_one_that_did_not() -> None:
    for now, ending in ((9.9, Ending.DROPPED), (10.0, Ending.LASTED)):
        desk = Desk(stable_s=10)
        desk.session.end("reset", now)
        assert desk.session.ended == ("reset", ending)


# Messages and their answers


def test_a_message_is_answered_with_the_verdict_and_only_then() -> None:
    desk = Desk()
    desk.hear(deliver(3) + deliver(4) + deliver(5))
    assert desk.said() == []
    tickets = [arrival.ticket for arrival in desk.session.arrivals]
    verdicts = (Verdict.TAKEN, Verdict.FULL, Verdict.BUSY)
    desk.session.answer(zip(tickets, verdicts, strict=True))
    said = desk.said()
    assert [(one.command_id, one.sequence) for one in said] == [(DELIVER | RESP, n) for n in (3, 4, 5)]
    assert [one.status for one in said] == [0, RMSGQFUL, RX_T_APPN]
    desk.session.answer([(tickets[0], Verdict.TAKEN)])
    assert desk.said() == []


def test_an_answer_for_an_earlier_connection_is_dropped() -> None:
    desk = Desk()
    desk.hear(deliver(3))
    desk.session.answer([(Ticket("carrier-a", 0, 3, DELIVER), Verdict.TAKEN)])
    assert desk.said() == []
    assert desk.memory.counters.answers_void == 1


def test_a_message_the_relay_is_late_with_is_answered_temporary_once() -> None:
    desk = Desk(intake_s=4.5)
    desk.hear(deliver(3), 1.0)
    desk.session.tick(5.4)
    assert desk.said() == []
    desk.session.tick(5.5)
    assert [(one.sequence, one.status) for one in desk.said()] == [(3, RX_T_APPN)]
    desk.session.answer([(desk.session.arrivals[0].ticket, Verdict.TAKEN)])
    assert desk.said() == []


def test_two_messages_under_one_number_are_both_sent_back() -> None:
    desk = Desk()
    desk.hear(deliver(3) + deliver(3))
    assert [(one.sequence, one.status) for one in desk.said()] == [(3, RX_T_APPN)] * 2
    desk.session.answer([(desk.session.arrivals[0].ticket, Verdict.TAKEN)])
    assert desk.said() == []
    desk.hear(deliver(3))
    assert len(desk.session.arrivals) == 2


def test_a_late_answer_is_not_taken_for_that_of_the_next_message_under_the_same_number() -> None:
    desk = Desk(intake_s=4.5)
    desk.hear(deliver(3), 1.0)
    desk.session.tick(5.5)
    desk.said()
    desk.hear(deliver(3), 6.0)
    first, second = (arrival.ticket for arrival in desk.session.arrivals)
    desk.session.answer([(first, Verdict.TAKEN)])
    assert desk.said() == []
    desk.session.answer([(second, Verdict.FULL)])
    assert [(one.sequence, one.status) for one in desk.said()] == [(3, RMSGQFUL)]


def test_an_answer_to_one_of_two_under_a_number_is_not_taken_for_that_of_a_third() -> None:
    desk = Desk()
    desk.hear(deliver(3) + deliver(3) + deliver(3))
    desk.said()
    first, third = (arrival.ticket for arrival in desk.session.arrivals)
    desk.session.answer([(first, Verdict.TAKEN)])
    assert desk.said() == []
    desk.session.answer([(third, Verdict.TAKEN)])
    assert [(one.sequence, one.status) for one in desk.said()] == [(3, 0)]


def test_a_data_sm_is_answered_as_one() -> None:
    desk = Desk()
    desk.hear(pdu(DATA, 3, data_body()))
    (arrival,) = desk.session.arrivals
    assert isinstance(arrival, Segment)
    desk.session.answer([(arrival.ticket, Verdict.BUSY)])
    assert [(one.command_id, one.status) for one in desk.said()] == [(DATA | RESP, RX_T_APPN)]


def test_a_retired_session_sends_messages_back_and_submits_nothing() -> None:
    desk = Desk()
    desk.session.retire()
    desk.hear(deliver(3))
    assert [(one.sequence, one.status) for one in desk.said()] == [(3, RX_T_APPN)]
    assert desk.session.room(0.0) == 0
    assert desk.send() == []
    assert desk.fates == [Fate.NOT_SENT]


def test_an_alert_is_neither_answered_nor_a_message() -> None:
    desk = Desk()
    desk.hear(pdu(ALERT, 3, b"\x01\x0149151\0\x01\x0116500\0"))
    assert desk.said() == []
    assert desk.session.arrivals == []


# Submitting


def test_what_is_beyond_the_window_is_not_sent() -> None:
    desk = Desk(window=2)
    assert len(desk.send(part(1), part(2), part(3))) == 2
    assert [(one.part.number, one.fate) for one in desk.session.submitted] == [(3, Fate.NOT_SENT)]


def test_a_receiver_has_no_room() -> None:
    assert Desk(mode=BindMode.RECEIVER).session.room(0.0) == 0


def test_a_part_that_no_pdu_can_carry_fails_for_good_and_takes_no_slot() -> None:
    desk = Desk(window=2)
    assert desk.send(part(destination="+49x"), part(user_data=bytes(300))) == []
    assert desk.fates == [Fate.PERMANENT] * 2
    assert desk.session.room(0.0) == 2


def test_the_fields_of_a_submission_are_the_registered_ones() -> None:
    desk = Desk(service_type="TSM")
    desk.session.submit([part(1)], 0.0)
    (said,) = desk.said()
    assert said.body == b"".join(
        (
            b"TSM\0",
            b"\x00\x0116500\0",
            b"\x01\x014930123456\0",
            b"\x40\x00\x00",
            b"\x00000007000000000R\0",
            b"\x01\x00\x04\x00",
            bytes((len(part().user_data),)) + part().user_data,
        )
    )


def test_numbering_rules_of_the_options_win() -> None:
    desk = Desk(source="+4916500", source_ton=3, source_npi=8, destination_ton=2, destination_npi=6)
    desk.session.submit([part(1)], 0.0)
    (said,) = desk.said()
    assert said.body.startswith(b"\0\x03\x084916500\0\x02\x064930123456\0")


def test_answers_are_matched_by_number_and_by_kind() -> None:
    desk = Desk()
    first, second = desk.send(part(1), part(2))
    desk.hear(pdu(ENQUIRE | RESP, first) + pdu(DATA | RESP, first, b"x\0") + pdu(SUBMIT | RESP, 999, b"x\0"))
    assert desk.fates == []
    desk.hear(pdu(SUBMIT | RESP, second, b"b\0") + pdu(SUBMIT | RESP, second, b"b\0"))
    assert [one.part.number for one in desk.session.submitted] == [2]
    assert desk.memory.counters.pdus_ignored == 4


def test_a_nack_under_a_foreign_number_lets_the_request_run_into_its_deadline() -> None:
    desk = Desk(response_s=30)
    desk.send()
    desk.hear(pdu(NACK, 16, status=3))
    desk.session.tick(29.9)
    assert desk.fates == []
    desk.session.tick(30.0)
    assert desk.fates == [Fate.UNKNOWN]


def test_a_nack_that_says_no_error_is_no_acceptance() -> None:
    desk = Desk()
    (sequence,) = desk.send()
    desk.hear(pdu(NACK, sequence))
    assert desk.fates == [Fate.TEMPORARY]


def test_deadlines_of_submissions_stand_still_while_we_do_not_read() -> None:
    desk = Desk(response_s=30, enquire_s=3600)
    desk.send()
    desk.session.paused(20.0)
    desk.session.tick(100.0)
    desk.session.resumed(100.0)
    desk.session.tick(109.9)
    assert desk.fates == []
    desk.session.tick(110.0)
    assert desk.fates == [Fate.UNKNOWN]


def test_a_throttled_link_pauses_and_says_so_once() -> None:
    desk = Desk(window=10)
    for sequence in desk.send(part(1), part(2)):
        desk.hear(pdu(SUBMIT | RESP, sequence, status=RTHROTTLED), 1.0)
    assert desk.fates == [Fate.BUSY] * 2
    assert desk.session.room(1.9) == 0
    assert desk.session.submitter.wait_s(1.5) == 0.5
    assert desk.session.room(2.0) == 10
    assert desk.events.count("link.throttled") == 1


def test_a_peer_that_forgot_the_bind_is_bound_to_anew() -> None:
    desk = Desk()
    first, _ = desk.send(part(1), part(2))
    desk.hear(pdu(SUBMIT | RESP, first, status=RINVBNDSTS))
    assert desk.session.ended
    assert desk.session.ended.reason == "bind_forgotten"
    assert desk.fates == [Fate.TEMPORARY, Fate.UNKNOWN]


@given(st.lists(st.sampled_from(["submit", "answer", "refuse", "nack", "late", "end"]), max_size=40))
def test_every_submission_is_answered_exactly_once(steps: list[str]) -> None:
    desk, now, number, waiting = Desk(window=3, enquire_s=3600), 0.0, 0, list[int]()
    for step in steps:
        now += 1.0
        if step == "submit":
            number += 1
            waiting += desk.send(part(number), now=now)
        elif step == "late":
            now += 30.0
            desk.session.tick(now)
        elif step == "end":
            desk.session.end("reset", now)
        elif waiting:
            sequence = waiting.pop(0)
            octets = {
                "answer": pdu(SUBMIT | RESP, sequence, b"id\0"),
                "refuse": pdu(SUBMIT | RESP, sequence, status=0x45),
                "nack": pdu(NACK, sequence, status=3),
            }
            desk.hear(octets[step] * 2, now)
    desk.session.end("reset", now)
    assert sorted(one.part.number for one in desk.session.submitted) == list(range(1, number + 1))


# Goodbye


def test_our_unbind_is_out_once_and_its_answer_ends_the_connection() -> None:
    desk = Desk()
    desk.session.unbind("closing", 1.0)
    desk.session.unbind("closing", 1.5)
    (said,) = desk.said()
    assert said.command_id == UNBIND
    desk.hear(deliver(3), 2.0)
    assert [(one.sequence, one.status) for one in desk.said()] == [(3, RX_T_APPN)]
    desk.hear(pdu(UNBIND | RESP, said.sequence), 2.0)
    assert desk.session.ended == ("unbound", Ending.LASTED)
    assert desk.session.notes.events[-1].fields["reason"] == "closing"


def test_an_unbind_that_is_not_answered_ends_all_the_same() -> None:
    desk = Desk(unbind_s=2)
    desk.session.unbind("closing", 1.0)
    desk.session.tick(3.0)
    assert desk.session.ended


def test_unbinds_that_cross_each_other_end_the_connection() -> None:
    desk = Desk()
    desk.session.unbind("closing", 1.0)
    desk.hear(pdu(UNBIND, 9), 1.0)
    assert [one.command_id for one in desk.said()] == [UNBIND, UNBIND | RESP]
    assert desk.session.ended


def test_nothing_is_served_behind_an_unbind() -> None:
    desk = Desk()
    desk.hear(pdu(UNBIND, 9) + deliver(10))
    assert [one.command_id for one in desk.said()] == [UNBIND | RESP]
    assert desk.session.arrivals == []


def test_the_first_reason_of_an_end_stands() -> None:
    desk = Desk()
    desk.session.end("reset", 1.0)
    desk.session.end("peer_closed", 2.0)
    assert desk.session.ended
    assert desk.session.ended.reason == "reset"
    assert desk.events.count("link.lost") == 1
