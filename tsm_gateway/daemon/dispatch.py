"""The dispatcher: send what was accepted, and write down what became of it.

Links pull: whenever one has room, its next messages are taken from the lanes. What happened is written
down after the fact, in groups; until it is, a crash makes the message go out again, with the same octets.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.daemon.committer import stage
from tsm_gateway.messages import Fate
from tsm_gateway.outbound.parts import parts_of
from tsm_gateway.relay.interfaces import Batch, Outgoing, StoreBusy, StoreFull, SubmittedPart, Transition
from tsm_gateway.relay.lanes import Lanes, UnderWay, serves
from tsm_gateway.relay.retry import BUSY_LIMIT, RetryPolicy, next_move
from tsm_gateway.relay.states import MessageState, Move

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tsm_gateway.daemon.committer import Committer
    from tsm_gateway.daemon.intake import Clocks
    from tsm_gateway.daemon.reports import Reports
    from tsm_gateway.messages import Submitted
    from tsm_gateway.registry.provider import Provider
    from tsm_gateway.relay.interfaces import Bearer, ReceiptOutcome, Spool
    from tsm_gateway.relay.outcomes import Accepted

CLAIM = 200  # messages claimed from the store at a time, or a whole lane if that holds fewer…
CLAIM_PROVIDERS = 10  # …for so many providers: each may have as many to choose from
LONGEST_REASON = 256  # characters
STORE_PAUSE_S = 1.0  # between tries to write down outcomes while the store is full


class Moved(NamedTuple):
    """A message's move, for the log."""

    item: UnderWay
    transition: Transition
    status: int  # the bearer's own code


class SendOptions(NamedTuple):
    """How messages go out."""

    port: int  # application port in the header of every part
    policy: RetryPolicy
    per_provider: int  # messages of one provider kept in memory


