"""Handsets that pay without pause, over air that doubles and reorders, among replays of what was accepted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.crash.history import Books, Payment
from tsm_gateway.virtual.air import CALM, Weather, blow

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from tsm_gateway.virtual.handset import Handset
    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.smsc_backlog import Sending

    Send = Callable[[Sequence[Part]], Sending]

ROUGH = Weather(doubling=0.15, reordering=0.4, hold_back=6)
TICK_S = 0.02


@dataclass(frozen=True)
class Manner:
    """How handsets pay. A batch stays far below the 64 packet numbers of a replay window."""

    per_s: float = 150.0  # payments of all handsets together, at most
    batch: int = 8  # payments of one handset under way, at most
    weather: Weather = ROUGH
    replayed: float = 0.3  # chance that a batch carries an old payment along


STEADY = Manner(weather=CALM, replayed=0.0)


class Load:
    """One handset has one batch under way: the next follows when the message centre is rid of it."""

    def __init__(
        self, send: Send, handsets: Sequence[Handset], books: Books, chance: random.Random, manner: Manner
    ) -> None:
        """`send` is the message centre's; payments are written into `books`."""
        self._send, self._books, self._chance, self._manner = send, books, chance, manner
        self._under_way: dict[Handset, Sending | None] = dict.fromkeys(handsets)
        self._made = 0
        self._going = True

    async def run(self, address: str, clock: Callable[[], float]) -> None:
        """Pay to `address` until told to stop; `clock` gives Unix seconds."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self._going:
            for handset, sending in self._under_way.items():
                behind = (loop.time() - began) * self._manner.per_s - self._made
                if behind > 0 and (sending is None or sending.done):
                    self._under_way[handset] = self._batch(handset, address, int(clock()))
            await asyncio.sleep(TICK_S)

    def stop(self) -> None:
        """Make no new payments."""
        self._going = False

    @property
    def settled(self) -> bool:
        """Whether every part has its last answer."""
        return all(sending is None or sending.done for sending in self._under_way.values())

    def replay(self, count: int) -> list[Sending]:
        """Send some acknowledged payments once more, at once."""
        return [self._send(parts) for parts in self._replayed(count)]

    def _batch(self, handset: Handset, address: str, at: int) -> Sending:
        parts: list[Part] = []
        for _ in range(self._chance.randint(1, self._manner.batch)):
            parts += self._pay(handset, address, at).parts
        if self._chance.random() < self._manner.replayed:
            parts += [part for again in self._replayed(2) for part in again]
        return self._send(blow(parts, self._manner.weather, self._chance.randrange(1 << 32)))

    def _pay(self, handset: Handset, address: str, at: int) -> Payment:
        cti = self._chance.randbytes(8)
        amount = f"{self._chance.randint(1, 9999)}.{self._chance.randint(0, 99):02}"
        parts = tuple(handset.pay(address, amount, "EUR", at=at, cti=cti))
        payment = Payment(cti, handset.record.device_id, amount, parts)
        self._books.paid[cti] = payment
        self._made += 1
        return payment

    def _replayed(self, count: int) -> list[tuple[Part, ...]]:
        """The parts of payments that were acknowledged before, chosen at random."""
        known = list(self._books.paid.values())[-2000:]
        chosen = [self._chance.choice(known) for _ in range(count)] if known else []
        again = [payment.parts for payment in chosen if self._books.acknowledged(payment)]
        self._books.replays += len(again)
        return again
