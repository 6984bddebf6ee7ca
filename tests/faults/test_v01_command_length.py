"""V1: command_length too large or too small.

Libraries of this field wait for as many octets as a stranger announces, or take a length below the header
for one. Here any impossible length is nacked and ends the connection within a second, next to nothing is
buffered for it, and the daemon binds anew and serves payments.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.carrier import Carrier, carrier_for
from tests.radio.smpp.peer import HEAD, NACK, RINVCMDID, RINVCMDLEN, story

if TYPE_CHECKING:
    from tests.faults.daemon import Daemon

CAP = 65_536
CLOSED_WITHIN_S = 1.0
JUNK = 4 << 20  # octets offered behind the length; what is buffered of them would show
BUFFERED = 64 << 10
NOISE = 2 << 20  # of a resident set between two looks at it

LENGTHS = [*range(16), CAP + 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1]
FOREIGN = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"AMQP\x00\x00\x09\x01",
    b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01\x02\x00",
]


@story
async def _refused(daemon: Daemon, octets: bytes) -> None:
    """Say `octets` and as much junk as is taken: refused in time, nothing kept, bound anew, and a payment."""
    async with carrier_for(daemon) as (carrier, smsc):
        await carrier.pay()
        before = daemon.memory()
        began = time.monotonic()
        carrier.say(octets + bytes(JUNK))
        heard = await carrier.hear()
        assert (heard.command_id, heard.status, heard.sequence) == (NACK, RINVCMDLEN, 0)
        await carrier.line.gone()
        assert time.monotonic() - began < CLOSED_WITHIN_S
        assert daemon.memory() - before < BUFFERED + NOISE
        anew = Carrier(daemon, await smsc.bound_line())
        await anew.pay()


@pytest.mark.parametrize("length", LENGTHS)
def test_an_impossible_length_ends_the_connection_and_payments_go_on(daemon: Daemon, length: int) -> None:
    _refused(daemon, length.to_bytes(4, "big"))


@pytest.mark.parametrize("octets", FOREIGN)
def test_another_protocol_on_the_port_ends_the_connection_and_payments_go_on(
    daemon: Daemon, octets: bytes
) -> None:
    _refused(daemon, octets)


@pytest.mark.parametrize("length", [16, CAP])
@story
async def test_the_shortest_and_the_longest_length_are_served_on_the_same_connection(
    daemon: Daemon, length: int
) -> None:
    async with carrier_for(daemon) as (carrier, _):
        carrier.say(HEAD.pack(length, 0x0BAD, 0, 5) + bytes(length - 16))
        heard = await carrier.hear()
        assert (heard.command_id, heard.status, heard.sequence) == (NACK, RINVCMDID, 5)
        await carrier.pay()


@story
async def test_the_longest_pdu_dribbled_in_is_not_copied_for_every_octet(daemon: Daemon) -> None:
    """Kept as it comes, it costs its own length; copied at each read it would cost gigabytes of copying."""
    async with carrier_for(daemon) as (carrier, _):
        await carrier.pay()
        before = daemon.memory()
        octets = HEAD.pack(CAP, 0x0BAD, 0, 5) + bytes(CAP - 16)
        for at in range(0, CAP, 16):
            carrier.say(octets[at : at + 16])
            await asyncio.sleep(0)
        assert (await carrier.hear()).status == RINVCMDID
        assert daemon.memory() - before < BUFFERED + NOISE
        await carrier.pay()
