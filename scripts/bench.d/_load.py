"""A message centre made for load: it knows eight PDUs, packs them by hand and counts.

It imports nothing of the gateway's SMPP code, so what it measures is not what it uses.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = struct.Struct(">IIII")
BINDS = {0x1: 0x80000001, 0x2: 0x80000002, 0x9: 0x80000009}
SUBMIT, SUBMIT_RESP, DELIVER, DELIVER_RESP = 0x4, 0x80000004, 0x5, 0x80000005
ENQUIRE, ENQUIRE_RESP, UNBIND, UNBIND_RESP = 0x15, 0x80000015, 0x6, 0x80000006


def deliver_sm(source: str, destination: str, user_data: bytes) -> bytes:
    """A deliver_sm with UDHI, 8-bit data and sequence 0 (SMPP 3.4 §4.6.1), to be numbered when sent."""
    body = b"".join(
        (
            b"\x00\x01\x01",
            source.lstrip("+").encode() + b"\x00",
            b"\x01\x01",
            destination.lstrip("+").encode() + b"\x00",
            b"\x40\x00\x00\x00\x00\x00\x00\x04\x00",
            bytes([len(user_data)]),
            user_data,
        )
    )
    return HEADER.pack(16 + len(body), DELIVER, 0, 0) + body


class LoadCentre(asyncio.Protocol):
    """One bind: delivers what it is given, answers what is submitted."""

    def __init__(self) -> None:
        self.bound = asyncio.Event()
        self.changed = asyncio.Event()
        self.latencies: list[float] = []
        self.statuses: dict[int, int] = {}
        self.submitted = 0
        self.bodies: set[bytes] = set()
        self.repeated = 0
        self.outstanding: dict[int, tuple[float, bytes]] = {}
        self.queue: deque[bytes] = deque()
        self.window = 0
        self._buffer = bytearray()
        self._sequence = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The gateway connected."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP servers make no other
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer and count every whole PDU, then go on delivering."""
        buffer = self._buffer
        buffer += data
        out: list[bytes] = []
        position, size, now = 0, len(buffer), time.perf_counter()
        while size - position >= HEADER.size:
            length, command, status, sequence = HEADER.unpack_from(buffer, position)
            if size - position < length:
                break
            self._one(out, command, status, sequence, bytes(buffer[position + 16 : position + length]), now)
            position += length
        del buffer[:position]
        self._fill(out, now)
        if out and self._transport is not None:
            self._transport.write(b"".join(out))
        self.changed.set()

    def _one(
        self, out: list[bytes], command: int, status: int, sequence: int, body: bytes, now: float
    ) -> None:
        if command == DELIVER_RESP:
            sent_at, pdu = self.outstanding.pop(sequence)
            self.latencies.append(now - sent_at)
            if status:
                self.statuses[status] = self.statuses.get(status, 0) + 1
                self.queue.append(pdu)
        elif command == SUBMIT:
            self.submitted += 1
            if body in self.bodies:
                self.repeated += 1
            self.bodies.add(body)
            ident = b"%08x\x00" % self.submitted
            out.append(HEADER.pack(16 + len(ident), SUBMIT_RESP, 0, sequence) + ident)
        elif command in BINDS:
            out.append(HEADER.pack(21, BINDS[command], 0, sequence) + b"load\x00")
            self.bound.set()
        elif command == ENQUIRE:
            out.append(HEADER.pack(16, ENQUIRE_RESP, 0, sequence))
        elif command == UNBIND:
            out.append(HEADER.pack(16, UNBIND_RESP, 0, sequence))

    def deliver(self, pdus: Sequence[bytes], window: int) -> None:
        """Queue PDUs and keep up to `window` of them unanswered."""
        self.queue.extend(pdus)
        self.window = window
        out: list[bytes] = []
        self._fill(out, time.perf_counter())
        if out and self._transport is not None:
            self._transport.write(b"".join(out))

    def _fill(self, out: list[bytes], now: float) -> None:
        while self.queue and len(self.outstanding) < self.window:
            pdu = self.queue.popleft()
            self._sequence += 1
            self.outstanding[self._sequence] = (now, pdu)
            out.append(pdu[:12] + self._sequence.to_bytes(4, "big") + pdu[16:])

    async def settle(self, submitted: int, deadline_s: float) -> None:
        """Wait until everything is answered and `submitted` distinct parts came. Raises TimeoutError."""
        async with asyncio.timeout(deadline_s):
            while self.queue or self.outstanding or len(self.bodies) < submitted:
                self.changed.clear()
                await self.changed.wait()
