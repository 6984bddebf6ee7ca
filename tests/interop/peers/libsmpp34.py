"""The verdicts of libsmpp34 (Debian: libsmpp34-dev), a strict decoder in C, compiled by the test."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.peers.program import require

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Path(__file__).with_name("libsmpp34.c")
HEADER = Path("/usr/include/libsmpp34/smpp34.h")


def compile_judge(folder: Path) -> Path:
    """Compile the judge into `folder`; skips when library or compiler are not there."""
    gcc = require("gcc", "gcc libc6-dev")
    if not HEADER.exists():
        pytest.skip("libsmpp34 is not installed (Debian: libsmpp34-dev)")
    judge = folder / "libsmpp34-judge"
    subprocess.run([gcc, "-O1", "-Wall", "-o", judge, SOURCE, "-lsmpp34"], check=True, timeout=60)
    return judge


def verdicts(judge: Path, frames: Sequence[bytes]) -> list[str]:
    """One line per frame: "ok 0x…" or "bad 0x… why"."""
    lines = "".join(f"{frame.hex()}\n" for frame in frames)
    done = subprocess.run([judge], input=lines.encode(), capture_output=True, check=True, timeout=30)
    return done.stdout.decode("latin-1").splitlines()
