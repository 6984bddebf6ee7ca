"""Handsets and a provider at one virtual SMSC: who paid what, what arrived, and whether it is the same.

A scenario keeps its own books. It knows every payment its handsets approved and opens what the gateway
submits to the provider's number; the difference of the two is what the gateway lost, altered or doubled.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.air import CALM, Weather, plan
from tsm_gateway.virtual.amount import read_amount
from tsm_gateway.virtual.errors import VirtualError
from tsm_gateway.virtual.handset import CTI_OCTETS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tsm_gateway.virtual.handset import Handset
    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.provider import OpenedPayment, Provider
    from tsm_gateway.virtual.smsc import VirtualSmsc
    from tsm_gateway.virtual.smsc_backlog import Sending


class Approved(NamedTuple):
    """What a user approved, as far as the provider can see it."""

    device_id: str
    address: str
    amount: int  # minor units
    currency: int  # ISO 4217 numeric


class Outcome(NamedTuple):
    """The books, balanced."""

    approved: int  # payments sent off
    opened: int  # of these, opened and verified by the provider
    missing: tuple[bytes, ...]  # their ctis, 8 octets each
    duplicates: int  # opened once more, recognised by (kid, PIV)
    doubled: tuple[bytes, ...]  # shown to the provider as new more than once: never to happen
    altered: tuple[bytes, ...]  # never approved, or not as they arrived: never to happen
    refused: tuple[VirtualError, ...]  # what the provider could not open

    @property
    def holds(self) -> bool:
        """Whether every payment arrived once as new and unaltered."""
        return not (self.missing or self.doubled or self.altered or self.refused)


class Scenario:
    """One run: `pay`, wait, and look at `outcome`."""

    def __init__(
        self,
        smsc: VirtualSmsc,
        handsets: Sequence[Handset],
        provider: Provider,
        *,
        weather: Weather = CALM,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`clock` gives Unix seconds and `sleep` waits for it to move: a `MovedClock` serves as both."""
        self._smsc, self._handsets, self._provider = smsc, handsets, provider
        self._weather, self._seed, self._clock, self._sleep = weather, seed, clock, sleep
        self._approved: dict[bytes, Approved] = {}
        self._opened: dict[bytes, int] = {}  # cti -> times shown as new
        self._altered: list[bytes] = []
        self._refused: list[VirtualError] = []
        self._arrived = 0  # approved payments that were opened
        self._duplicates = 0
        self.on_opened: Callable[[OpenedPayment], None] | None = None
        smsc.subscribe(self._take, provider.record.msisdn)

    def approve(self, count: int, amount: str = "12.99", currency: str = "EUR") -> list[Part]:
        """Let the handsets pay `count` times, in turn; their parts in the order of sending."""
        minor, numeric = read_amount(amount, currency)
        address = self._provider.record.address
        at = int(self._clock())
        parts: list[Part] = []
        for number in range(count):
            handset = self._handsets[number % len(self._handsets)]
            cti = secrets.token_bytes(CTI_OCTETS)
            parts += handset.pay(address, amount, currency, at=at, cti=cti)
            self._approved[cti] = Approved(handset.record.device_id, address, minor, numeric)
        return parts

    async def pay(self, count: int, amount: str = "12.99", currency: str = "EUR") -> list[Sending]:
        """Approve `count` payments and send them through the weather; returns when all are sent off."""
        parts = self.approve(count, amount, currency)
        waiting: list[Part] = []
        sendings: list[Sending] = []
        at_s = 0.0
        for flight in plan(len(parts), self._weather, self._seed):
            if flight.at_s > at_s:
                sendings.append(self._smsc.send(waiting))
                waiting = []
                await self._sleep(flight.at_s - at_s)
                at_s = flight.at_s
            waiting.append(parts[flight.sent])
        sendings.append(self._smsc.send(waiting))
        self._seed += 1  # the next ones meet other weather
        return sendings

    async def until_opened(self, within_s: float) -> None:
        """Return once every approved payment was opened. Raises TimeoutError."""
        await self._smsc.until(lambda: self._arrived >= len(self._approved), within_s)

    def outcome(self) -> Outcome:
        """The books as they stand."""
        return Outcome(
            approved=len(self._approved),
            opened=self._arrived,
            missing=tuple(cti for cti in self._approved if cti not in self._opened),
            duplicates=self._duplicates,
            doubled=tuple(cti for cti, times in self._opened.items() if times > 1),
            altered=tuple(self._altered),
            refused=tuple(self._refused),
        )

    def _take(self, part: Part) -> None:
        """One part reached the provider's number."""
        try:
            opened = self._provider.receive(part)
        except VirtualError as error:
            self._refused.append(error)
            return
        if opened is None:
            return
        if opened.duplicate:
            self._duplicates += 1
        else:
            self._book(opened)
        if self.on_opened is not None:
            self.on_opened(opened)

    def _book(self, opened: OpenedPayment) -> None:
        paid = opened.payment
        seen = Approved(paid.device_id, paid.address, paid.amount, paid.currency)
        if self._approved.get(paid.cti) != seen:
            self._altered.append(paid.cti)
        if paid.cti in self._approved and paid.cti not in self._opened:
            self._arrived += 1
        self._opened[paid.cti] = self._opened.get(paid.cti, 0) + 1
