"""What is done by the clock: chores, each as often as it wants."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import Never

TICK_S: Final = 0.25


class Chore(NamedTuple):
    """One thing done by the clock."""

    every_s: float
    run: Callable[[], Awaitable[bool | None]]  # True: there is more to do, come again at the next tick


async def by_clock(chores: Iterable[Chore], monotonic: Callable[[], float]) -> Never:
    """Do `chores`, one after the other, until cancelled; raises what one of them raises."""
    due = dict.fromkeys(chores, 0.0)
    while True:
        now = monotonic()
        for chore, at in due.items():
            if now >= at:
                more = await chore.run()
                due[chore] = now if more else now + chore.every_s
        await asyncio.sleep(TICK_S)
