"""V3: optional parameters by the thousand, empty, repeated, longer than their PDU, and message_payload.

One product drops its session at a parameter it does not know. Here what is unknown is passed over, what
cannot be walked is refused, and neither costs the session or memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.carrier import carrier_for
from tests.radio.smpp.peer import DELIVER, deliver, deliver_body, pdu, story, tlv

if TYPE_CHECKING:
    from tests.faults.daemon import Daemon
    from tsm_gateway.virtual.part import Part

CAP = 65_536
MAX_TLVS = 64
MESSAGE_PAYLOAD, UNKNOWN = 0x0424, 0x1FFF
GROWTH = 8 << 20

WALKABLE = {
    "one unknown": tlv(UNKNOWN, b"?"),
    "as many as there may be": b"".join(tlv(0x1400 + at, b"x") for at in range(MAX_TLVS)),
    "as many empty ones": tlv(UNKNOWN, b"") * MAX_TLVS,
    "one tag, again and again": b"".join(tlv(UNKNOWN, bytes((at,))) for at in range(MAX_TLVS)),
    "one of 60,000 octets": tlv(UNKNOWN, bytes(60_000)),
}
BOMBS = {
    "one too many": tlv(UNKNOWN, b"") * (MAX_TLVS + 1),
    "16,000 empty ones": tlv(UNKNOWN, b"") * 16_000,
    "13,000 of one octet": tlv(UNKNOWN, b"x") * 13_000,
    "a length past the end by one": b"\x1f\xff\x00\x02x",
    "a length past the end by all": b"\x1f\xff\xff\xff",
    "a length past any PDU behind a sound one": tlv(UNKNOWN, b"x") + b"\x1f\xff\xff\xff" + bytes(100),
    "half a head": b"\x1f",
    "no length": b"\x1f\xff\x00",
    "message_payload past the end": b"\x04\x24\x00\x40abc",
}


@pytest.mark.parametrize("case", WALKABLE)
@story
async def test_a_payment_among_parameters_nobody_knows_is_accepted(daemon: Daemon, case: str) -> None:
    async with carrier_for(daemon) as (carrier, smsc):
        for sequence, part in enumerate(daemon.pay(), 1):
            carrier.say(deliver(sequence, tlvs=WALKABLE[case], **_carriage(part)))
        assert await carrier.answers([1, 2]) == [0, 0]
        assert await carrier.forwarded(1)
        await carrier.pay()
        assert len(smsc.every) == 1


@pytest.mark.parametrize("case", BOMBS)
@story
async def test_a_bomb_is_refused_and_costs_neither_session_nor_memory(daemon: Daemon, case: str) -> None:
    async with carrier_for(daemon) as (carrier, smsc):
        await carrier.pay()
        before = daemon.memory()
        part = daemon.pay()[0]
        for sequence in range(1, 51):
            carrier.say(deliver(sequence, tlvs=BOMBS[case], **_carriage(part)))
        assert all(await carrier.answers(range(1, 51)))
        assert daemon.memory() - before < GROWTH
        await carrier.pay()
        assert len(smsc.every) == 1


@pytest.mark.parametrize("octets", [0, 1, 254, 255, 1_000, CAP - 16 - len(deliver_body(b"")) - 4])
@story
async def test_a_payload_as_long_as_a_pdu_allows_is_consumed_and_kept_nowhere(
    daemon: Daemon, octets: int
) -> None:
    async with carrier_for(daemon) as (carrier, _):
        await carrier.pay()
        before = daemon.memory()
        stuffed = b"\x06\x05\x04\x40\x74\x40\x74" + bytes(octets)
        body = deliver_body(b"", tlvs=tlv(MESSAGE_PAYLOAD, stuffed[:octets]))
        for sequence in range(1, 51):
            carrier.say(pdu(DELIVER, sequence, body))
        assert set(await carrier.answers(range(1, 51))) == {0}
        assert daemon.memory() - before < GROWTH
        await carrier.pay()


@story
async def test_a_payload_beside_a_short_message_is_refused_and_the_one_in_a_payload_alone_taken(
    daemon: Daemon,
) -> None:
    async with carrier_for(daemon) as (carrier, _):
        parts = daemon.pay()
        whole = [part.udh + part.data for part in parts]
        for sequence, user_data in enumerate(whole, 1):
            body = deliver_body(user_data, source=_source(parts[0]), tlvs=tlv(MESSAGE_PAYLOAD, user_data))
            carrier.say(pdu(DELIVER, sequence, body))
        assert all(await carrier.answers([1, 2]))
        for sequence, user_data in enumerate(whole, 3):
            body = deliver_body(b"", source=_source(parts[0]), tlvs=tlv(MESSAGE_PAYLOAD, user_data))
            carrier.say(pdu(DELIVER, sequence, body))
        assert await carrier.answers([3, 4]) == [0, 0]
        await carrier.pay()
        assert len(await carrier.forwarded(2)) == 2


def _source(part: Part) -> bytes:
    return part.source.removeprefix("+").encode()


def _carriage(part: Part) -> dict[str, bytes]:
    return {"short_message": part.udh + part.data, "source": _source(part)}
