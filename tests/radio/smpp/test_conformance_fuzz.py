"""Behaviour 23 of an SMPP link: a hundred thousand mutated PDUs."""

from __future__ import annotations

import asyncio
import random

from tests.radio.smpp.peer import (
    ALERT,
    BIND_TRX,
    DATA,
    ENQUIRE,
    NACK,
    PAYLOAD,
    RECEIPT_TEXT,
    RESP,
    SUBMIT,
    UNBIND,
    Desk,
    bound_scene,
    data_body,
    deliver,
    deliver_body,
    pdu,
    story,
    tlv,
)
from tsm_gateway.messages import Verdict
from tsm_gateway.radio.smpp.bind_life import BindState
from tsm_gateway.radio.smpp.link_event import EVENTS


def mutated(dice: random.Random, octets: bytes) -> bytes:
    """A PDU with a few octets changed, cut, doubled or put in, its length mended most of the time."""
    body = bytearray(octets)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(body)) if body else 0
        match dice.randrange(4):
            case 0 if body:
                body[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
            case 1:
                del body[at : at + dice.randint(1, 8)]
            case 2:
                body[at:at] = dice.randbytes(dice.randint(1, 8))
            case _:
                body[at:at] = body[at : at + dice.randint(1, 16)]
    if dice.random() < 0.98 and len(body) >= 16:
        body[:4] = len(body).to_bytes(4, "big")
    return bytes(body)


SEEDS = (
    deliver(5),
    deliver(6, esm_class=0x04, short_message=RECEIPT_TEXT, tlvs=tlv(0x1E, b"id\0") + tlv(0x427, b"\2")),
    deliver(7, short_message=b"", tlvs=tlv(0x0424, PAYLOAD) + tlv(0x020C, b"\0\7") + tlv(0x020E, b"\2")),
    pdu(DATA, 8, data_body()),
    pdu(ENQUIRE, 9),
    pdu(ALERT, 10, b"\x01\x0149151\0\x01\x0116500\0"),
    pdu(SUBMIT | RESP, 2, b"id\0"),
    pdu(BIND_TRX | RESP, 1, b"smsc\0" + tlv(0x0210, b"\x34")),
    pdu(NACK, 2, status=3),
    pdu(UNBIND, 11),
    pdu(0x0B, 12, b"smsc\0secret\0"),
    pdu(SUBMIT, 13, deliver_body()),
)


def test_23_a_hundred_thousand_mutated_pdus_never_raise() -> None:
    dice = random.Random(23)
    desk, fed, sessions = Desk(), 0, 1
    while fed < 100_000:
        octets = b"".join(mutated(dice, dice.choice(SEEDS)) for _ in range(20))
        fed += 20
        desk.hear(octets, fed / 1000)
        desk.session.tick(fed / 1000)
        desk.session.arrivals.clear()
        desk.session.out.clear()
        assert {event.event for event in desk.session.notes.events} <= EVENTS
        if desk.session.ended:
            assert desk.session.state is BindState.CLOSED
            desk, sessions = Desk(), sessions + 1
            desk.send()
    assert sessions > 100  # streams were lost, and found again


@story
async def test_23_a_fuzzed_link_is_alive_or_cleanly_bound_anew() -> None:
    dice = random.Random(24)
    async with bound_scene(verdict=Verdict.TAKEN, pdu_read_s=0.3) as (stage, first):
        current = first
        for _ in range(40):
            current.say(b"".join(mutated(dice, dice.choice(SEEDS)) for _ in range(50)))
            await asyncio.sleep(0)
            if not stage.smsc.lines.empty():
                current = await stage.smsc.bound_line()
        current.hang_up()
        current = await stage.smsc.line()
        while (await current.hear()).command_id != BIND_TRX:
            pass
        current.say(pdu(BIND_TRX | RESP, 1, b"\0"))
        await current.alive()
        assert not stage.run.done()
