"""Behaviours 12 to 18 of an SMPP link: numbers, window, throttling, answers, loss."""

from __future__ import annotations

import asyncio

import pytest

from tests.radio.smpp.peer import (
    ALERT,
    DATA,
    DELIVER,
    ENQUIRE,
    NACK,
    PAYLOAD,
    RESP,
    RMSGQFUL,
    RSYSERR,
    RTHROTTLED,
    RX_T_APPN,
    SUBMIT,
    Record,
    Smsc,
    bound_scene,
    data_body,
    deliver,
    new_link,
    options_for,
    part,
    pdu,
    story,
)
from tsm_gateway.messages import Fate, Segment, Verdict


@story
async def test_12_foreign_doubled_and_mistyped_responses_are_ignored() -> None:
    async with bound_scene() as (stage, line):
        stage.link.submit([part(1), part(2)])
        first, second = await line.hear_only(SUBMIT), await line.hear_only(SUBMIT)
        assert second.sequence == first.sequence + 1
        line.say(
            pdu(SUBMIT | RESP, 0x7FFFFFFF, b"x\0")
            + pdu(ENQUIRE | RESP, first.sequence)
            + pdu(NACK, 16, status=3)
            + pdu(SUBMIT | RESP, second.sequence, b"b\0") * 2
            + pdu(SUBMIT | RESP, first.sequence, b"a\0")
        )
        await stage.record.until(lambda: len(stage.record.submitted) == 2)
        assert [one.part.number for one in stage.record.submitted] == [2, 1]
        assert stage.link.snapshot().counters["pdus_ignored"] == 4


@story
async def test_12_sequence_numbers_wrap_and_skip_those_still_waiting() -> None:
    async with bound_scene() as (stage, line):
        assert stage.link._wire
        stage.link._wire.session.submitter.window._last = 0x7FFFFFFE
        stage.link.submit([part(1), part(2)])
        assert (await line.hear_only(SUBMIT)).sequence == 0x7FFFFFFF
        assert (await line.hear_only(SUBMIT)).sequence == 1
        stage.link._wire.session.submitter.window._last = 0x7FFFFFFF
        stage.link.submit([part(3)])
        assert (await line.hear_only(SUBMIT)).sequence == 2


@story
async def test_13_the_window_is_never_exceeded() -> None:
    async with bound_scene(window=3) as (stage, line):
        waiting = list(range(1, 21))

        def feed(_link: object) -> None:
            room = stage.link.room()
            stage.link.submit([part(number) for number in waiting[:room]])
            del waiting[:room]

        stage.link._wire._outlets = stage.link._wire._outlets._replace(room=lambda: feed(None))  # type: ignore[union-attr]
        feed(None)
        open_: list[int] = []
        for _ in range(20):
            open_.append((await line.hear_only(SUBMIT)).sequence)
            assert len(open_) <= 3
            if len(open_) == 3 or len(waiting) == 0:
                line.say(pdu(SUBMIT | RESP, open_.pop(0), b"id\0"))
        for sequence in open_:
            line.say(pdu(SUBMIT | RESP, sequence, b"id\0"))
        await stage.record.until(lambda: len(stage.record.submitted) == 20)
        assert [one.part.number for one in stage.record.submitted] == list(range(1, 21))


@story
async def test_14_a_submission_without_an_answer_has_an_unknown_fate_and_a_late_answer_changes_nothing() -> (
    None
):
    async with bound_scene(response_s=0.3) as (stage, line):
        stage.link.submit([part()])
        heard = await line.hear_only(SUBMIT)
        await stage.record.until(lambda: bool(stage.record.submitted))
        assert [one.fate for one in stage.record.submitted] == [Fate.UNKNOWN]
        line.say(pdu(SUBMIT | RESP, heard.sequence, b"id\0"))
        await line.alive()
        assert len(stage.record.submitted) == 1
        assert stage.link.snapshot().counters["submits_unanswered"] == 1


@pytest.mark.parametrize("status", [RTHROTTLED, RMSGQFUL])
@story
async def test_15_a_throttled_link_pauses_and_then_offers_room_again(status: int) -> None:
    async with bound_scene(throttle_max_s=0.4) as (stage, line):
        stage.link.submit([part()])
        heard = await line.hear_only(SUBMIT)
        line.say(pdu(SUBMIT | RESP, heard.sequence, status=status))
        await stage.record.until(lambda: bool(stage.record.submitted))
        assert (stage.record.submitted[0].fate, stage.record.submitted[0].status) == (Fate.BUSY, status)
        paused_at = asyncio.get_running_loop().time()
        rooms = len(stage.record.rooms)
        assert stage.link.room() == 0
        await stage.record.until(lambda: len(stage.record.rooms) > rooms)
        assert asyncio.get_running_loop().time() - paused_at >= 0.3
        assert stage.link.room() == 50


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (RSYSERR, Fate.TEMPORARY),
        (0x0B, Fate.PERMANENT),
        (0x400, Fate.TEMPORARY),
        (0x4FF, Fate.TEMPORARY),
        (0xDEAD, Fate.TEMPORARY),
    ],
)
@story
async def test_15_every_status_has_a_fate(status: int, fate: Fate) -> None:
    async with bound_scene() as (stage, line):
        stage.link.submit([part()])
        heard = await line.hear_only(SUBMIT)
        line.say(pdu(SUBMIT | RESP, heard.sequence, status=status))
        await stage.record.until(lambda: bool(stage.record.submitted))
        assert (stage.record.submitted[0].fate, stage.record.submitted[0].status) == (fate, status)
        await line.alive()


