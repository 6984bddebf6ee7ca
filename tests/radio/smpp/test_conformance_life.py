"""Behaviours 9 to 11 of an SMPP link: bind, unbind, enquire_link."""

from __future__ import annotations

import asyncio

import pytest

from tests.radio.smpp.peer import (
    BIND_TRX,
    BIND_TX,
    DELIVER,
    ENQUIRE,
    RALYBND,
    RESP,
    RINVPASWD,
    RINVSYSID,
    RSYSERR,
    RX_T_APPN,
    SUBMIT,
    UNBIND,
    bound_scene,
    deliver,
    part,
    pdu,
    scene,
    story,
)
from tsm_gateway.messages import Fate, Verdict
from tsm_gateway.radio.smpp.options import BindMode


@story
async def test_09_the_bind_waits_for_its_own_answer_and_answers_meanwhile() -> None:
    async with scene(mode=BindMode.RECEIVER) as stage:
        line = await stage.smsc.line()
        bind = await line.hear()
        line.say(deliver(70) + pdu(BIND_TRX | RESP, bind.sequence + 5, b"\0") + pdu(ENQUIRE, 71))
        assert (await line.hear_only(ENQUIRE | RESP)).sequence == 71
        await stage.record.until(lambda: bool(stage.record.arrivals))
        assert not stage.link.bound
        stage.link.answer([(stage.record.tickets[0], Verdict.TAKEN)])
        assert (await line.hear_only(DELIVER | RESP)).sequence == 70
        line.say(pdu(BIND_TX | RESP, bind.sequence, b"\0"))  # the wrong kind, as one peer does
        await stage.record.until(lambda: stage.link.bound)


@story
async def test_09_a_bind_without_an_answer_is_tried_again() -> None:
    async with scene(bind_s=0.3) as stage:
        line = await stage.smsc.line()
        await line.hear_only(BIND_TRX)
        await line.gone()
        await stage.smsc.bound_line()
        assert stage.record.event("link.lost").fields["reason"] == "bind_timeout"


@pytest.mark.parametrize("status", [RALYBND, RSYSERR])
@story
async def test_09_a_peer_in_trouble_is_bound_to_after_a_pause(status: int) -> None:
    async with scene() as stage:
        await (await stage.smsc.line()).bind(status=status)
        await stage.smsc.bound_line()
        await stage.record.until(lambda: stage.link.bound)
        assert not stage.record.event("link.bind_refused").alarm


@pytest.mark.parametrize("status", [RINVPASWD, RINVSYSID])
@story
async def test_09_a_password_not_taken_is_an_alarm_and_tried_rarely(status: int) -> None:
    async with scene(denied_s=30) as stage:
        line = await stage.smsc.line()
        await line.bind(status=status)
        await line.gone()
        await stage.record.until(lambda: "link.bind_refused" in stage.record.names)
        assert stage.record.event("link.bind_refused").alarm
        await asyncio.sleep(0.3)  # several pauses of the ordinary kind
        assert stage.smsc.lines.empty()
        assert stage.link.snapshot().state == "waiting"


@story
async def test_10_an_unbind_is_answered_and_the_link_bound_anew() -> None:
    async with bound_scene() as (stage, line):
        line.say(pdu(UNBIND, 88))
        assert (await line.hear_only(UNBIND | RESP)).sequence == 88
        await line.gone()
        await stage.smsc.bound_line()
        await stage.record.until(lambda: stage.record.names.count("link.bound") == 2)


@story
async def test_10_our_unbind_waits_for_what_is_under_way() -> None:
    async with bound_scene() as (stage, line):
        line.say(deliver(5))
        await stage.record.until(lambda: bool(stage.record.arrivals))
        stage.link.submit([part()])
        submit = await line.hear_only(SUBMIT)
        closing = asyncio.create_task(stage.link.close(5.0))
        line.say(deliver(6))
        refused = await line.hear_only(DELIVER | RESP)
        assert (refused.sequence, refused.status) == (6, RX_T_APPN)
        stage.link.answer([(stage.record.tickets[0], Verdict.TAKEN)])
        assert (await line.hear_only(DELIVER | RESP)).sequence == 5
        line.say(pdu(SUBMIT | RESP, submit.sequence, b"id\0"))
        unbind = await line.hear_only(UNBIND)
        assert stage.record.submitted[0].fate is Fate.ACCEPTED
        line.say(pdu(UNBIND | RESP, unbind.sequence))
        await line.gone()
        await closing
        await asyncio.wait_for(stage.run, 1.0)


@story
async def test_10_our_unbind_does_not_wait_for_ever() -> None:
    async with bound_scene(unbind_s=0.3) as (stage, line):
        stage.link.submit([part()])
        await line.hear_only(SUBMIT)
        async with asyncio.timeout(2.0):
            await stage.link.close(0.2)
        assert [one.fate for one in stage.record.submitted] == [Fate.UNKNOWN]
        await line.hear_only(UNBIND)
        await line.gone()
        await asyncio.wait_for(stage.run, 1.0)


@story
async def test_11_a_quiet_peer_is_asked_and_its_answer_keeps_the_link() -> None:
    async with bound_scene(enquire_s=0.3, answer_s=5) as (stage, line):
        for _ in range(2):
            asked = await line.hear_only(ENQUIRE)
            line.say(pdu(ENQUIRE | RESP, asked.sequence))
        assert stage.link.bound


@story
async def test_11_a_talking_peer_is_not_asked() -> None:
    async with bound_scene(enquire_s=0.6) as (stage, line):
        for _ in range(12):
            await line.alive()
            await asyncio.sleep(0.1)
        assert stage.link.snapshot().counters["probes"] == 0


@story
async def test_11_a_peer_that_does_not_answer_is_dropped() -> None:
    async with bound_scene(enquire_s=0.3, answer_s=0.3) as (stage, line):
        await line.hear_only(ENQUIRE)
        await line.gone()
        await stage.smsc.bound_line()
        assert stage.record.event("link.lost").fields["reason"] == "enquire_timeout"
        assert stage.link.snapshot().counters["probes_unanswered"] == 1


@story
async def test_11_the_peers_question_is_answered_under_load_and_while_the_intake_is_held() -> None:
    async with bound_scene(intake=50) as (stage, line):
        line.say(b"".join(deliver(sequence) for sequence in range(1, 200)))
        stage.link.pause_intake()
        line.say(pdu(ENQUIRE, 999))
        async with asyncio.timeout(8.0):
            while (await line.hear()).command_id != ENQUIRE | RESP:
                pass
