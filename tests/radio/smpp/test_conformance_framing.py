"""Behaviours 1 to 4 of an SMPP link: lengths, splits, and what is no PDU of ours."""

from __future__ import annotations

import asyncio
import resource

import pytest

from tests.radio.smpp.peer import (
    BIND_TRX,
    DELIVER,
    ENQUIRE,
    HEAD,
    NACK,
    RESP,
    RINVCMDID,
    RINVCMDLEN,
    SUBMIT,
    bound_scene,
    deliver,
    deliver_body,
    part,
    pdu,
    story,
)
from tsm_gateway.messages import Fate, Verdict


@pytest.mark.parametrize(
    "length",
    [0, 1, 2, 4, 8, 15, 65_537, 0x48545450, 0x414D5150, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF],
)
@story
async def test_01_an_impossible_length_is_nacked_and_the_link_closed_and_bound_anew(length: int) -> None:
    async with bound_scene() as (stage, line):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        line.say(length.to_bytes(4, "big") + bytes(60_000))
        heard = await line.hear_only(NACK)
        assert (heard.status, heard.sequence) == (RINVCMDLEN, 0)
        async with asyncio.timeout(1.0):
            await line.gone()
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8192  # kibibytes
        await stage.smsc.bound_line()
        assert stage.record.event("link.lost").fields["reason"] == "framing"


@pytest.mark.parametrize("length", [16, 65_536])
@story
async def test_01_the_shortest_and_the_longest_pdu_are_served(length: int) -> None:
    async with bound_scene() as (_, line):
        line.say(HEAD.pack(length, 0x0BAD, 0, 5) + bytes(length - 16))
        assert (await line.hear_only(NACK)).status == RINVCMDID
        await line.alive()


@story
async def test_01_what_came_before_the_impossible_length_still_counts() -> None:
    async with bound_scene() as (stage, line):
        stage.link.submit([part()])
        heard = await line.hear_only(SUBMIT)
        line.say(pdu(SUBMIT | RESP, heard.sequence, b"id\0") + b"HTTP/1.1 200 OK\r\n")
        await stage.record.until(lambda: bool(stage.record.submitted))
        assert stage.record.submitted[0].fate is Fate.ACCEPTED


@story
async def test_02_octets_may_come_one_by_one() -> None:
    async with bound_scene() as (stage, line):
        for octet in deliver(3) + pdu(ENQUIRE, 4) + deliver(5):
            line.say(bytes((octet,)))
            await asyncio.sleep(0)
        assert (await line.hear_only(ENQUIRE | RESP)).sequence == 4
        await stage.record.until(lambda: len(stage.record.arrivals) == 2)
        assert [ticket.sequence for ticket in stage.record.tickets] == [3, 5]


@story
async def test_02_a_hundred_pdus_may_come_in_one_segment_and_are_handed_over_as_one() -> None:
    async with bound_scene(verdict=Verdict.TAKEN) as (stage, line):
        line.say(b"".join(deliver(sequence) for sequence in range(1, 101)))
        heard = [(await line.hear_only(DELIVER | RESP)).sequence for _ in range(100)]
        assert heard == list(range(1, 101))
        assert sum(stage.record.batches) == 100
        assert len(stage.record.batches) <= 3


@story
async def test_03_a_pdu_that_does_not_end_in_time_closes_the_link() -> None:
    async with bound_scene(pdu_read_s=0.4) as (stage, line):
        line.say(deliver(3)[:50])
        await line.gone()
        await stage.smsc.bound_line()
        assert stage.record.event("link.lost").fields["reason"] == "pdu_timeout"
        assert stage.record.arrivals == []


@pytest.mark.parametrize("command_id", [0x0BAD, 0x0A, 0x111, 0x7FFFFFFF, 0x10000])
@story
async def test_04_an_unknown_request_is_nacked_under_its_number_and_the_link_kept(command_id: int) -> None:
    async with bound_scene() as (_, line):
        line.say(pdu(command_id, 55, b"anything"))
        heard = await line.hear_only(NACK)
        assert (heard.status, heard.sequence) == (RINVCMDID, 55)
        await line.alive()


@story
async def test_04_an_unknown_response_is_ignored_and_counted() -> None:
    async with bound_scene() as (stage, line):
        line.say(pdu(0x80000BAD, 55) + pdu(0x80000111, 56, b"x"))
        await line.alive()
        assert stage.link.snapshot().counters["pdus_ignored"] == 2


@pytest.mark.parametrize("command_id", [SUBMIT, 0x03, 0x07, 0x08, BIND_TRX, 0x21])
@story
async def test_04_a_request_only_a_message_centre_serves_is_refused(command_id: int) -> None:
    async with bound_scene() as (_, line):
        line.say(pdu(command_id, 55, deliver_body()))
        heard = await line.hear()
        assert heard.command_id in {command_id | RESP, NACK}
        assert heard.status != 0
        assert heard.sequence == 55
        await line.alive()
