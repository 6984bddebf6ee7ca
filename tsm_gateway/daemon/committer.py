"""Group commit: everybody's writes since the last fsync go down in one transaction.

Writes are staged on the event loop, where they only touch memory; the fsync runs in one thread of its
own, because a disk may take its time. While it does, new work queues up and becomes the next group, so an
idle gateway commits at once and a busy one commits in batches.

| it raises | for whom | then |
|---|---|---|
| any other TsmError while staging | the work that raised it | the rest is staged again without it |
| StoreBusy for longer than `PATIENCE_S` | the whole group | nothing of it is true; go on |
| StoreFull at the fsync | the whole group | nothing of it is true; go on |
| StoreBroken | everybody, now and later | the daemon ends |
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tsm_gateway.errors import TsmError
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreConflict, StoreFull

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.relay.interfaces import Batch, Spool, Staged


PATIENCE_S = 3.0  # below the 5 s after which a carrier takes a short message for refused
BUSY_PAUSE_S = 0.005


class Work(NamedTuple):
    """Something to stage, and who waits for it to be durable."""

    stage: Callable[[Spool], Any]
    done: asyncio.Future[Any]


class Committer:
    """The one writer of the daemon."""

    def __init__(self, spool: Spool, observe: Callable[[float, int], None]) -> None:
        """`observe(seconds, works)` is told of every durable group."""
        self._spool, self._observe = spool, observe
        self._queue: deque[Work] = deque()
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fsync")
        self._broken: StoreBroken | None = None
        self._at_work = False
        self.turns = 0  # groups done with, durable or not: the watchdog looks whether it moves

    async def commit(self, stage: Callable[[Spool], T]) -> T:
        """Stage and make durable; returns what `stage` returned, after the fsync.

        Raises what `stage` raised, StoreFull or StoreBroken; then nothing of it was stored.
        """
        if self._broken is not None:
            raise self._broken
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append(Work(stage, future))
        self._wake.set()
        return await future

    @property
    def idle(self) -> bool:
        """Whether nobody waits for a commit."""
        return not (self._queue or self._at_work)

    async def run(self) -> None:
        """Commit groups until cancelled. Raises StoreBroken, and then acceptance is over."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._at_work = True
                await self._commit_group(loop)
                self._at_work = False
                self.turns += 1
        except StoreBroken as broken:
            self._fail(broken)
            raise
        finally:
            self._thread.shutdown(wait=True)

    async def _commit_group(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make all that waits durable in one transaction, and tell everybody."""
        works = list(self._queue)
        self._queue.clear()
        began = time.perf_counter()
        staged = await self._stage_when_free(works)
        if staged:
            await self._flush(loop, staged)
            self._observe(time.perf_counter() - began, len(staged))
        for work, result in staged:
            if not work.done.done():
                work.done.set_result(result)

    async def _stage_when_free(self, works: list[Work]) -> list[tuple[Work, Any]]:
        """Stage all, waiting for the write lock while an operator's command holds it."""
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._stage([work for work in works if not work.done.done()])
            except StoreBusy as busy:
                if time.monotonic() > give_up_at:
                    _tell(works, busy)
                    return []
                await asyncio.sleep(BUSY_PAUSE_S)
            except StoreBroken as broken:
                _tell(works, broken)
                raise

    def _stage(self, works: list[Work]) -> list[tuple[Work, Any]]:
        """Stage all; whoever fails is told and left out, and the others are staged anew."""
        while works:
            staged = []
            for work in works:
                try:
                    staged.append((work, work.stage(self._spool)))
                except (StoreBusy, StoreBroken):  # of all of them
                    raise
                except TsmError as error:  # of this one; the store rolled back
                    _tell([work], error)
                    works = [each for each in works if each is not work]
                    break
            else:
                return staged
        return []

    async def _flush(self, loop: asyncio.AbstractEventLoop, staged: list[tuple[Work, Any]]) -> None:
        works = [work for work, _ in staged]
        try:
            await loop.run_in_executor(self._thread, self._spool.flush)
        except (StoreFull, StoreBusy, StoreConflict) as error:
            _tell(works, error)
            staged.clear()
        except StoreBroken as broken:
            _tell(works, broken)
            raise

    def _fail(self, broken: StoreBroken) -> None:
        """Nobody is promised anything any more."""
        self._broken = broken
        _tell(list(self._queue), broken)
        self._queue.clear()


def _tell(works: list[Work], error: BaseException) -> None:
    for work in works:
        if not work.done.done():
            work.done.set_exception(error)


def stage(rows: Batch, spool: Spool) -> Staged:
    """Work that writes `rows`, for `partial`."""
    return spool.stage(rows)
