"""First durable, then answered: seen in the kernel's calls, and in what lies on the disk at the answer."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from tests.crash.load import STEADY, Manner
from tests.crash.stage import Stage
from tests.crash.trace import TALK, needs_strace, read_trace, strace

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.virtual.smsc_options import SmscEvent

SLOW_S = 0.05  # a sync on a bad disk
ENOUGH = 400  # answers


@needs_strace
def test_every_answer_follows_a_sync_that_began_after_its_short_message_came(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    asyncio.run(_answer(tmp_path, STEADY, strace(trace, f"{TALK},fdatasync")))
    seen = read_trace(trace)
    assert len(seen.answers()) >= ENOUGH
    assert seen.unsynced() == []


@needs_strace
def test_a_slow_disk_is_paid_once_per_group_and_answers_still_wait_for_it(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    delay = f"fdatasync:delay_enter={int(SLOW_S * 1e6)}"
    took_s = asyncio.run(
        _answer(
            tmp_path, Manner(weather=STEADY.weather, replayed=0.0), strace(trace, f"{TALK},fdatasync", delay)
        )
    )
    seen = read_trace(trace)
    assert seen.unsynced() == []
    assert took_s < ENOUGH * SLOW_S / 3, "as slow as one sync per answer"
    assert sum(call.synced for call in seen.calls) < ENOUGH / 2


async def _answer(folder: Path, manner: Manner, under: list[str]) -> float:
    """Let a traced gateway answer `ENOUGH` short messages, none of them twice; the seconds it took."""
    async with Stage(folder) as stage:
        daemon = await stage.running(under=under)
        began = time.monotonic()
        load, task = stage.load(manner)
        await daemon.until(lambda: stage.answered >= ENOUGH, "answers")
        took_s = time.monotonic() - began
        verdict = await stage.settle(daemon, load, task)
        assert verdict.problems == []
        assert await daemon.stop() == 0, daemon.tail()
    return took_s


def test_at_the_moment_of_the_answer_a_copy_of_the_disk_holds_what_was_answered(tmp_path: Path) -> None:
    async def run() -> tuple[int, list[str]]:
        async with Stage(tmp_path) as stage:
            daemon = await stage.running()
            looks, missing = 0, []

            def look(event: SmscEvent) -> None:
                nonlocal looks
                if event.name != "delivered" or event.part is None:
                    return
                os.kill(daemon.pid, signal.SIGSTOP)  # so that the copy is of one moment
                try:
                    kept = _kept(tmp_path, tmp_path / f"copy-{looks}")
                finally:
                    os.kill(daemon.pid, signal.SIGCONT)
                looks += 1
                whole = next(paid for paid in stage.books.paid.values() if event.part in paid.parts)
                if event.part.data not in kept and whole.cti not in kept:
                    missing.append(f"answer {looks}")

            stage.watch = look
            load, task = stage.load(Manner(per_s=60.0, batch=3))
            await daemon.until(lambda: looks >= 60, "answers")
            assert (await stage.settle(daemon, load, task)).problems == []
            return looks, missing

    looks, missing = asyncio.run(run())
    assert looks >= 60
    assert missing == []


def _kept(folder: Path, copy: Path) -> set[bytes]:
    """The bodies of waiting parts and the ctis of accepted payments in a copy of the database and its log."""
    copy.mkdir()
    for name in ("gateway.db", "gateway.db-wal"):
        shutil.copyfile(folder / name, copy / name)
    with closing(sqlite3.connect(copy / "gateway.db")) as connection:
        rows = connection.execute("SELECT body FROM segment UNION ALL SELECT cti FROM cti").fetchall()
    shutil.rmtree(copy)
    return {row[0] for row in rows}
