"""A disk that fails: no answer builds on what came after the error, the process ends, the next one
recovers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.crash.load import STEADY
from tests.crash.stage import Stage
from tests.crash.trace import TALK, needs_strace, read_trace, strace
from tsm_gateway.daemon.exits import Exit

if TYPE_CHECKING:
    from pathlib import Path

WITHIN_S = 1.0  # from the error to the end
FAULTS = {
    "while it starts": "fsync:error=EIO:when=1",
    "an early commit, once": "fdatasync:error=EIO:when=9",
    "a later commit, once": "fdatasync:error=EIO:when=60",
    "every commit from one on": "fdatasync:error=EIO:when=31+",
    "a write ahead of a commit": "pwrite64:error=EIO:when=150",
    "the epoch mark": "fsync:error=EIO:when=4",
}


@needs_strace
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_no_success_after_an_io_error_is_trusted_and_nothing_is_lost(tmp_path: Path, fault: str) -> None:
    asyncio.run(_fail_and_recover(tmp_path, fault))


async def _fail_and_recover(folder: Path, fault: str) -> None:
    async with Stage(folder) as stage:
        text = stage.configure()
        following = await stage.standby()
        load, task = stage.load(STEADY)
        trace = folder / "trace"
        daemon = await stage.start(under=strace(trace, f"{TALK},fdatasync,fsync,pwrite64", fault))
        assert await daemon.ended() == Exit.STORE_BROKEN, daemon.tail()
        assert daemon.errors() == ""
        seen = read_trace(trace)
        error = seen.failures[0]
        # The mark is written by a thread of its own: a commit under way beside it may still succeed.
        assert seen.unsynced(None if error.name == "fsync" else error) == []
        assert seen.ended_at - error.at < WITHIN_S
        await following.release(text)
        verdict = await stage.settle(following, load, task)
        assert verdict.problems == []
        assert verdict.acknowledged == verdict.paid > 0
