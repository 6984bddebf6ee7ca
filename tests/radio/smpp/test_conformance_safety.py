"""Behaviours 22, 24 and 25 of an SMPP link: nothing leaks, nothing grows, everything is counted."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tests.radio.smpp.peer import (
    DELIVER,
    NACK,
    RESP,
    RTHROTTLED,
    SUBMIT,
    UDH,
    bound_scene,
    deliver,
    part,
    pdu,
    story,
)
from tsm_gateway.messages import Unusable, Verdict

if TYPE_CHECKING:
    import pytest


@story
async def test_22_no_password_and_no_payload_is_told_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with bound_scene(verdict=Verdict.TAKEN) as (stage, line):
        line.say(deliver(5, short_message=UDH + b"canary payload"))
        line.say(deliver(6, short_message=UDH + b"canary payload", source=b"1" * 30))
        line.say(pdu(0x0BAD, 7, b"canary payload"))
        for _ in range(3):
            await line.hear()
        stage.link.submit([part(user_data=UDH + b"canary payload")])
        await line.hear_only(SUBMIT)
        line.hang_up()
        await stage.record.until(lambda: "link.lost" in stage.record.names)
        told = repr(stage.record.events) + repr(stage.link.snapshot()) + caplog.text
        assert "canary" not in told
        assert "carrier-a" in told


@story
async def test_22_hostile_pdus_cause_a_bounded_number_of_events() -> None:
    async with bound_scene() as (stage, line):
        for sequence in range(1, 1001):
            line.say(pdu(DELIVER, sequence, b"\xff") + pdu(0x0BAD, sequence) + pdu(0x80000BAD, sequence))
        for _ in range(2000):
            await line.hear()
        await line.alive()
        assert len(stage.record.events) <= 6
        assert stage.link.snapshot().counters["pdus_refused"] == 2000
        assert stage.link.snapshot().counters["pdus_ignored"] == 1000


@story
async def test_24_a_peer_that_does_not_read_cannot_fill_our_memory() -> None:
    async with bound_scene(write_buffer=4096, window=100_000, stall_s=0.6) as (stage, line):
        line.reader._transport.pause_reading()  # type: ignore[attr-defined]
        big = [part(number, UDH + bytes(133)) for number in range(100)]
        submitted = 0
        while stage.link.room() and submitted < 100_000:
            stage.link.submit(big)
            submitted += 100
            await asyncio.sleep(0)
        assert stage.link.room() == 0
        assert submitted < 100_000
        assert stage.link._wire
        assert stage.link._wire._transport
        assert stage.link._wire._transport.get_write_buffer_size() < 4096 + 100 * 250
        assert not stage.link.snapshot().reading  # or our answers would fill it
        await stage.record.until(lambda: "link.lost" in stage.record.names)
        assert stage.record.event("link.lost").fields["reason"] == "stalled"
        await stage.record.until(lambda: len(stage.record.submitted) == submitted)


@story
async def test_24_a_slow_peer_that_reads_again_is_served_again() -> None:
    async with bound_scene(write_buffer=4096, window=100_000) as (stage, line):
        line.reader._transport.pause_reading()  # type: ignore[attr-defined]
        while stage.link.room():
            stage.link.submit([part(number) for number in range(100)])
            await asyncio.sleep(0)
        rooms = len(stage.record.rooms)
        line.reader._transport.resume_reading()  # type: ignore[attr-defined]
        draining = asyncio.create_task(line.gone())
        await stage.record.until(lambda: len(stage.record.rooms) > rooms)
        assert stage.link.room() > 0
        assert stage.link.snapshot().reading
        draining.cancel()


@story
async def test_25_everything_that_happens_is_counted() -> None:
    async with bound_scene(window=3, verdict=Verdict.TAKEN, throttle_max_s=0.1) as (stage, line):
        before = stage.link.snapshot()
        assert (before.state, before.window, before.window_used) == ("bound", 3, 0)
        line.say(deliver(5))
        await line.hear_only(DELIVER | RESP)
        stage.link.submit([part(1), part(2), part(3)])
        first, second, _ = [await line.hear_only(SUBMIT) for _ in range(3)]
        assert stage.link.snapshot().window_used == 3
        line.say(pdu(SUBMIT | RESP, first.sequence, status=RTHROTTLED) + pdu(NACK, second.sequence, status=3))
        await stage.record.until(lambda: len(stage.record.submitted) == 2)
        assert stage.link.snapshot().pause_s > 0
        line.hang_up()
        await stage.smsc.bound_line()
        await stage.record.until(lambda: stage.record.names.count("link.bound") == 2)
        counters = stage.link.snapshot().counters
        told = {
            name: counters[name] for name in ("binds", "losses", "messages", "answers", "submits", "nacks")
        }
        assert told == {"binds": 2, "losses": 1, "messages": 1, "answers": 1, "submits": 3, "nacks": 1}
        assert (counters["submits_throttled"], counters["submits_cut_off"]) == (1, 1)


@story
async def test_25_an_unusable_message_is_told_and_answered_like_any_other() -> None:
    async with bound_scene(verdict=Verdict.TAKEN) as (stage, line):
        line.say(deliver(5, short_message=b"hello", esm_class=0, data_coding=0))
        assert (await line.hear_only(DELIVER | RESP)).status == 0
        (arrival,) = stage.record.arrivals
        assert isinstance(arrival, Unusable)
        assert arrival.reason == "not_for_us"
