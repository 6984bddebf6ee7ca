"""Chaos: a relay among people and machines that do as they please, and then a calm in which all settles.

| actor | what it does |
|---|---|
| `Handsets` | pay, parts in any order; send again what was not taken, and now and then what was |
| `Link` | comes and goes, answers a part with any fate, gives receipts in any order |
| `Disk` | is slow, is full, is locked by others |
| `Operator` | holds, releases, retries and drops messages, and changes routes, in a process beside |
| the clock | goes on in leaps, and now and then back |

The seed fixes every choice, not how threads and tasks meet: the same seed is the same kind of trouble.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

from tests.relay.chaos_actors import Disk, Handsets, Link, Operator
from tests.relay.chaos_books import AT_REST, Books, complaints, inspect_lanes
from tests.relay.rig import Rig
from tsm_gateway.daemon import dispatch, intake
from tsm_gateway.relay import accept
from tsm_gateway.relay.interfaces import StoreBusy
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.virtual.party_records import ProviderRecord

HANDSETS, LINKS = 40, ("a", "b", "c")
SETTLE_S = 20.0  # a calm that does not settle by then is a failure
PAUSE_S = 0.02  # instead of the relay's own pauses after a full store, so that more happens


class Outcome(NamedTuple):
    """What came of one seed."""

    seed: int
    paid: int
    repeated: int
    states: dict[str, int]
    problems: list[str]

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        line = f"seed {self.seed}: {self.paid} paid, {states}; {self.repeated} parts repeated"
        return "\n".join((line, *(f"  PROBLEM {problem}" for problem in self.problems)))


class Chaos:
    """The actors of one seed around one relay."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._seed = seed
        chance = self._chance = random.Random(seed)
        relay = {
            "lane_limit": chance.choice((3, 10, 200, 1000)),
            "batch": chance.choice((40, 200, 1000)),
            "retry_first_s": 1,
            "retry_cap_s": 2,
        }
        self._rig = Rig(folder, devices=HANDSETS, relay=relay)
        self._providers = self._open_accounts()
        self._books = Books()
        self._beside = SqliteStore.open(folder / "gateway.db", mark=folder / "epoch", exclusive=False)
        self._handsets = Handsets(self._rig, self._books, self._another_chance())
        self._links = [Link(name, self._rig, self._books, self._another_chance()) for name in LINKS]
        self._disk = Disk(self._rig.store, self._another_chance())
        self._operator = Operator(self._rig, self._beside, self._another_chance())

    def _another_chance(self) -> random.Random:
        """Each actor draws from its own: what one does must not hang on when another did."""
        return random.Random(self._chance.random())

    def _open_accounts(self) -> dict[str, ProviderRecord]:
        """Three providers: any link and receipts, one link and none, two links and receipts."""
        rig = self._rig
        records = {rig.provider_record.name: rig.provider_record}
        for name, routes, receipt in (("shop", ("b",), False), ("cafe", ("a", "b"), True)):
            rig.add_provider(name=name, addresses=(f"sp:{name}",), routes=routes, receipt=receipt)
            records[name] = replace(rig.provider_record, address=f"sp:{name}")
        rig.parts.dispatcher.refresh()
        return records

    async def run(self, seconds: float) -> Outcome:
        """Let everything go wrong for so long, then nothing, and say what does not hold."""
        async with AsyncExitStack() as stack:
            for where, name, instead in (
                (accept, "seal_for_provider", self._books.seal),
                (self._rig.store, "flush", self._disk.flush),
                (dispatch, "STORE_PAUSE_S", PAUSE_S),
                (intake, "FULL_PAUSE_S", PAUSE_S),
            ):
                stack.enter_context(patch.object(where, name, instead))
            stack.callback(self._beside.close)
            await stack.enter_async_context(self._rig)
            self._attach()
            await self._rage(seconds)
            await self._calm()
            states = {state.value: count for state, count in self._beside.queue.counts().items()}
            problems = complaints(self._books, self._rig, self._beside.queue, self._providers)
            return Outcome(self._seed, len(self._books.paid), self._books.repeated, states, problems)

    def _attach(self) -> None:
        """The rig's own bearer only takes in; what goes out goes over ours."""
        self._rig.parts.dispatcher.link_down(self._rig.bearer.name)
        for link in self._links:
            self._rig.parts.intake.attach(link)
            self._rig.parts.dispatcher.attach(link)

    async def _rage(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        operator = asyncio.create_task(self._operator.run())
        try:
            while time.monotonic() < ends and not operator.done():
                self._turn()
                await asyncio.sleep(self._chance.random() * 0.01)
        finally:
            self._operator.calm = True
            await operator

    def _turn(self) -> None:
        """Everybody does something."""
        chance = self._chance
        self._rig.now += -20 if chance.random() < 0.004 else chance.choice((0, 0.1, 0.5))
        self._handsets.pay()
        self._handsets.insist()
        if chance.random() < 0.05:
            self._handsets.replay()
        for link in self._links:
            link.step()
            if chance.random() < 0.03:
                link.flap()
        inspect_lanes(self._rig, self._books)
        self._rig.raise_defects()

    async def _calm(self) -> None:
        """Every link up, the disk well, the operator helpful: until all is at rest, or for too long."""
        self._disk.calm = True
        for link in self._links:
            link.calm = True
            link.bind()
        self._operator.set_right()
        ends = time.monotonic() + SETTLE_S
        while time.monotonic() < ends:
            self._rig.now += 1
            heard = self._handsets.insist()
            for link in self._links:
                link.step()
            with suppress(StoreBusy):
                self._operator.encourage()
            inspect_lanes(self._rig, self._books)
            self._rig.raise_defects()
            if not heard and not self._rig.parts.intake.unanswered and self._at_rest():
                return
            await asyncio.sleep(0.02)

    def _at_rest(self) -> bool:
        return self._beside.queue.counts().keys() <= AT_REST
