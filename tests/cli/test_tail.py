"""`tail`: pick lines, follow a file through rotation, end cleanly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Site
    from tests.conftest import Deadline

ROOT = Path(__file__).parents[2]


def line(event: str, level: str = "info", **fields: Any) -> str:
    return json.dumps({"at": "2026-11-24T11:30:11.045Z", "level": level, "event": event, **fields})


LINES = [
    line("daemon.ready", links=1),
    line("payment.accepted", message_id="0a" * 16),
    line("payment.refused", "warning", reason="replay"),
    line("link.lost", "warning", link="a"),
    line("payment.failed", "error", message_id="0b" * 16),
]


@pytest.mark.parametrize(
    ("options", "events"),
    [
        ((), [0, 1, 2, 3, 4]),
        (("--event", "payment"), [1, 2, 4]),
        (("--event", "link.lost", "--event", "daemon"), [0, 3]),
        (("--level", "warning"), [2, 3, 4]),
        (("--message", "0A0a"), [1]),
        (("--event", "payment", "--level", "error"), [4]),
    ],
)
def test_lines_are_picked(site: Site, options: tuple[str, ...], events: list[int]) -> None:
    path = site.folder / "log"
    path.write_text("\n".join(LINES) + "\n", encoding="ascii")
    result = site.done("tail", path, "--no-follow", "-o", "jsonl", *options)
    assert result.out.splitlines() == [LINES[at] for at in events]
    assert len(site.done("tail", path, "--no-follow", *options).out.splitlines()) == len(events)


def test_other_lines_go_to_stderr(site: Site) -> None:
    path = site.folder / "log"
    path.write_text(f'Traceback\n[1]\n{{"at": 1}}\n{LINES[0]}\n', encoding="ascii")
    result = site.done("tail", path, "--no-follow")
    assert "daemon.ready" in result.out
    assert "Traceback" in result.err
    assert "Traceback" not in result.out


def test_an_unknown_event_and_a_missing_file_are_usage_errors(site: Site) -> None:
    assert site("tail", "-", "--event", "payment.acepted").code == 2
    assert site("tail", site.folder / "absent").code == 2


def test_a_file_is_followed_through_rotation_until_ctrl_c(tmp_path: Path, deadline: Deadline) -> None:
    path = tmp_path / "log"
    path.write_text(LINES[0] + "\n", encoding="ascii")
    command = [sys.executable, "-m", "tsm_gateway", "tail", str(path), "-o", "jsonl"]
    got: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        stdout = process.stdout
        assert stdout is not None
        reader = threading.Thread(target=lambda: got.extend(iter(stdout.readline, "")))
        reader.start()
        try:
            deadline(lambda: len(got) == 1, "the first line")
            with path.open("a", encoding="ascii") as file:
                file.write(LINES[1][:10])
                file.flush()
                file.write(LINES[1][10:] + "\n")
            deadline(lambda: len(got) == 2, "a line written in two pieces")
            path.rename(tmp_path / "log.1")
            path.write_text(LINES[2] + "\n", encoding="ascii")
            deadline(lambda: len(got) == 3, "a line of the new file")
            path.write_text(LINES[3][:40] + "\n", encoding="ascii")  # cut short: begins anew
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()  # whatever failed above
            reader.join(10)
    assert [each.rstrip("\n") for each in got[:3]] == LINES[:3]
