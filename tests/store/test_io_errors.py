"""A disk that fails: after the first error nothing is acknowledged any more, and a restart recovers.

strace makes the n-th fdatasync of a real process fail. Failing once is the worse case: SQLite goes on as
if nothing had happened, although the kernel has thrown the pages away.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.history import History, assert_kept
from tests.store.writer import EXITS
from tsm_gateway.relay.interfaces import StoreBroken

ROOT = Path(__file__).parents[2]
needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None and os.environ.get("CI") != "true", reason="strace is not installed"
)
FAULTS = {
    "an fsync fails once": "fsync,fdatasync:error=EIO:when={n}",
    "every fsync fails from then on": "fsync,fdatasync:error=EIO:when={n}+",
    "a write fails once": "pwrite64:error=EIO:when={n}",
}


@needs_strace
@pytest.mark.parametrize("nth", [40, 61])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_nothing_is_acknowledged_after_an_io_error(folder: Path, fault: str, nth: int) -> None:
    calls, _, _ = fault.partition(":")
    ended = subprocess.run(
        [
            *("strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={calls}"),
            *("-e", f"inject={fault.format(n=nth)}"),
            *(sys.executable, "-m", "tests.store.writer", folder, "-", "--count", "300"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    history = History.read(ended.stdout)
    assert ended.returncode == EXITS[StoreBroken], ended.stderr
    assert history.failures == ["failed store-broken"]
    assert history.accepted
    assert history.after_failure == []
    assert_kept(history, folder)
