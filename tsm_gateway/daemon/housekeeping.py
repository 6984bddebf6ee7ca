"""What has to be done by the clock: two tasks, one table each.

| every | what | waits for the disk |
|---|---|---|
| 0.25 s | let links read again | no |
| 0.5 s | look whether an operator changed registry or queue | no |
| 1 s | look at free space, feed the watchdog | no |
| 1 s | move the epoch mark on | yes |
| 2 s | read receipts that met no part in other ways | yes |
| 10 s | give up parts that waited too long, count states for the metrics | yes |
| 60 s | delete what is done and past its time | yes |

What waits for the disk keeps nothing else from its time: a disk that hangs is told, and a long purge
neither starves the watchdog nor leaves links unread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from tsm_gateway.daemon.clockwork import Chore, by_clock
from tsm_gateway.daemon.events import Event
from tsm_gateway.daemon.progress import Loop, Progress
from tsm_gateway.relay.interfaces import Batch, StoreBusy, StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.intake import Clocks
    from tsm_gateway.daemon.notify import Notifier
    from tsm_gateway.daemon.relay_parts import RelayParts
    from tsm_gateway.relay.interfaces import Spool

T = TypeVar("T")

PURGE_ROWS = 500  # per slice, so that a purge never holds up a payment
PURGE_S = 0.5  # for slices in a row; then the other chores have their turn
EARLY_RECEIPT_S = 24 * 3600  # a receipt whose part never turns up
DAY_S = 86_400
MIB = 1 << 20
STUCK_S = 20.0  # a loop that has work and does nothing for so long is stuck


class Housekeeping:
    """Owns the clockwork; raises what a chore raises, and then the daemon ends."""

    def __init__(self, parts: RelayParts, clocks: Clocks, notifier: Notifier) -> None:
        """`parts` is the whole relay; `notifier` tells the service manager."""
        self._parts, self._clocks, self._notifier = parts, clocks, notifier
        self._progress = Progress(_loops(parts), STUCK_S)
        self._versions = parts.store.registry.versions()
        self._prompt = (
            Chore(0.0, self._reading),
            Chore(0.5, self._administration),
            Chore(1.0, self._space),
            Chore(1.0, self._watchdog),
        )
        self._slow = (
            Chore(1.0, self._mark),
            Chore(2.0, self._aged_receipts),
            Chore(10.0, self._expire),
            Chore(10.0, self._count),
            Chore(60.0, self._purge),
        )

    async def run(self) -> None:
        """Do the chores until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(by_clock(self._prompt, self._clocks.monotonic), name="housekeeping, prompt")
            group.create_task(by_clock(self._slow, self._clocks.monotonic), name="housekeeping, slow")

    async def _reading(self) -> None:
        """Let the links read again once what came was answered: they wake nobody while they do not read."""
        self._parts.links.throttle_reading()

    async def _administration(self) -> None:
        """Forget cached keys and providers when another process changed them (design §6: within a second)."""
        with contextlib.suppress(StoreBusy):
            versions = self._parts.store.registry.versions()
            if versions == self._versions:
                return
            if versions[0] != self._versions[0]:
                self._parts.directory.forget()
            self._parts.dispatcher.refresh()
            self._versions = versions
            self._parts.reports.administration(*versions)

    async def _mark(self) -> None:
        """Tell the mark outside the database how far the store is."""
        try:
            with contextlib.suppress(StoreBusy):  # a command holds it: the next second does
                await asyncio.to_thread(self._parts.store.mark)
        except StoreFull:
            self._parts.watched.low_space = True  # the next look at the disk decides anew

    async def _space(self) -> None:
        """Put payments off before the disk is quite full: what is accepted must still be handed over."""
        self._parts.reports.flush()
        store = self._parts.settings.store
        status = os.statvfs(store.path.parent)
        free = status.f_bavail * status.f_frsize
        low, watched = free < store.min_free_mb * MIB, self._parts.watched
        if low != watched.low_space:
            self._parts.reports.space(str(store.path), free, low=low)
        watched.free_bytes, watched.low_space, self._parts.intake.low_space = free, low, low

    async def _watchdog(self) -> None:
        """Feed the service manager's watchdog, but only while every loop gets on."""
        stuck = self._progress.stuck(self._clocks.monotonic())
        if stuck:
            self._parts.reports.stuck(stuck, STUCK_S)
        else:
            self._notifier.watchdog()

    async def _expire(self) -> None:
        """Give up parts whose others never came; their journal rows go in one transaction."""
        expired = self._parts.intake.expire(int(self._clocks.wall()))
        if not expired:
            return
        rows = Batch(forget=[part.row for part in expired if part.durable])
        self._parts.reports.expired(expired)
        if rows:
            await self._try(lambda spool: spool.stage(rows))

    async def _count(self) -> None:
        """States for metrics and the service manager's status line."""
        with contextlib.suppress(StoreBusy):
            counts = await asyncio.to_thread(self._parts.store.counts)  # of millions: that takes its time
            self._parts.watched.messages = {state.value: count for state, count in counts.items()}
            controls = await asyncio.to_thread(self._parts.store.provisioning.count_controls)
            self._parts.watched.packages_queued, self._parts.watched.confirmations = controls
        self._notifier.status(self._parts.status_line())

    async def _aged_receipts(self) -> None:
        """Match receipts by other readings of their ids."""
        now = int(self._clocks.wall())
        with contextlib.suppress(StoreFull, StoreBusy):
            outcomes = await self._parts.committer.commit(lambda spool: spool.settle_aged(now))
            self._parts.dispatcher.receipts(outcomes)

    async def _purge(self) -> bool:
        """Delete done messages, spent ctis and lost receipts, in slices; whether there are more."""
        now, enough_at = int(self._clocks.wall()), self._clocks.monotonic() + PURGE_S
        keep_s = self._parts.settings.store.keep_done_days * DAY_S
        rows, purged = PURGE_ROWS, 0
        while rows == PURGE_ROWS and self._clocks.monotonic() < enough_at:
            rows = await self._try(partial(_purge, now, keep_s)) or 0
            purged += rows
        if purged:
            self._parts.reports.log.emit(Event.STORE_PURGED, rows=purged)
        return rows == PURGE_ROWS

    async def _try(self, stage: Callable[[Spool], T]) -> T | None:
        """Commit a chore's work; a full or busy store only puts it off."""
        try:
            return await self._parts.committer.commit(stage)
        except (StoreFull, StoreBusy):
            return None


def _loops(parts: RelayParts) -> list[Loop]:
    committer, intake = parts.committer, parts.intake
    return [
        Loop("committer", lambda: not committer.idle, lambda: committer.turns),
        Loop("intake", lambda: bool(intake.unanswered), lambda: intake.batches),
    ]


def _purge(now: int, keep_s: int, spool: Spool) -> int:
    return spool.purge(now, keep_s, EARLY_RECEIPT_S, PURGE_ROWS)
