"""A hundred thousand things gone wrong on their way in, against everything a message passes through.

Codec, reading as a short message, joiner, opening, replay, store, log: the whole relay in one process, fed
mutated PDUs, mutated headers and mutated packets. No exception leaves it, its memory stays bounded, each
message is answered, and a genuine payment is accepted afterwards.
"""

from __future__ import annotations

import asyncio
import io
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.faults.carrier import packed
from tests.faults.forge import carried, packet_of
from tests.radio.smpp.peer import DATA, RECEIPT_TEXT, data_body, deliver, pdu, tlv
from tests.relay.rig import Rig
from tsm_gateway.messages import Arrival, Ticket, Verdict
from tsm_gateway.radio.smpp import codec
from tsm_gateway.radio.smpp.faults import BodyMalformed, FrameLength, UnknownCommand
from tsm_gateway.radio.smpp.inbound import to_arrival
from tsm_gateway.radio.smpp.pdu import DataSm, DeliverSm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.virtual.part import Part

CASES, IN_A_BATCH, GENUINE = 100_000, 500, 40
WITHIN_S = 30.0
GROWTH = 64 << 20
HEAD = 16


class Tally(io.RawIOBase):
    """A log that is counted and not kept."""

    lines = 0

    def writable(self) -> bool:
        return True

    def write(self, octets: Any) -> int:
        text = bytes(octets)
        self.lines += text.count(b"\n")
        return len(text)


def changed(dice: random.Random, octets: bytes, first: int = 0) -> bytes:
    """A few octets from `first` on turned, cut out, put in or doubled."""
    body = bytearray(octets)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(first, max(first + 1, len(body)))
        match dice.randrange(5):
            case 0 if at < len(body):
                body[at] ^= 1 << dice.randrange(8)
            case 1 if at < len(body):
                body[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
            case 2:
                del body[at : at + dice.randint(1, 8)]
            case 3:
                body[at:at] = dice.randbytes(dice.randint(1, 8))
            case _:
                body[at:at] = body[at : at + dice.randint(1, 16)]
    return bytes(body)


def mutated_pdu(dice: random.Random, frame: bytes) -> bytes:
    """Changed anywhere behind the header, the length mended."""
    body = changed(dice, frame, HEAD)
    return len(body).to_bytes(4, "big") + body[4:]


def mutated_header(dice: random.Random, part: Part) -> bytes:
    """Changed in its user data header."""
    return packed(part._replace(udh=changed(dice, part.udh)[:120]), 5)


def mutated_packet(dice: random.Random, rig: Rig, parts: list[Part]) -> Iterator[bytes]:
    """Changed before it was cut into parts, half of the time in what a parser reads."""
    packet = packet_of(parts)
    piece = changed(dice, packet[:24]) + packet[24:] if dice.random() < 0.5 else changed(dice, packet)
    yield from (packed(part, 5) for part in carried(rig.handsets[0], piece, dice.randrange(256)))


def cases(dice: random.Random, rig: Rig) -> Iterator[bytes]:
    """Frames without end."""
    genuine = [rig.pay() for _ in range(GENUINE)]
    whole = [packed(part, 5) for parts in genuine for part in parts]
    payload = genuine[0][0].udh + genuine[0][0].data
    frames = [
        *whole,
        deliver(6, esm_class=0x04, short_message=RECEIPT_TEXT, tlvs=tlv(0x1E, b"id\0") + tlv(0x427, b"\2")),
        deliver(7, short_message=b"", tlvs=tlv(0x0424, payload)),
        deliver(
            8,
            short_message=genuine[0][0].udh[:7] + payload[12:],
            tlvs=tlv(0x020C, b"\0\7") + tlv(0x020E, b"\2") + tlv(0x020F, b"\1"),
        ),
        pdu(DATA, 9, data_body(payload)),
    ]
    while True:
        yield mutated_pdu(dice, dice.choice(frames))
        yield mutated_header(dice, dice.choice(dice.choice(genuine)))
        yield from mutated_packet(dice, rig, dice.choice(genuine))


def read(frame: bytes, sequence: int, met: Counter[str]) -> Arrival | None:
    """As a session reads a frame; None for what it refuses by itself."""
    try:
        message = codec.decode(frame)
        if not isinstance(message, DeliverSm | DataSm):
            met["another request"] += 1
            return None
        return to_arrival(message, Ticket("air", 1, sequence, message.command_id))
    except (BodyMalformed, UnknownCommand, FrameLength) as fault:
        met[type(fault).__name__] += 1
        return None


@pytest.mark.timeout(120)
def test_a_hundred_thousand_mutations_of_everything_leave_the_relay_whole(tmp_path: Path) -> None:
    dice, met = random.Random(19), Counter[str]()

    async def run() -> None:
        async with Rig(tmp_path, relay={"parts_in_all": 2000}, devices=2) as rig:
            await rig.end()
            rig.log = tally = Tally()  # type: ignore[assignment]
            rig.assemble()
            await rig.begin()
            frames = cases(dice, rig)
            process, before, began = psutil.Process(), 0, time.monotonic()
            for batch in range(CASES // IN_A_BATCH):
                if batch == 20:  # caches are filled
                    before = process.memory_info().rss
                arrivals = [read(next(frames), number, met) for number in range(IN_A_BATCH)]
                wanted = [arrival for arrival in arrivals if arrival is not None]
                rig.parts.intake.offer(wanted)
                await rig.until(lambda wanted=wanted: len(rig.bearer.answers) >= len(wanted))  # type: ignore[misc]
                met.update(answer.verdict.value for answer in rig.bearer.answers)
                rig.bearer.answers.clear()
            took, growth = time.monotonic() - began, process.memory_info().rss - before
            text = rig.metrics.text().decode()
            assert rig.parts.intake.waiting_parts <= 2000
            assert set(await rig.offer(rig.pay(handset=rig.handsets[1]))) == {Verdict.TAKEN}
            assert any(
                each.device_id == rig.handsets[1].record.device_id for each in rig.store.queue.entries()
            )
            assert tally.lines > CASES // 10
        assert growth < GROWTH, growth
        assert took < WITHIN_S, took
        for reason in ("malformed", "unknown_key", "not_authentic", "not_for_us"):  # every stage was reached
            assert f'tsm_payments_refused_total{{reason="{reason}"}} 0.0' not in text, reason
        assert min(met["BodyMalformed"], met["taken"]) > CASES // 100, met

    asyncio.run(run())
