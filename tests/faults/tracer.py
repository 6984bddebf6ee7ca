"""strace at a gateway that lives already: the n-th call of a kind from now on fails, or kills.

strace counts the calls of each thread for itself; the gateway commits from one thread, so `n` runs through
the calls of one commit after the other.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.crash.trace import LONGEST
from tests.faults.premises import POLL_S, Unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.premises import Life

DURABLE = "pwrite64,fdatasync,fsync"
ATTACH_S = 15.0

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None and os.environ.get("CI") != "true", reason="strace is not installed"
)


@contextmanager
def traced(life: Life, trace: Path, inject: str = "", *, calls: str = DURABLE) -> Iterator[None]:
    """Trace `life` into the file `trace`; a held one goes on once the tracer has it."""
    injection = ["-e", f"inject={inject}"] if inject else []
    shown = ["-ttt", "-xx", "-s", str(LONGEST)]
    command = ["strace", "-f", "-qq", *shown, "-o", str(trace), "-e", f"trace={calls}", *injection]
    with subprocess.Popen([*command, "-p", str(life.pid)], stderr=subprocess.PIPE) as tracer:
        try:
            _until_traced(life, tracer)
            os.kill(life.pid, signal.SIGCONT)
            yield
        finally:
            tracer.terminate()
            tracer.communicate(timeout=ATTACH_S)


def _until_traced(life: Life, tracer: subprocess.Popen[bytes]) -> None:
    """Return once every thread has its tracer."""
    end = time.monotonic() + ATTACH_S
    while not all(_is_traced(thread) for thread in Path(f"/proc/{life.pid}/task").iterdir()):
        if tracer.poll() is not None or life.gone or time.monotonic() > end:
            raise Unexpected(f"strace could not attach\n{life.tail()}")
        time.sleep(POLL_S)


def _is_traced(thread: Path) -> bool:
    try:
        return "TracerPid:\t0\n" not in (thread / "status").read_text()
    except FileNotFoundError:  # it ended meanwhile
        return True
