"""A virtual card in a virtual PC/SC reader: the card's side of vpcd, the driver of vsmartcard.

The reader listens, the card connects. Messages either way are a length of two octets, big-endian, and as many
octets. One octet from the reader is about the power; more are a command APDU.

| octet | means | the card answers |
|---|---|---|
| 00 | power off | nothing |
| 01, 02 | power on, reset | nothing |
| 04 | which is your answer to reset? | that |
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.card import ATR
from tsm_gateway.virtual.errors import ReaderUnreachable

if TYPE_CHECKING:
    from tsm_gateway.virtual.card import Card

PORT = 35963  # of the first reader; the second has 35964
_OFF, _ON, _RESET, _ATR = 0x00, 0x01, 0x02, 0x04
_LENGTH_OCTETS = 2


class Reader(NamedTuple):
    """Where a reader is and how long it may be away."""

    host: str
    port: int = PORT
    again_s: float = 0.5  # between two tries to connect
    patience_s: float = 30.0  # before the card gives up


Tell = Callable[[str], object]  # a line for who watches


async def stay_in_reader(card: Card, reader: Reader, tell: Tell, trace: Tell | None = None) -> None:
    """Be in the reader until cancelled, and come back when it was away.

    `tell` gets a line when the card comes or goes, `trace` one for each command and each response.
    Raises ReaderUnreachable when the reader stays away.
    """
    while True:
        streams = await _connect(reader, tell)
        tell(f"in the reader at {reader.host}:{reader.port}")
        try:
            await _serve(Slot(card, *streams, trace))
        except (asyncio.IncompleteReadError, ConnectionError):
            tell("the reader let go of the card")
        finally:
            card.power_off()
            streams[1].close()
        await asyncio.sleep(reader.again_s)


async def _connect(reader: Reader, tell: Tell) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + reader.patience_s
    told = False
    while True:
        try:
            return await asyncio.open_connection(reader.host, reader.port)
        except OSError as error:
            if loop.time() >= deadline:
                raise ReaderUnreachable(host=reader.host, port=reader.port) from None
            if not told:
                tell(f"no reader at {reader.host}:{reader.port} yet: {error.strerror or error}")
                told = True
        await asyncio.sleep(reader.again_s)


class Slot(NamedTuple):
    """A card that is in a reader."""

    card: Card
    incoming: asyncio.StreamReader
    outgoing: asyncio.StreamWriter
    trace: Tell | None


async def _serve(slot: Slot) -> None:
    while True:
        length = int.from_bytes(await slot.incoming.readexactly(_LENGTH_OCTETS), "big")
        _acknowledge(slot.outgoing)
        answer = await _answer(slot, await slot.incoming.readexactly(length))
        if answer is not None:
            slot.outgoing.write(len(answer).to_bytes(_LENGTH_OCTETS, "big") + answer)
            await slot.outgoing.drain()


def _acknowledge(outgoing: asyncio.StreamWriter) -> None:
    """Tell the reader now what has come. It writes the octets only when it knows that of their length."""
    if sys.platform == "linux":  # elsewhere the octets come some 40 ms later
        outgoing.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


async def _answer(slot: Slot, message: bytes) -> bytes | None:
    """What goes back to the reader, if anything."""
    if len(message) == 1:
        return _power(slot.card, message[0])
    if slot.trace:
        slot.trace(f"> {message.hex()}")
    answer = await asyncio.to_thread(slot.card.transmit, message)  # it may pause, and writes to the disk
    if slot.trace:
        slot.trace(f"< {answer.hex()}{f'  {slot.card.why}' if slot.card.why else ''}")
    return answer


def _power(card: Card, control: int) -> bytes | None:
    if control in {_ON, _RESET}:
        card.power_on()
    elif control == _OFF:
        card.power_off()
    return ATR if control == _ATR else None
