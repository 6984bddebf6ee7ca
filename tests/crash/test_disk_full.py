"""A full disk: the message centre keeps its messages, what was accepted still goes out, room heals it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.crash.load import STEADY
from tests.crash.stage import Stage
from tsm_gateway.virtual.smpp_octets import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1 << 20
DISK_MIB = 48  # more than the 32 MiB below which the store takes nothing new in
HEALED_S = 5.0
needs_mount = pytest.mark.skipif(
    os.geteuid() != 0 and os.environ.get("CI") != "true", reason="mounting a small disk needs root"
)


@contextmanager
def small_disk(folder: Path, octets: int) -> Iterator[Path]:
    """A disk of its own, in memory."""
    disk = folder / "disk"
    disk.mkdir()
    size = f"size={octets},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Take all of the disk but `leave` octets."""
    ballast = disk / "ballast"
    with ballast.open("ab") as file:
        while (room := os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - leave) > 0:
            file.write(bytes(min(room, MIB)))
            file.flush()
    return ballast


@needs_mount
@pytest.mark.parametrize("leave", [DISK_MIB * MIB // 2, 0], ids=["below the reserve", "not an octet left"])
def test_a_full_disk_puts_payments_off_hands_over_the_others_and_heals(tmp_path: Path, leave: int) -> None:
    async def run() -> None:
        with small_disk(tmp_path, DISK_MIB * MIB) as disk:
            async with Stage(tmp_path, store=disk) as stage:
                hold = True
                stage.refuse = lambda: Status.RSYSERR if hold else None
                daemon = await stage.running()
                load, task = stage.load(STEADY)
                await daemon.until(lambda: stage.answered > 200, "payments that wait for their provider")
                deferred = stage.smsc.statistics.deferrals
                fill(disk, DISK_MIB * MIB // 2)
                await daemon.until(lambda: deferred[Status.RMSGQFUL] > 50, "the radio told to keep them")
                ballast = fill(disk, leave)
                answered, before = stage.answered, len(stage.judge.missing())
                assert before > 50
                hold = False
                if leave:  # the reserve is for this; with no octet left, nothing can be written down
                    await daemon.until(lambda: not stage.judge.missing(), "the accepted ones at the provider")
                assert stage.answered - answered < 50  # those under way when the disk became full
                await daemon.until(lambda: deferred[Status.RMSGQFUL] > 500, "more refusals")
                ballast.unlink()
                answered = stage.answered
                await daemon.until(lambda: stage.answered > answered + 100, "payments again", HEALED_S)
                verdict = await stage.settle(daemon, load, task)
                assert verdict.problems == []
                assert verdict.acknowledged == verdict.paid
                assert set(deferred) == {Status.RMSGQFUL}
                assert not stage.smsc.statistics.given_up
                assert await daemon.stop() == 0, daemon.tail()
                assert daemon.errors() == ""

    asyncio.run(run())


@needs_mount
def test_a_log_that_cannot_be_written_stops_no_payment(tmp_path: Path) -> None:
    async def run() -> None:
        with small_disk(tmp_path, MIB) as disk:
            async with Stage(tmp_path) as stage:
                daemon = await stage.running(output=disk / "log")
                fill(disk, 0)
                load, task = stage.load(STEADY)
                await daemon.until(lambda: stage.answered > 300, "payments without a log")
                verdict = await stage.settle(daemon, load, task)
                assert verdict.problems == []
                assert os.statvfs(disk).f_bavail == 0
                assert await daemon.stop() == 0
                assert daemon.errors() == ""

    asyncio.run(run())
