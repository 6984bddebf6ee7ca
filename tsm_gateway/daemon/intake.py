"""The intake: take what the links read, decide it, make it durable, and only then answer.

One batch at a time: it is taken the moment the one before is durable, so an idle gateway answers at once
and a busy one decides in batches. Whatever goes wrong before the fsync, nothing was promised: the joiner
and the windows are read anew from the store, and the radio is asked to keep its messages.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.daemon.committer import stage
from tsm_gateway.messages import Verdict
from tsm_gateway.relay.interfaces import StoreBusy, StoreConflict, StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tsm_gateway.daemon.committer import Committer
    from tsm_gateway.daemon.dispatch import Dispatcher
    from tsm_gateway.daemon.reports import Reports
    from tsm_gateway.daemon.verifier import Verifier
    from tsm_gateway.messages import Arrival, Ticket
    from tsm_gateway.radio.sms.join import Held
    from tsm_gateway.relay.accept import Acceptor, Decided
    from tsm_gateway.relay.directory import Directory
    from tsm_gateway.relay.intake import OpenedBatch, PartIntake
    from tsm_gateway.relay.interfaces import Bearer, Spool, Staged

CONFLICT_TRIES = 5  # another writer that wins this often in a row is a defect
FULL_PAUSE_S = 0.5  # while the store is full, payments are put off without trying it each time


class Clocks(NamedTuple):
    """The two clocks of the daemon."""

    wall: Callable[[], float]  # Unix seconds: records and expiry only
    monotonic: Callable[[], float]  # seconds: every duration


class Crew(NamedTuple):
    """Whom the intake works with."""

    parts: PartIntake
    directory: Directory
    acceptor: Acceptor
    verifier: Verifier
    committer: Committer
    spool: Spool
    dispatcher: Dispatcher
    reports: Reports


class Intake:
    """Owns everything that came in and was not answered yet."""

    def __init__(self, crew: Crew, clocks: Clocks, *, batch: int, limit: int) -> None:
        """Decide at most `batch` arrivals at once; be `crowded` from `limit` unanswered ones on."""
        self._crew, self._clocks = crew, clocks
        self._batch, self._limit = batch, limit
        self._pending: deque[tuple[float, Arrival]] = deque()
        self._bearers: dict[str, Bearer] = {}
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._put_off_until = 0.0
        self._deciding = 0
        self.low_space = False  # set from outside when the disk runs low
        self.batches = 0

    def attach(self, bearer: Bearer) -> None:
        """Let a link hand in arrivals and be answered."""
        self._bearers[bearer.name] = bearer

    def offer(self, arrivals: Sequence[Arrival]) -> None:
        """Take arrivals off a link; each is answered exactly once, later."""
        now = self._clocks.monotonic()
        self._pending.extend((now, arrival) for arrival in arrivals)
        self._wake.set()

    def reload(self) -> None:
        """Take the store's unfinished messages for the only truth: at the start, and after a failed batch."""
        self._crew.directory.reread_windows()
        self._crew.parts.reload(self._crew.spool.unfinished())

    @property
    def waiting_parts(self) -> int:
        """How many parts wait for others."""
        return len(self._crew.parts.joiner)

    def expire(self, now: int) -> list[Held]:
        """Give up the parts that waited too long; `now` in Unix seconds."""
        return self._crew.parts.joiner.expire(now)

    @property
    def unanswered(self) -> int:
        """How many arrivals have no answer yet."""
        return len(self._pending) + self._deciding

    async def settled(self) -> None:
        """Wait until everything that came was answered."""
        while self.unanswered:
            self._idle.clear()
            await self._idle.wait()

    @property
    def crowded(self) -> bool:
        """Whether links should stop reading for now."""
        return self.unanswered >= self._limit

    async def run(self) -> None:
        """Decide batches until cancelled. Raises StoreBroken when acceptance is over."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                count = min(self._batch, len(self._pending))
                taken = [self._pending.popleft() for _ in range(count)]
                self._deciding = count
                try:
                    await self._decide([arrival for _, arrival in taken], taken[0][0])
                finally:
                    self._deciding = 0
                self._crew.reports.answered(self._clocks.monotonic(), [came for came, _ in taken])
                self.batches += 1
            self._idle.set()

    async def _decide(self, arrivals: list[Arrival], began: float) -> None:
        """One batch from its parts to its answers; `began`: when its first arrival was read."""
        if self.low_space or self._clocks.monotonic() < self._put_off_until:
            self._answer([(arrival.ticket, Verdict.FULL) for arrival in arrivals])
            self._crew.reports.postponed(len(arrivals), "store-full")
            return
        try:
            opened = self._crew.parts.take_in(arrivals, int(self._clocks.wall()))
            valid = await self._crew.verifier.check([each.payment for each in opened.opened])
            decided, staged = await self._store(opened, valid)
        except (StoreFull, StoreBusy, StoreConflict) as trouble:
            self._put_off(arrivals, trouble)
            return
        self._crew.acceptor.confirm(decided)
        self._crew.parts.joiner.mark_durable(opened.journal)
        self._answer(opened.answers)
        self._crew.reports.decided(opened, decided, self._clocks.monotonic() - began)
        self._crew.dispatcher.accepted(decided.accepted)
        if staged is not None:
            self._crew.dispatcher.receipts(staged.receipts)

    async def _store(self, opened: OpenedBatch, valid: list[bool]) -> tuple[Decided, Staged | None]:
        """Settle and commit; decide anew when somebody else accepted one of the messages first."""
        taken: set[tuple[str, bytes]] = set()
        for _ in range(CONFLICT_TRIES):
            self._crew.dispatcher.forget_promises()
            decided = self._crew.acceptor.settle(opened, valid, taken)
            rows = decided.rows
            if not rows:
                return decided, None
            try:
                return decided, await self._crew.committer.commit(partial(stage, rows))
            except StoreConflict:
                self._crew.reports.conflict()
                self._crew.directory.reread_windows()
                self._crew.directory.forget()
                payments = [each.payment for each in opened.opened]
                pairs = [(each.device.device.device_id, each.certificate.cti) for each in payments]
                taken = self._crew.spool.taken_ctis(pairs)
        raise StoreConflict(tries=CONFLICT_TRIES)

    def _put_off(self, arrivals: list[Arrival], trouble: StoreFull | StoreBusy | StoreConflict) -> None:
        """Promise nothing and ask the radio to keep everything."""
        full = isinstance(trouble, StoreFull)
        if full:
            self._put_off_until = self._clocks.monotonic() + FULL_PAUSE_S
        self._crew.dispatcher.forget_promises()
        self.reload()
        verdict = Verdict.FULL if full else Verdict.BUSY
        self._answer([(arrival.ticket, verdict) for arrival in arrivals])
        self._crew.reports.postponed(len(arrivals), trouble.code)

    def _answer(self, answers: list[tuple[Ticket, Verdict]]) -> None:
        """Tell each link about its own, in the order they came."""
        by_bearer: dict[str, list[tuple[Ticket, Verdict]]] = {}
        for answer in answers:
            by_bearer.setdefault(answer[0].bearer, []).append(answer)
        for name, own in by_bearer.items():
            bearer = self._bearers.get(name)
            if bearer is not None:
                bearer.answer(own)
