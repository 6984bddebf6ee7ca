"""Behaviours 5 to 8 of an SMPP link: bodies that are broken, strange, empty or full."""

from __future__ import annotations

import random

import pytest

from tests.radio.smpp.peer import (
    BIND_TRX,
    DELIVER,
    PAYLOAD,
    RESP,
    RINVMSGLEN,
    SUBMIT,
    UDH,
    bound_scene,
    deliver,
    deliver_body,
    part,
    pdu,
    scene,
    story,
    tlv,
)
from tsm_gateway.messages import Fate, Segment

BROKEN = {
    "empty": b"",
    "no end of service_type": b"\xff" * 40,
    "service_type too long": b"TOOLONG\0" + deliver_body()[1:],
    "source_addr too long": deliver_body(source=b"1" * 21),
    "destination_addr too long": deliver_body(destination=b"1" * 80),
    "cut in the header fields": deliver_body()[:30],
    "cut in short_message": deliver_body()[:-20],
    "short_message of 255": deliver_body(bytes(255)),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
@story
async def test_05_a_broken_body_is_refused_and_the_link_kept(body: bytes) -> None:
    async with bound_scene() as (stage, line):
        line.say(pdu(DELIVER, 9, body))
        heard = await line.hear_only(DELIVER | RESP)
        assert heard.sequence == 9
        assert heard.status != 0
        await line.alive()
        assert stage.record.arrivals == []


@pytest.mark.parametrize(
    "octets", [b"\x04", b"\x04\x24\x00", tlv(0x1400, b"ab")[:-1], tlv(0x1400, b"") + b"\xff"]
)
@story
async def test_05_a_broken_tlv_is_refused_as_one(octets: bytes) -> None:
    async with bound_scene() as (stage, line):
        line.say(pdu(DELIVER, 9, deliver_body(tlvs=octets)))
        assert (await line.hear_only(DELIVER | RESP)).status in {0xC0, 0xC2}
        await line.alive()
        assert stage.record.arrivals == []


TOLERATED = {
    "unknown": tlv(0x7ABC, b"whatever"),
    "repeated": tlv(0x1400, b"a") * 3,
    "vendor": tlv(0x1403, b"\0\1"),
    "of another PDU": tlv(0x0030, b"\1") + tlv(0x0005, b"\1") + tlv(0x0422, b"\1") + tlv(0x130C, b""),
    "flag with a value": tlv(0x130C, b"\1\2\3"),
    "integer of odd size": tlv(0x0204, b"\0\0\7") + tlv(0x0427, b"\0\2"),
    "string with NUL": tlv(0x001D, b"info\0"),
    "string without NUL": tlv(0x001D, b"info"),
    "empty": tlv(0x0424 + 0x1000, b""),
}


@pytest.mark.parametrize("octets", TOLERATED.values(), ids=TOLERATED.keys())
@story
async def test_06_a_strange_tlv_does_no_harm(octets: bytes) -> None:
    async with bound_scene() as (stage, line):
        line.say(deliver(9, tlvs=octets))
        await stage.record.until(lambda: bool(stage.record.arrivals))
        (arrival,) = stage.record.arrivals
        assert isinstance(arrival, Segment)
        assert arrival.body == PAYLOAD[7:]


@pytest.mark.parametrize("body", [b"", b"\0", b"id-1\0", b"id without its NUL"])
@pytest.mark.parametrize("status", [0, 0x45])
@story
async def test_07_a_response_may_have_a_body_or_none(body: bytes, status: int) -> None:
    async with bound_scene() as (stage, line):
        stage.link.submit([part()])
        heard = await line.hear_only(SUBMIT)
        line.say(pdu(SUBMIT | RESP, heard.sequence, body, status))
        await stage.record.until(lambda: bool(stage.record.submitted))
        assert stage.record.submitted[0].fate is (Fate.TEMPORARY if status else Fate.ACCEPTED)


@pytest.mark.parametrize(
    "body", [b"", b"\0", b"smsc\0", b"smsc\0" + tlv(0x0210, b"\x34"), tlv(0x0210, b"\x50")]
)
@story
async def test_07_a_bind_response_may_have_a_body_or_none(body: bytes) -> None:
    async with scene() as stage:
        line = await stage.smsc.line()
        bind = await line.hear_only(BIND_TRX)
        line.say(pdu(BIND_TRX | RESP, bind.sequence, body))
        await stage.record.until(lambda: stage.link.bound)


@story
async def test_08_a_message_said_twice_is_rejected() -> None:
    async with bound_scene() as (stage, line):
        line.say(deliver(9, tlvs=tlv(0x0424, PAYLOAD)))
        assert (await line.hear_only(DELIVER | RESP)).status == RINVMSGLEN
        await line.alive()
        assert stage.record.arrivals == []


@pytest.mark.parametrize("size", [0, 254])
@story
async def test_08_a_short_message_may_have_0_to_254_octets(size: int) -> None:
    async with bound_scene() as (stage, line):
        line.say(deliver(9, short_message=bytes(size), esm_class=0))
        await stage.record.until(lambda: bool(stage.record.arrivals))
        (arrival,) = stage.record.arrivals
        assert isinstance(arrival, Segment)
        assert len(arrival.body) == size


@story
async def test_08_a_payload_may_nearly_fill_the_longest_pdu() -> None:
    async with bound_scene() as (stage, line):
        payload = UDH + random.Random(8).randbytes(65_000)
        line.say(deliver(9, short_message=b"", tlvs=tlv(0x0424, payload)))
        await stage.record.until(lambda: bool(stage.record.arrivals))
        (arrival,) = stage.record.arrivals
        assert isinstance(arrival, Segment)
        assert arrival.body == payload[7:]
