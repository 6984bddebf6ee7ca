"""A clock moved by hand: time stands still until a test moves it, and sleepers wake on the dot."""

from __future__ import annotations

import asyncio
import heapq
import itertools


class MovedClock:
    """Unix time that only `advance` moves."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        """Start at `now`, Unix seconds."""
        self._now = now
        self._order = itertools.count()  # sleepers of one instant wake in the order they lay down
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        """Tell the time, Unix seconds: the clock itself fits wherever `time.time` does."""
        return self._now

    @property
    def seconds(self) -> int:
        """The time in whole Unix seconds, as it stands in certificates."""
        return int(self._now)

    def advance(self, seconds: float) -> None:
        """Move on by `seconds` and wake everyone whose time came. Raises ValueError on a step back."""
        if seconds < 0:
            message = f"a clock does not go back by {-seconds} s"
            raise ValueError(message)
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, sleeper = heapq.heappop(self._sleepers)
            if not sleeper.done():  # else it was cancelled meanwhile
                sleeper.set_result(None)

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was moved on by `seconds`."""
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), sleeper))
        if seconds <= 0:
            sleeper.set_result(None)
        await sleeper
