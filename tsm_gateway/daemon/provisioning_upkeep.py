"""What provisioning does by the clock: three tasks.

| every | what | waits for the disk |
|---|---|---|
| 1 s | feed the watchdog | no |
| 10 s | forget challenges whose time is over, tell the service manager how it goes | no |
| 1 h | look when certificates end | no |
| 1 s | move the epoch mark on | yes |
| 1 s | judge confirmations that came over the air; make keys that were ordered | yes |
| 10 s | end the sessions of silent agents; make new keys current that are used | yes |
| 5 min | order new keys for those that are too old or used too often | yes |
| 1 s | look at some devices' certificates again, which may wait for responders | yes |

Confirmations come ahead of the use of keys: a proof says more than a packet. A chore that fails for one
device, or because the store is busy or full, is done again later; a broken store ends the daemon.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tsm_gateway.daemon.clockwork import Chore, by_clock
from tsm_gateway.daemon.progress import Loop, Progress
from tsm_gateway.errors import TsmError
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreFull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tsm_gateway.daemon.notify import Notifier
    from tsm_gateway.daemon.provisioning_parts import ProvisioningParts

    Work = Callable[[], Awaitable[bool | None]]

STUCK_S: Final = 20.0  # a committer that has work and does nothing for so long is stuck
EVERY_SESSIONS_S: Final = 10.0
EVERY_PROMOTION_S: Final = 10.0
EVERY_POLICY_S: Final = 300.0  # it looks at every window when packets are counted
EVERY_EXPIRY_S: Final = 3600.0


class ProvisioningUpkeep:
    """Owns the clockwork; raises StoreBroken, and then the daemon ends."""

    def __init__(self, parts: ProvisioningParts, monotonic: Callable[[], float], notifier: Notifier) -> None:
        """`parts` is all of provisioning; `notifier` tells the service manager."""
        self._parts, self._monotonic, self._notifier = parts, monotonic, notifier
        committer = parts.committer
        loop = Loop("committer", lambda: not committer.idle, lambda: committer.turns)
        self._progress = Progress([loop], STUCK_S)
        self._prompt = (
            Chore(1.0, self._watchdog),
            Chore(10.0, self._quick),
            Chore(EVERY_EXPIRY_S, parts.certificates.look),
        )
        self._slow = (
            Chore(1.0, self._mark),
            Chore(1.0, self._unless_busy(parts.arrivals.settle)),
            Chore(1.0, self._unless_busy(parts.orders.fulfil)),
            Chore(EVERY_SESSIONS_S, self._unless_busy(self._sessions)),
            Chore(EVERY_PROMOTION_S, self._unless_busy(parts.promotion.look)),
            Chore(EVERY_POLICY_S, self._unless_busy(parts.policy.look)),
        )
        self._patient = (Chore(1.0, self._unless_busy(parts.sweep.look)),)

    async def run(self) -> None:
        """Do the chores until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(by_clock(self._prompt, self._monotonic), name="upkeep, prompt")
            group.create_task(by_clock(self._slow, self._monotonic), name="upkeep, slow")
            group.create_task(by_clock(self._patient, self._monotonic), name="upkeep, patient")

    async def _watchdog(self) -> None:
        """Feed the service manager's watchdog, but only while the committer gets on."""
        stuck = self._progress.stuck(self._monotonic())
        if stuck:
            self._parts.reports.stuck(stuck, STUCK_S)
        else:
            self._notifier.watchdog()

    async def _quick(self) -> None:
        self._parts.challenges.expire(int(self._parts.wall()))
        self._notifier.status(self._parts.status_line())

    async def _sessions(self) -> None:
        """End those whose agents are not heard any more."""
        delivery = self._parts.held.now.delivery
        if delivery is not None:
            await self._parts.delivery.expire(delivery.section.session_s)

    async def _mark(self) -> None:
        """Tell the mark outside the database how far the store is."""
        with suppress(StoreBusy, StoreFull):  # the next second does
            await asyncio.to_thread(self._parts.store.mark)

    def _unless_busy(self, chore: Work) -> Work:
        """`chore`, put off when it cannot be done now."""

        async def run() -> bool | None:
            try:
                return await chore()
            except (StoreBusy, StoreFull):
                return None
            except StoreBroken:
                raise
            except TsmError as error:  # a damaged row, say: it must not keep the others from their turn
                self._parts.reports.postponed(None, error, EVERY_PROMOTION_S)
                return None

        return run
