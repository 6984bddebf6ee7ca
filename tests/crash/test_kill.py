"""kill -9 under load: whatever was acknowledged arrives, once, and no replay is taken."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tests.crash.kills import kill_again_and_again

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 50
SEED = int(os.environ.get("CRASH_SEED", "0")) or int.from_bytes(os.urandom(4), "big")


@pytest.mark.timeout(180)
def test_fifty_kills_under_load_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    print(f"CRASH_SEED={SEED}")  # noqa: T201 - pytest shows it when the test fails
    verdict = asyncio.run(kill_again_and_again(tmp_path, KILLS, SEED))
    print(verdict)  # noqa: T201
    assert verdict.problems == []
    assert verdict.acknowledged > 10 * KILLS
    assert verdict.replays > KILLS
