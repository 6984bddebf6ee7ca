"""V4: user data headers that have crashed handsets and libraries: lengths past the end, parts that are none,
one number for two bodies, references of 16 bits.

Whatever the header, the message is consumed in silence; it stands in nobody's way and starts nothing.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.carrier import carrier_for
from tests.radio.smpp.peer import DELIVER, deliver_body, pdu, story

if TYPE_CHECKING:
    from tests.faults.daemon import Daemon

PORTS = "05 04 40 74 40 74"
HEADERS = {
    "no length": "",
    "a length of nothing": "00",
    "a length past the end": "ff 05 04",
    "an element without its length": "01 05",
    "an element past the header": "02 00 ff",
    "an element past the message": "06 05 ff 40 74 40 74",
    "a header that is all length": "05 05 04 40 74 40",
    "parts 0": f"0b {PORTS} 00 03 07 00 01",
    "number 0": f"0b {PORTS} 00 03 07 02 00",
    "number above parts": f"0b {PORTS} 00 03 07 02 03",
    "part 255 of 255": f"0b {PORTS} 00 03 07 ff ff",
    "a wide reference, parts 0": f"0c {PORTS} 08 04 01 00 00 00",
    "a wide reference, number above parts": f"0c {PORTS} 08 04 01 00 02 09",
    "concatenation of two octets": f"0a {PORTS} 00 02 07 02",
    "concatenation of four octets": f"0c {PORTS} 00 04 07 02 01 00",
    "ports of one octet each": "04 04 02 74 74",
    "ports cut short": "05 05 03 40 74 40",
    "only unknown elements": "08 70 01 00 71 03 00 00 00",
    "a thousand empty elements": "fe" + " 70 00" * 127,
}


@pytest.mark.parametrize("case", HEADERS)
@story
async def test_a_header_that_makes_no_sense_is_consumed_in_silence(daemon: Daemon, case: str) -> None:
    header = bytes.fromhex(HEADERS[case])
    async with carrier_for(daemon) as (carrier, smsc):
        bodies = [b"", b"\0", b"\x83", bytes(100)]
        for sequence, body in enumerate(bodies, 1):
            user_data = (header + body)[:254]
            carrier.say(pdu(DELIVER, sequence, deliver_body(user_data)))
        assert set(await carrier.answers(range(1, len(bodies) + 1))) == {0}
        assert not carrier.submits
        await carrier.pay()
        assert len(smsc.every) == 1


@story
async def test_two_bodies_for_one_part_cannot_spoil_the_payment(daemon: Daemon) -> None:
    async with carrier_for(daemon) as (carrier, _):
        first, second = daemon.pay()
        forged = [second._replace(data=bytes((at,)) * len(second.data)) for at in range(3)]
        assert set(await carrier.answers(carrier.send([*forged, first]))) == {0}
        assert not carrier.submits
        assert await carrier.answers(carrier.send([second])) == [0]
        assert await carrier.forwarded(1)


@story
async def test_references_that_differ_only_in_their_width_do_not_mix(daemon: Daemon) -> None:
    async with carrier_for(daemon) as (carrier, _):
        parts = daemon.pay()
        wide = [
            part._replace(udh=bytes.fromhex(f"0c {PORTS} 08 04 ff") + bytes((part.udh[-3],)) + part.udh[-2:])
            for part in daemon.pay(handset=daemon.handsets[1])
        ]
        mixed = [wide[0], parts[0], wide[1], parts[1]]
        assert set(await carrier.answers(carrier.send(mixed))) == {0}
        assert len(await carrier.forwarded(2)) == 2


@story
async def test_a_thousand_headers_by_chance_are_each_answered_once(daemon: Daemon) -> None:
    dice = random.Random(4)
    async with carrier_for(daemon) as (carrier, smsc):
        for sequence in range(1, 1001):
            user_data = bytes((dice.randrange(256),)) + dice.randbytes(dice.randrange(140))
            carrier.say(pdu(DELIVER, sequence, deliver_body(user_data)))
        assert set(await carrier.answers(range(1, 1001))) == {0}
        await carrier.pay()
        assert len(smsc.every) == 1