@story
async def test_16_a_lost_link_settles_what_was_under_way_and_comes_back() -> None:
    async with bound_scene() as (stage, line):
        stage.link.submit([part(1), part(2)])
        await line.hear_only(SUBMIT)
        line.hang_up()
        await stage.record.until(lambda: len(stage.record.submitted) == 2)
        assert [one.fate for one in stage.record.submitted] == [Fate.UNKNOWN] * 2
        stage.link.submit([part(3)])
        await stage.record.until(lambda: len(stage.record.submitted) == 3)
        assert stage.record.submitted[2].fate is Fate.NOT_SENT
        await stage.smsc.bound_line()
        await stage.record.until(lambda: stage.link.bound)


@story
async def test_16_the_next_address_serves_when_the_first_does_not() -> None:
    first, second, record = Smsc(), Smsc(), Record()
    await first.start()
    await second.start()
    link = new_link(options_for(first.port, second.port, stable_s=0), record)
    run = asyncio.create_task(link.run())
    try:
        line = await first.bound_line()
        await record.until(lambda: link.bound)
        await first.stop()
        await second.bound_line()
        await record.until(lambda: link.snapshot().port == second.port and link.bound)
        await first.start(port=first.port)
        await second.stop()
        line = await first.bound_line()
        await record.until(lambda: link.snapshot().port == first.port and link.bound)
        await line.alive()
    finally:
        run.cancel()
        await asyncio.wait({run})
        await first.stop()
        await second.stop()


@story
async def test_16_several_links_bind_to_one_peer_side_by_side() -> None:
    smsc, record = Smsc(), Record()
    await smsc.start()
    links = [new_link(options_for(smsc.port, name=f"carrier-{number}"), record) for number in range(3)]
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(link.run()) for link in links]
        lines = [await smsc.bound_line() for _ in links]
        await record.until(lambda: all(link.bound for link in links))
        for number, line in enumerate(lines):
            line.say(deliver(number + 1))
        await record.until(lambda: len(record.arrivals) == 3)
        assert {ticket.bearer for ticket in record.tickets} == {"carrier-0", "carrier-1", "carrier-2"}
        for run in runs:
            run.cancel()
    await smsc.stop()


@pytest.mark.parametrize(
    ("verdict", "status"), [(Verdict.TAKEN, 0), (Verdict.BUSY, RX_T_APPN), (Verdict.FULL, RMSGQFUL)]
)
@story
async def test_17_a_message_is_answered_when_its_verdict_is_there_and_not_before(
    verdict: Verdict, status: int
) -> None:
    async with bound_scene() as (stage, line):
        line.say(deliver(5))
        await stage.record.until(lambda: bool(stage.record.arrivals))
        await line.alive()  # the next octets are this answer: nothing was said for the message
        stage.link.answer([(stage.record.tickets[0], verdict)])
        heard = await line.hear_only(DELIVER | RESP)
        assert (heard.sequence, heard.status) == (5, status)


@story
async def test_17_a_late_verdict_is_answered_temporary_in_its_stead() -> None:
    async with bound_scene(intake_s=0.3) as (stage, line):
        line.say(deliver(5))
        heard = await line.hear_only(DELIVER | RESP)
        assert (heard.sequence, heard.status) == (5, RX_T_APPN)
        stage.link.answer([(stage.record.tickets[0], Verdict.TAKEN)])
        await line.alive()
        assert stage.link.snapshot().counters["answers_void"] == 1


@story
async def test_17_a_verdict_for_a_lost_connection_is_dropped_and_the_message_comes_again() -> None:
    async with bound_scene() as (stage, line):
        line.say(deliver(5))
        await stage.record.until(lambda: bool(stage.record.arrivals))
        line.hang_up()
        again = await stage.smsc.bound_line()
        again.say(deliver(5))
        await stage.record.until(lambda: len(stage.record.arrivals) == 2)
        old, new = stage.record.tickets
        stage.link.answer([(old, Verdict.TAKEN)])
        await again.alive()
        stage.link.answer([(new, Verdict.TAKEN)])
        assert (await again.hear_only(DELIVER | RESP)).sequence == 5


@story
async def test_18_a_data_sm_is_a_message() -> None:
    async with bound_scene(verdict=Verdict.TAKEN) as (stage, line):
        line.say(pdu(DATA, 5, data_body()))
        heard = await line.hear_only(DATA | RESP)
        assert (heard.sequence, heard.status) == (5, 0)
        (arrival,) = stage.record.arrivals
        assert isinstance(arrival, Segment)
        assert arrival.body == PAYLOAD[7:]


@story
async def test_18_an_alert_is_no_message_and_has_no_answer() -> None:
    async with bound_scene() as (stage, line):
        line.say(pdu(ALERT, 5, b"\x01\x0149151\0\x01\x0116500\0"))
        await line.alive()
        assert stage.record.arrivals == []
        assert stage.link.snapshot().counters["alerts"] == 1


@story
async def test_18_an_outbind_is_nacked_as_we_bind_by_ourselves() -> None:
    async with bound_scene() as (_, line):
        line.say(pdu(0x0B, 5, b"smsc\0secret\0"))
        assert (await line.hear_only(NACK)).sequence == 5
        await line.alive()
