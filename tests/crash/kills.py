"""A campaign of kills: the gateway dies at moments it did not choose, again and again, under load."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.crash.load import Manner
from tests.crash.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.crash.daemon import Daemon
    from tests.crash.history import Verdict

MANNER = Manner(per_s=200.0)
MOMENT_S = 25.0  # a moment that does not come is a failure
LAST_REPLAYS = 100


async def kill_again_and_again(folder: Path, kills: int, seed: int, *, seconds: float = 0.0) -> Verdict:
    """Kill `kills` times, or, when `seconds` are given, until they are over; then let it all arrive.

    While one gateway lives the next stands by, so that it takes over within milliseconds.
    """
    loop = asyncio.get_running_loop()
    async with Stage(folder, seed) as stage:
        text = stage.configure()
        load, task = stage.load(MANNER)
        ends = loop.time() + seconds
        following, killed = await stage.standby(), 0
        while killed < kills or loop.time() < ends:
            daemon, following = following, await stage.standby()
            await daemon.release(text)
            await _moment(stage, daemon)
            await daemon.kill()
            killed += 1
        await following.release(text)
        verdict = await stage.settle(following, load, task)
        load.replay(LAST_REPLAYS)
        await following.until(lambda: not stage.smsc.unanswered, "an answer to the last replays")
        assert await following.stop() == 0, following.tail()
        _no_complaints(stage)
        last = stage.judge.verdict()
        if (last.delivered, last.repeated) != (verdict.delivered, verdict.repeated):
            verdict.problems.append(
                f"taken at the last replays: {last.delivered - verdict.delivered} payments"
            )
        return last._replace(problems=verdict.problems)


async def _moment(stage: Stage, daemon: Daemon) -> None:
    """Wait for the moment of the next kill: in the start, after so many answers, after so many submits."""
    chance, statistics = stage.chance, stage.smsc.statistics
    kind = chance.choices(("start", "answers", "submits"), (1, 4, 3))[0]
    if kind == "start":
        over = asyncio.get_running_loop().time() + chance.uniform(0.0, 0.3)
        await daemon.until(lambda: asyncio.get_running_loop().time() > over, "a moment")
        return
    count: Callable[[], int] = (
        (lambda: statistics.delivered) if kind == "answers" else (lambda: statistics.taken)
    )
    wanted = count() + chance.randint(1, 200)
    await daemon.until(lambda: count() >= wanted, f"{kind} before a kill", MOMENT_S, every_s=0.0)


def _no_complaints(stage: Stage) -> None:
    """No life ended with a traceback."""
    for daemon in stage.daemons:
        assert daemon.errors() == ""
