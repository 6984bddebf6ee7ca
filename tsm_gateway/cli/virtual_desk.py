"""The desk at the virtual SMSC: parts from stdin go in, parts submitted come out on stdout."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from tsm_gateway.virtual.air import CALM, Weather, plan
from tsm_gateway.virtual.errors import VirtualError
from tsm_gateway.virtual.part import parts_from_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.smsc import VirtualSmsc

BIND_S = 5.0  # without a bind for so long: say what is waited for
UNBOUND = "nobody has bound yet: the gateway's [[smpp]] needs this host and port, and system_id and password"
LATE = "after {:g} s still unanswered: {} parts delivered, and {} of {} expected came: --timeout waits longer"
AHEAD = 1000  # lines read ahead of what the SMSC has room for


@dataclass(frozen=True, slots=True)
class Run:
    """When a run ends, and what the air does on the way."""

    once: bool
    expect: int
    weather: Weather
    seed: int
    timeout_s: float  # with `once`: for what is not answered when stdin has ended


class Desk:
    """Moves parts between the terminal and the SMSC."""

    def __init__(self, smsc: VirtualSmsc, run: Run, capacity: int) -> None:
        """`capacity`: how many parts the SMSC keeps."""
        self._smsc, self._run, self._capacity = smsc, run, capacity
        self._lines: asyncio.Queue[str | None] = asyncio.Queue(AHEAD)
        self._over = asyncio.Event()
        self._printed = 0
        self.bad = 0  # lines that were no parts
        self.late = False  # not all was answered in time

    async def serve(self) -> None:
        """Work until stdin ended and all is answered (`--once`), or until a signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._over.set)
        self._smsc.subscribe(self._print)
        async with self._smsc:
            click.echo(f"listening on {self._smsc.host}:{self._smsc.port}", err=True)
            # a daemon thread: a terminal read cannot be cancelled, and must not keep us from ending
            threading.Thread(target=self._read, args=(loop,), name="stdin", daemon=True).start()
            feeding = asyncio.create_task(self._feed(), name="parts from stdin")
            over = asyncio.create_task(self._over.wait(), name="until told to end")
            hint = asyncio.create_task(self._hint(), name="a word while nobody binds")
            await asyncio.wait([feeding, over], return_when=asyncio.FIRST_COMPLETED)
            if feeding.done() and not self._run.once:
                await over
            for task in (feeding, over, hint):
                task.cancel()
            await asyncio.wait([feeding, over, hint])
        if not feeding.cancelled():
            feeding.result()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs in a thread: hand over lines, as fast as they are taken."""
        try:
            for line in sys.stdin:
                asyncio.run_coroutine_threadsafe(self._lines.put(line), loop).result()
            asyncio.run_coroutine_threadsafe(self._lines.put(None), loop).result()
        except (RuntimeError, asyncio.CancelledError):
            return  # the loop ended first

    async def _feed(self) -> None:
        """Deliver what comes on stdin, then wait until all of it is answered."""
        collected: list[Part] = []
        while (line := await self._lines.get()) is not None:
            parts = self._parts(line)
            if self._run.weather == CALM:
                await self._send(parts)
            else:
                collected += parts  # weather blows over everything at once
        await self._blow(collected)
        try:
            await self._smsc.until(self._answered, self._run.timeout_s if self._run.once else None)
        except TimeoutError:
            self.late = True
            unanswered, expected = self._smsc.unanswered, self._run.expect
            click.echo(LATE.format(self._run.timeout_s, unanswered, self._printed, expected), err=True)

    async def _hint(self) -> None:
        try:
            await self._smsc.until_bound(within_s=BIND_S)
        except TimeoutError:
            click.echo(UNBOUND, err=True)

    def _answered(self) -> bool:
        return self._smsc.unanswered == 0 and self._printed >= self._run.expect

    def _parts(self, line: str) -> list[Part]:
        try:
            return parts_from_line(line)
        except VirtualError as error:
            self.bad += 1
            click.echo(str(error), err=True)
            return []

    async def _blow(self, parts: Sequence[Part]) -> None:
        at_s = 0.0
        for flight in plan(len(parts), self._run.weather, self._run.seed):
            await asyncio.sleep(flight.at_s - at_s)
            at_s = flight.at_s
            await self._send([parts[flight.sent]])

    async def _send(self, parts: list[Part]) -> None:
        room = self._capacity - len(parts)
        await self._smsc.until(lambda: self._smsc.unanswered <= room, None)
        self._smsc.send(parts)

    def _print(self, part: Part) -> None:
        self._printed += 1
        try:
            sys.stdout.write(json.dumps(part.as_json()) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self._over.set()  # nobody reads any more
