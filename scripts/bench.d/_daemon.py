"""A daemon in a process of its own, what it costs, and how figures of several runs are printed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

from tsm_gateway.cli.demo_stage import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from tsm_gateway.cli.demo_stage import Stage

START_S = 60.0


def print_medians(runs: Sequence[Any]) -> dict[str, float]:
    """Print each field of `runs`, one named tuple a run; the medians by name."""
    medians = {}
    for name, values in zip(runs[0]._fields, zip(*runs, strict=True), strict=True):
        low, medians[name], high = min(values), statistics.median(values), max(values)
        print(f"{name:<18} median {medians[name]:>10.2f}   min {low:>10.2f}   max {high:>10.2f}", flush=True)
    return medians


def cpu_s(process: psutil.Process) -> float:
    """Processor time it took so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def daemon(stage: Stage, verb: str, port: int) -> Iterator[tuple[psutil.Process, float]]:
    """A daemon in a process of its own, and how long it took until it listened on `port`."""
    command = [sys.executable, "-m", "tsm_gateway", "--config", str(stage.config), verb]
    began = time.perf_counter()
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    ) as started:
        try:
            _until_listening(port, started)
            yield psutil.Process(started.pid), time.perf_counter() - began
        finally:
            started.send_signal(signal.SIGTERM)
            started.wait(START_S)


def _until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + START_S
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    sys.exit("the daemon did not come up")
