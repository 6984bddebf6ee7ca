"""kill -9 at any moment: what was acknowledged is there, and nothing is accepted twice."""

from __future__ import annotations

import os
import random
import signal
from typing import TYPE_CHECKING

from tests.store import writer
from tests.store.history import History, assert_kept
from tests.store.samples import open_store

if TYPE_CHECKING:
    from pathlib import Path

CYCLES = 20


def test_twenty_kills_lose_nothing(folder: Path) -> None:
    facts = ""
    chance = random.Random(20)
    for _ in range(CYCLES):
        child, told = start(folder)
        try:
            lines = b""
            wanted = chance.randrange(1, 60)
            while lines.count(b"\n") <= wanted:
                piece = os.read(told, 65_536)
                assert piece, "the writer ended by itself"
                lines += piece
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        while piece := os.read(told, 65_536):
            lines += piece
        os.close(told)
        facts += lines[: lines.rfind(b"\n") + 1].decode()
        assert_kept(History.read(facts), folder)
    assert len(History.read(facts).facts["delivered"]) > CYCLES


def start(folder: Path) -> tuple[int, int]:
    """A process that lives off the store: its id, and where to read what it tells."""
    told, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        return child, told
    try:
        writer.work(open_store(folder), writer.teller(tell), count=10**9, lives=True)
    finally:
        os._exit(1)