class Dispatcher:
    """Owns the lanes and every message under way."""

    def __init__(
        self,
        committer: Committer,
        reports: Reports,
        clocks: Clocks,
        jitter: Callable[[], float],
        options: SendOptions,
        providers: Callable[[], dict[str, Provider]],
    ) -> None:
        """`jitter` is uniform in [0, 1); `providers` lists the active ones by name."""
        self._committer, self._reports, self._clocks = committer, reports, clocks
        self._jitter, self._options, self._list_providers = jitter, options, providers
        self._lanes = Lanes(options.per_provider)
        self._links: dict[str, Bearer] = {}
        self._live: set[str] = set()  # links that can send now
        self._promised: dict[str, int] = {}
        self._providers: dict[str, Provider] = {}
        self._rows = Batch()  # what is to be written…
        self._told: list[Moved] = []  # …and said once it is
        self._wake, self._claim, self._idle = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._claiming = True
        self._claim_size = min(CLAIM, options.per_provider)

    def attach(self, bearer: Bearer) -> None:
        """Let a link send; it counts once `link_up` says so."""
        self._links[bearer.name] = bearer

    def link_up(self, name: str) -> None:
        """A link is bound and may send: look for work at once."""
        self._live.add(name)
        self._claim.set()
        self.pump(name)

    def link_down(self, name: str) -> None:
        """A link went away: what only it could send goes back to the queue."""
        self._live.discard(name)
        for item in self._lanes.abandon(name):
            self._cut_off(item)
        for item in self._lanes.strand(self._live):
            self._move(item, Fate.NOT_SENT)

    def refresh(self) -> None:
        """Administration changed something: read the providers anew.

        What waits for one that changed goes back to the queue, to be sent as that provider is now.
        """
        self._providers = self._list_providers()
        for item in self._lanes.outdated(self._providers):
            self._move(item, Fate.NOT_SENT)
        self._claim.set()

    def direct(self, provider: Provider) -> bool:
        """Whether a message accepted now goes straight into a lane; the place is then promised."""
        promised = self._promised.get(provider.name, 0)
        full = self._lanes.space(provider.name) <= promised
        if full or not self._claiming or not self._reachable(provider):
            return False
        self._promised[provider.name] = promised + 1
        return True

    def forget_promises(self) -> None:
        """The batch that was promised places is settled anew, or not at all."""
        self._promised.clear()

    def accepted(self, accepted: Sequence[Accepted]) -> None:
        """Messages just became ours: send those that were promised a place."""
        self._promised.clear()
        now = self._clocks.monotonic()
        for each in accepted:
            row = each.row
            if row.state is MessageState.ACTIVE:
                outgoing = Outgoing(
                    row.message_id, row.provider, row.packet, row.reference, row.receipt, 1, row.received_at
                )
                self._put(outgoing, each.provider, now)
            elif self._reachable(each.provider):
                self._lanes.backlogged.add(row.provider)
        self._pump_all()

    def pump(self, name: str) -> None:
        """Give a link as much as it has room for."""
        link = self._links[name]
        room = link.room() if name in self._live else 0
        if room > 0:
            items = self._lanes.next_for(name, room)
            if items:
                link.submit([item.submission() for item in items])
        if any(map(self._has_space, self._lanes.backlogged)):
            self._claim.set()

    def submitted(self, name: str, results: Sequence[Submitted]) -> None:
        """A link answered for parts: go on, hand over, or decide what comes next."""
        for result in results:
            item = self._lanes.under_way.get(result.part.message_id)
            if item is None:
                continue
            if result.fate is Fate.ACCEPTED:
                self._part_taken(item, result.message_ids)
            elif result.fate is Fate.BUSY and item.busy < BUSY_LIMIT:
                item.busy += 1
                self._go_on(item, first=True)
            else:
                self._lanes.done(result.part.message_id)
                self._move(item, result.fate, result.status)
        self._reports.submitted(name, results)
        self.pump(name)

    def receipts(self, outcomes: Sequence[ReceiptOutcome]) -> None:
        """Receipts were stored: say what they meant, and try again what the network gave up on."""
        for outcome in outcomes:
            if outcome.failed and outcome.message_id is not None:
                step = next_move(Fate.TEMPORARY, outcome.attempts, self._options.policy, self._jitter())
                at = int(self._clocks.wall())
                self._record(
                    Transition(outcome.message_id, step.move, at, "receipt-failed", at + step.delay_s)
                )
            self._reports.receipt(outcome)

    @property
    def under_way(self) -> int:
        """How many messages are being sent."""
        return len(self._lanes.under_way)

    @property
    def waiting(self) -> int:
        """How many messages wait in lanes."""
        return self._lanes.waiting()

    def stop_claiming(self) -> None:
        """Drain: start nothing new; what waits goes back to the queue, what was started goes on."""
        self._claiming = False
        for item in self._lanes.strand(()):
            self._move(item, Fate.NOT_SENT)

    async def settled(self) -> None:
        """Wait until nothing is under way and every outcome is durable."""
        while self._lanes.under_way or self._rows or self._told:
            self._idle.clear()
            await self._idle.wait()

    async def record(self) -> None:
        """Write outcomes down in groups until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not await self._write():
                await asyncio.sleep(STORE_PAUSE_S)
                self._wake.set()
            self._idle.set()

    async def _write(self) -> bool:
        """Make the outcomes so far durable and say them; False when there was no room for them."""
        rows, self._rows = self._rows, Batch()
        told = len(self._told)

        try:
            staged = await self._committer.commit(partial(stage, rows))
        except (StoreFull, StoreBusy):
            rows.submitted.extend(self._rows.submitted)
            rows.transitions.extend(self._rows.transitions)
            self._rows = rows
            return False
        now = self._clocks.monotonic()
        with self._reports.log.together():
            for moved in self._told[:told]:
                self._reports.moved(moved, now)
        del self._told[:told]
        self.receipts(staged.receipts)  # those that came before their parts were written down
        return True

    async def claim(self) -> None:
        """Fetch queued and due messages from the store until cancelled."""
        while True:
            try:
                async with asyncio.timeout(1.0):
                    await self._claim.wait()
            except TimeoutError:
                pass
            self._claim.clear()
            ready = [
                name
                for name, provider in self._providers.items()
                if self._has_space(name) and self._reachable(provider)
            ]
            for at in range(0, len(ready), CLAIM_PROVIDERS):
                if self._claiming:
                    await self._claim_for(ready[at : at + CLAIM_PROVIDERS])

    async def _claim_for(self, providers: list[str]) -> None:
        now, known = int(self._clocks.wall()), self._providers  # `refresh` may drop one while we wait
        self._lanes.backlogged.difference_update(providers)  # whoever is left behind meanwhile counts anew
        try:
            claimed = await self._committer.commit(partial(_claim_due, now, self._claim_size, providers))
        except (StoreFull, StoreBusy):
            return
        for outgoing in claimed:
            self._put(outgoing, known[outgoing.provider], self._clocks.monotonic())
        if len(claimed) == self._claim_size:
            self._lanes.backlogged.update(providers)
        self._pump_all()

    def _put(self, outgoing: Outgoing, provider: Provider, now: float) -> None:
        """Into its lane; back to the queue if the last link for it went, or a drain began, meanwhile."""
        provider = self._providers.get(outgoing.provider, provider)
        parts = parts_of(outgoing.packet, port=self._options.port, reference=outgoing.reference)
        item = UnderWay(outgoing, provider, parts, now)
        if self._claiming and self._reachable(provider):
            self._lanes.put(item)
        else:
            self._move(item, Fate.NOT_SENT)

    def _has_space(self, provider: str) -> bool:
        return self._lanes.space(provider) >= self._claim_size

    def _reachable(self, provider: Provider) -> bool:
        return any(serves(provider, name) for name in self._live)

    def _pump_all(self) -> None:
        for name in self._live:
            self.pump(name)

    def _part_taken(self, item: UnderWay, smsc_ids: tuple[str, ...]) -> None:
        """One part was answered 0: the next one's turn, or the message is handed over."""
        item.smsc_ids.append(smsc_ids)
        item.position, item.busy = item.position + 1, 0
        if item.position < len(item.parts):
            self._go_on(item)
            return
        outgoing, at = item.outgoing, int(self._clocks.wall())
        self._lanes.done(outgoing.message_id)
        if outgoing.receipt:
            self._rows.submitted.extend(
                SubmittedPart(outgoing.message_id, number, len(item.parts), ids, at)
                for number, ids in enumerate(item.smsc_ids, 1)
            )
        self._record(Transition(outgoing.message_id, Move.HAND_OVER, at, _named(item.smsc_ids)), item)

    def _go_on(self, item: UnderWay, *, first: bool = False) -> None:
        """Its next part follows on the same link, unless that went away behind this answer."""
        if item.link in self._live:
            self._lanes.continue_on(item, first=first)
        else:
            self._lanes.done(item.outgoing.message_id)
            self._cut_off(item)

    def _cut_off(self, item: UnderWay) -> None:
        """The link of a message went away before its next part: all of it goes out again, somewhere."""
        self._move(item, Fate.UNKNOWN if item.position else Fate.NOT_SENT)

    def _move(self, item: UnderWay, fate: Fate, status: int = 0) -> None:
        """A message was not handed over: decide and write down what comes next."""
        step = next_move(fate, item.outgoing.attempts, self._options.policy, self._jitter())
        at = int(self._clocks.wall())
        transition = Transition(item.outgoing.message_id, step.move, at, fate.value, at + step.delay_s)
        self._record(transition, item, status)

    def _record(self, transition: Transition, item: UnderWay | None = None, status: int = 0) -> None:
        self._rows.transitions.append(transition)
        if item is not None:
            self._told.append(Moved(item, transition, status))
        self._wake.set()


def _claim_due(now: int, limit: int, providers: list[str], spool: Spool) -> list[Outgoing]:
    return spool.claim_due(now, limit, providers)


def _named(smsc_ids: list[tuple[str, ...]]) -> str:
    """What the carrier calls each part, kept with the message: for a talk with its night desk."""
    first = [ids[0] for ids in smsc_ids if ids]
    return f"carrier ids {', '.join(first)}"[:LONGEST_REASON] if first else ""
