"""A message centre of raw octets in front of the daemon: it says what no honest one would, and still
carries payments in between.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.radio.smpp.peer import DEADLINE_S, DELIVER, ENQUIRE, RESP, SUBMIT, Heard, Line, Smsc, deliver, pdu
from tsm_gateway.virtual.part import Part
from tsm_gateway.virtual.provider import OpenedPayment, Provider
from tsm_gateway.virtual.smpp_octets import SubmitSm, read_submit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tests.faults.daemon import Daemon


class Carrier:
    """One bound connection. What it hears is sorted: submits are answered and kept, the rest is for tests."""

    def __init__(self, daemon: Daemon, line: Line) -> None:
        self.daemon, self.line = daemon, line
        self.submits: list[SubmitSm] = []
        self.opened: list[OpenedPayment] = []
        self.heard: deque[Heard] = deque()
        self._provider = Provider(daemon.provider)
        self._sequence = 1000

    def say(self, octets: bytes) -> None:
        """Write."""
        self.line.say(octets)

    def send(self, parts: Sequence[Part]) -> list[int]:
        """Deliver parts as they are; the sequence numbers they went under."""
        first = self._sequence + 1
        self._sequence += len(parts)
        numbers = list(range(first, first + len(parts)))
        self.say(b"".join(packed(part, number) for part, number in zip(parts, numbers, strict=True)))
        return numbers

    async def hear(self) -> Heard:
        """The next PDU that is no submit and no probe."""
        if self.heard:
            return self.heard.popleft()
        while True:
            heard = await self.line.hear()
            if not self._served(heard):
                return heard

    async def answers(self, numbers: Sequence[int]) -> list[int]:
        """The status of every deliver_sm of `numbers`, in their order; others stay in `heard`."""
        found: dict[int, int] = {}
        while len(found) < len(numbers):
            heard = await self.line.hear()
            if heard.command_id == DELIVER | RESP and heard.sequence in set(numbers):
                found[heard.sequence] = heard.status
            elif not self._served(heard):
                self.heard.append(heard)
        return [found[number] for number in numbers]

    async def alive(self) -> None:
        """It answers on this very connection."""
        self.say(pdu(ENQUIRE, 4711))
        while (heard := await self.hear()).command_id != ENQUIRE | RESP:
            pass
        assert heard.sequence == 4711

    async def pay(self) -> OpenedPayment:
        """One payment from end to end; fails when it is not accepted, not forwarded or not genuine."""
        cti = os.urandom(8)
        assert set(await self.answers(self.send(self.daemon.pay(cti=cti)))) == {0}
        await self._until(lambda: any(each.payment.cti == cti for each in self.opened))
        return next(each for each in self.opened if each.payment.cti == cti)

    async def forwarded(self, count: int) -> list[OpenedPayment]:
        """Wait until `count` payments reached the provider over this connection."""
        await self._until(lambda: len(self.opened) >= count)
        return self.opened

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                heard = await self.line.hear()
                if not self._served(heard):
                    self.heard.append(heard)

    def _served(self, heard: Heard) -> bool:
        if heard.command_id == SUBMIT:
            self.submits.append(read_submit(heard.body))
            opened = self._provider.receive(as_part(self.submits[-1]))
            if opened is not None and not opened.duplicate:
                self.opened.append(opened)
            self.say(pdu(SUBMIT | RESP, heard.sequence, b"id-%d\0" % len(self.submits)))
            return True
        if heard.command_id == ENQUIRE:
            self.say(pdu(ENQUIRE | RESP, heard.sequence))
            return True
        return False


@asynccontextmanager
async def carrier_for(daemon: Daemon) -> AsyncIterator[tuple[Carrier, Smsc]]:
    """Listen on the daemon's port until the test is over; the daemon bound."""
    smsc = Smsc()
    await smsc.start(port=daemon.port)
    try:
        yield Carrier(daemon, await smsc.bound_line()), smsc
    finally:
        await smsc.stop()


def packed(part: Part, sequence: int) -> bytes:
    """One part as a deliver_sm."""
    return deliver(
        sequence,
        short_message=part.udh + part.data,
        source=part.source.removeprefix("+").encode(),
        esm_class=0x40 if part.udh else 0,
        data_coding=part.dcs,
    )


def as_part(submit: SubmitSm) -> Part:
    """A submit_sm as the provider's handset shows it."""
    cut = submit.user_data[0] + 1
    return Part(submit.source, submit.destination, 4, 0, submit.user_data[:cut], submit.user_data[cut:])
