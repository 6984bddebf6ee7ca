"""The talks under way with one modem: at most one, and above it an acknowledgement that cannot wait.

`Jobs` turns what talks yield into exchanges, pauses and waits, and gives them the replies. It knows
nothing of what they are about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.modem.at_command import Command
from tsm_gateway.radio.modem.talk import Ask, Await, Outcome, Pause, Reply, Resync, Talk, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.radio.modem.exchange import Exchange
    from tsm_gateway.radio.modem.station import Station

_OVER: Final = (Outcome.DEAF, Outcome.CUT)


@dataclass(slots=True, eq=False)
class Job:
    """One talk, and what to do with its result."""

    talk: Talk[object]
    done: Callable[[object], None]
    ask: Ask | None = None  # what it wants; None = it is in flight
    in_flight: Ask | None = None
    began: float = 0.0
    until: float = 0.0


class Jobs:
    """The talks of one opened port."""

    def __init__(self, station: Station, exchange: Exchange) -> None:
        """None yet."""
        self._station = station
        self._exchange = exchange
        self._stack: list[Job] = []

    def __len__(self) -> int:
        """How many are under way: 0, 1 or 2."""
        return len(self._stack)

    @property
    def wake_at(self) -> float | None:
        """When `step` has something to do without anything else happening."""
        top = self._stack[-1] if self._stack else None
        return top.until if top and isinstance(top.ask, Pause | Await) else None

    def start(self, talk: Talk[object], done: Callable[[object], None]) -> None:
        """Begin a talk, above the one under way if there is one."""
        if not self._stack:
            self._station.disturbed = False
        job = Job(talk, done)
        self._stack.append(job)
        self._resume(job, None)

    def drop(self) -> None:
        """End all talks where they are; none of them is told."""
        while self._stack:
            self._stack.pop().talk.close()

    def answered(self, reply: Reply) -> Ask | None:
        """Give the talk in flight its reply; returns what that answered."""
        if not self._stack:
            return None
        job = self._stack[-1]
        asked, job.in_flight = job.in_flight, None
        self._resume(job, reply)
        if reply.outcome in _OVER and job in self._stack:
            job.talk.close()
            self._stack.remove(job)
            job.done(Trouble(reply.outcome.value))
        return asked

    def step(self, now: float) -> bool:
        """Do what the topmost talk wants; False when it has to wait."""
        job = self._stack[-1]
        ask = job.ask
        if isinstance(ask, Pause):
            return now >= job.until and self._resume(job, Reply(Outcome.OK, waited_s=now - job.began))
        if isinstance(ask, Await):
            return self._is_over(job, ask, now) and self._resume(job, self._fates(job, ask, now))
        job.ask, job.in_flight = None, ask
        if isinstance(ask, Command):
            self._station.counters.commands += 1
            self._exchange.begin(ask, now)
        elif isinstance(ask, Resync):
            self._exchange.resync(now)
        return False

    def _is_over(self, job: Job, ask: Await, now: float) -> bool:
        fates = self._station.fates
        return now >= job.until or all(fates.get(number) is not None for number in ask.numbers)

    def _fates(self, job: Job, ask: Await, now: float) -> Reply:
        fates = {number: self._station.fates.pop(number, None) for number in ask.numbers}
        durable = frozenset(number for number, fate in fates.items() if fate)
        return Reply(Outcome.OK, durable=durable, waited_s=now - job.began)

    def _resume(self, job: Job, reply: Reply | None) -> bool:
        """Send a reply into a talk (None begins it); True, for something happened."""
        try:
            job.ask = next(job.talk) if reply is None else job.talk.send(reply)
        except StopIteration as end:
            job.ask = None
            if job in self._stack:
                self._stack.remove(job)
            job.done(end.value)
            return True
        job.began = self._station.now
        if isinstance(job.ask, Pause):
            job.until = job.began + job.ask.seconds
        elif isinstance(job.ask, Await):
            job.until = job.began + job.ask.limit_s
        return True
