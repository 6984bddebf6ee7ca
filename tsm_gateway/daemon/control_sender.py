"""The control sender: key packages go out as short messages, beside the payments.

| the bearer says of a part | what becomes of the package |
|---|---|
| accepted | its next part, on the same link; after the last one it is `sent` |
| busy | the same part again after the link's pause; after `BUSY_LIMIT` times as temporary |
| temporary, unknown | queued again, due after the back-off of payments; `failed` after as many attempts |
| permanent | `failed` |
| not sent | nothing: it is still queued |

A package stays queued in the store until its outcome is durable. So a crash, or a link that goes away
between its parts, makes all of it go out again, with the same octets: harmless, the crypto SE knows a
package by its kid and epoch. That it came is told by the device's confirmation, not by a receipt.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tsm_gateway.errors import TsmError
from tsm_gateway.messages import Fate
from tsm_gateway.outbound.parts import PacketTooLong
from tsm_gateway.registry.control import ControlState
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreFull
from tsm_gateway.relay.retry import BUSY_LIMIT, next_move
from tsm_gateway.relay.states import Move
from tsm_gateway.store.registry_rows import RowDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tsm_gateway.daemon.committer import Committer
    from tsm_gateway.daemon.control_reports import ControlReports
    from tsm_gateway.daemon.intake import Clocks
    from tsm_gateway.messages import Submitted
    from tsm_gateway.registry.control import ControlMessage
    from tsm_gateway.relay.control_lane import ControlLane, Sending
    from tsm_gateway.relay.interfaces import Bearer
    from tsm_gateway.relay.retry import RetryPolicy

LOOK_S = 1.0  # between looks at the store
DAMAGED_PAUSE_S = 60.0  # between two words on damaged rows, which are passed over: `store check` names them
STORE_PAUSE_S = 1.0  # between tries to write down outcomes while the store is full
MOST = 32  # packages in memory: payments are what the links are for
OVERDUE_S = 5.0  # a part that found no room beside payments for so long takes the next one

STATE_AFTER: Mapping[Move, ControlState] = {
    Move.HAND_OVER: ControlState.SENT,
    Move.DEFER: ControlState.QUEUED,
    Move.GIVE_UP: ControlState.FAILED,
}


class ControlStore(Protocol):
    """What the sender asks of the store."""

    damaged: int  # rows passed over so far

    def due_controls(self, now: int, limit: int) -> list[ControlMessage]:
        """Up to `limit` queued packages that are due at Unix second `now`, oldest first."""

    def move_control(
        self, message_id: bytes, state: ControlState, *, attempts: int, due_at: int, reason: str, at: int
    ) -> None:
        """Staged: what became of a package. Raises a TsmError when it is not queued any more."""


class Retrying(NamedTuple):
    """How a package is tried again."""

    policy: RetryPolicy
    jitter: Callable[[], float]  # uniform in [0, 1)


class Outcome(NamedTuple):
    """What became of a package, to be written down."""

    control: ControlMessage
    move: Move  # a key of STATE_AFTER
    attempts: int
    at: int  # Unix seconds
    due_at: int  # Unix seconds: for DEFER
    reason: str
    status: int = 0  # the bearer's own code
    link: str = ""
    smsc_ids: tuple[str, ...] = ()  # the carrier's ids of the parts


class ControlSender:
    """Owns every key package under way."""

    def __init__(
        self,
        store: ControlStore,
        committer: Committer,
        reports: ControlReports,
        clocks: Clocks,
        retrying: Retrying,
        lane: ControlLane,
    ) -> None:
        """`lane` is empty; what is due comes from `store`."""
        self._store, self._committer, self._reports = store, committer, reports
        self._clocks, self._retrying, self._lane = clocks, retrying, lane
        self._links: dict[str, Bearer] = {}
        self._live: set[str] = set()  # links that can send now
        self._outcomes: list[Outcome] = []
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._sending = True
        self._look_at = 0.0  # monotonic seconds
        self._tell_at = 0.0  # monotonic seconds: when a damaged package is told of again

    def attach(self, bearer: Bearer) -> None:
        """Let a link send; it counts once `link_up` says so."""
        self._links[bearer.name] = bearer

    def link_up(self, name: str) -> None:
        """A link is bound and may send: look for work at once."""
        self._live.add(name)
        self._look_at = 0.0
        self._wake.set()

    def link_down(self, name: str) -> None:
        """A link went away: what was to go on there begins anew elsewhere."""
        self._live.discard(name)
        for item in self._lane.abandon(name):
            self._cut_off(item)
        if not self._live:
            self._lane.clear()

    @property
    def busy(self) -> bool:
        """Whether there is anything to send or under way."""
        return not self._lane.idle

    @property
    def waiting(self) -> int:
        """How many packages in memory wait for a link."""
        return self._lane.waiting

    @property
    def under_way(self) -> int:
        """How many packages are being sent, or wait for their outcome to be durable."""
        return len(self._lane.under_way)

    def owns(self, result: Submitted) -> bool:
        """Whether a link's answer is about a key package."""
        return result.part.message_id in self._lane.under_way

    def claim_turn(self, name: str) -> None:
        """Before payments take a link's room: one part that has been waiting too long."""
        self._give(name, 1, since=self._clocks.monotonic() - OVERDUE_S)

    def pump(self, name: str) -> None:
        """After payments took their share: give a link as much as it still has room for."""
        self._give(name, MOST)

    def _give(self, name: str, most: int, *, since: float | None = None) -> None:
        if self._lane.idle or name not in self._live:
            return
        link = self._links[name]
        items = self._lane.next_for(name, min(most, link.room()), since=since)
        if items:
            link.submit([item.submission() for item in items])

    def submitted(self, name: str, results: Sequence[Submitted]) -> None:
        """A link answered for parts of ours: go on, or decide what comes next."""
        for result in results:
            item = self._lane.under_way.get(result.part.message_id)
            if item is None:
                continue
            if result.fate is Fate.ACCEPTED:
                self._part_taken(item, result)
            elif result.fate is Fate.BUSY and item.busy < BUSY_LIMIT:
                item.busy += 1
                self._go_on(item, first=True)
            else:
                self._failed(item, result.fate, result.status)
        self._reports.submitted(name, results)

    def _part_taken(self, item: Sending, result: Submitted) -> None:
        """One part was answered 0: the next one's turn, or the package is sent."""
        item.smsc_ids.append(result.message_ids)
        item.position, item.busy = item.position + 1, 0
        if item.position < len(item.parts):
            self._go_on(item)
        else:
            self._record(item, Move.HAND_OVER, "")

    def _go_on(self, item: Sending, *, first: bool = False) -> None:
        """Its next part follows on the same link, unless that went away behind this answer."""
        if item.link in self._live:
            self._lane.continue_on(item, self._clocks.monotonic(), first=first)
        else:
            self._cut_off(item)

    def _cut_off(self, item: Sending) -> None:
        """The link of a package went away before its next part."""
        self._failed(item, Fate.UNKNOWN if item.position else Fate.NOT_SENT)

    def _failed(self, item: Sending, fate: Fate, status: int = 0) -> None:
        """A part was not taken: decide what comes next."""
        step = next_move(fate, item.attempts, self._retrying.policy, self._retrying.jitter())
        if step.move is Move.RETURN:
            self._lane.done(item.control.message_id)  # the store never had it otherwise than queued
            return
        self._record(item, step.move, fate.value, delay_s=step.delay_s, status=status)

    def _record(self, item: Sending, move: Move, reason: str, *, delay_s: int = 0, status: int = 0) -> None:
        """It stays under way until this is durable, so that nobody takes it for queued."""
        at = int(self._clocks.wall())
        named = tuple(ids[0] if ids else "-" for ids in item.smsc_ids)
        self._outcomes.append(
            Outcome(item.control, move, item.attempts, at, at + delay_s, reason, status, item.link, named)
        )
        self._wake.set()

    def stop(self) -> None:
        """Drain: start nothing new; what was started goes on."""
        self._sending = False
        self._lane.clear()

    async def settled(self) -> None:
        """Wait until nothing is under way and every outcome is durable."""
        while self._lane.under_way or self._outcomes:
            self._idle.clear()
            await self._idle.wait()

    async def run(self) -> None:
        """Look for packages and write outcomes down until cancelled. Raises StoreBroken."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            self._wake.clear()
            if self._outcomes and not await self._write():
                await asyncio.sleep(STORE_PAUSE_S)
                self._wake.set()
            self._look()
            self._idle.set()

    async def _write(self) -> bool:
        """Make the outcomes so far durable and say them; False when there was no room for them."""
        outcomes, self._outcomes = self._outcomes, []
        written = await asyncio.gather(*map(self._settle, outcomes))
        kept = [outcome for outcome, done in zip(outcomes, written, strict=True) if not done]
        self._outcomes[:0] = kept
        return not kept

    async def _settle(self, outcome: Outcome) -> bool:
        """Write one outcome down; False when the store has no time or room for it now."""
        try:
            await self._committer.commit(lambda _spool: self._move(outcome))
        except (StoreFull, StoreBusy):
            return False
        except StoreBroken:
            raise
        except TsmError:  # its device was terminated meanwhile: nobody wants to know any more
            moved = False
        else:
            moved = True
        self._lane.done(outcome.control.message_id)
        if moved:
            self._reports.moved(outcome)
        return True

    def _move(self, outcome: Outcome) -> None:
        self._store.move_control(
            outcome.control.message_id,
            STATE_AFTER[outcome.move],
            attempts=outcome.attempts,
            due_at=outcome.due_at,
            reason=outcome.reason,
            at=outcome.at,
        )

    def _look(self) -> None:
        """Renew the view of what is due, once a second and only while it could be sent."""
        now = self._clocks.monotonic()
        if now < self._look_at or not self._live or not self._sending or not self._lane.space:
            return
        self._look_at = now + LOOK_S
        known = self._store.damaged
        try:
            due = self._store.due_controls(int(self._clocks.wall()), MOST)
        except StoreBusy:
            return
        if self._store.damaged > known and now >= self._tell_at:
            self._reports.unreadable(RowDamaged.code)
            self._tell_at = now + DAMAGED_PAUSE_S
        for unfit in self._lane.renew(due, now):
            self._record(unfit, Move.GIVE_UP, PacketTooLong.code)
        for name in self._live:
            self.pump(name)
