"""The demo as people start it: what it shows, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "tsm_gateway", "demo"]
HOPS = ["app-SE", "sensor", "crypto-SE", "radio", "gateway", "provider", "gateway", "receipt"]
WITHIN_S = 40.0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that stays up, its folder below `tmp_path`."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*COMMAND, "--payments", "2", "--keep-running"], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        process.kill()


def until(demo: subprocess.Popen[str], words: str) -> None:
    """Read until a line holds `words`; the test's own time limit is the deadline."""
    assert demo.stdout is not None
    assert any(words in line for line in demo.stdout), f"it ended without a word of {words!r}"


def test_each_payment_is_told_from_the_handset_to_the_receipt(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--payments", "3", "--json"],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=True,
    )
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary.pop("seconds") > 0
    assert summary == {
        "enrolled": 3,
        "installed": 3,
        "payments": 3,
        "delivered": 3,
        "duplicates": 0,
        "refused": 0,
        "lost": 0,
    }
    told = [line.split() for line in done.stderr.splitlines() if line.startswith("#")]
    assert [line[0] for line in told] == [f"#{number}" for number in (1, 2, 3) for _ in HOPS]
    for number in ("#1", "#2", "#3"):
        assert sorted(line[3] for line in told if line[0] == number) == sorted(HOPS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(("stage", "code"), [("making keys", 130), ("bound", 130), ("still running", 0)])
def test_a_signal_at_any_stage_leaves_no_process_and_no_folder(
    demo: subprocess.Popen[str], tmp_path: Path, told: signal.Signals, stage: str, code: int
) -> None:
    until(demo, stage)
    children = psutil.Process(demo.pid).children(recursive=True)
    demo.send_signal(told)
    assert demo.stdout is not None
    assert "Traceback" not in demo.stdout.read()
    demo.wait(WITHIN_S)
    assert demo.returncode in {code, 0 if stage == "bound" else code}  # it may have been done already
    assert not [child for child in children if child.is_running()]
    assert list(tmp_path.iterdir()) == []


def test_a_provisioning_service_that_dies_ends_the_demo_and_leaves_nothing(
    demo: subprocess.Popen[str], tmp_path: Path
) -> None:
    until(demo, "making keys")
    end = time.monotonic() + WITHIN_S
    service, children = None, []
    while service is None and time.monotonic() < end:
        children = psutil.Process(demo.pid).children(recursive=True)
        service = next((child for child in children if "provisioning" in _words(child)), None)
        time.sleep(0.01)
    assert service is not None
    service.kill()
    assert demo.wait(WITHIN_S) == 1
    assert not [child for child in children if child.is_running()]
    assert list(tmp_path.iterdir()) == []


def _words(child: psutil.Process) -> list[str]:
    try:
        return child.cmdline()
    except psutil.Error:
        return []
