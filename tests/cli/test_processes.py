"""The command line as a process: help of every verb, a pipe that closes, a gateway that runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from tsm_gateway.cli import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Site
    from tests.conftest import Deadline

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tsm_gateway"]


def verbs(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from verbs(below, (*path, name))
    else:
        yield path


VERBS = list(verbs(cli))


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_has_help_with_an_example(site: Site, path: tuple[str, ...]) -> None:
    text = site.done(*path, "--help").out
    assert f"tsm-gateway {path[0]}" in text or f"FILE {path[0]}" in text or f"toml {path[0]}" in text
    assert "Example" in text
    assert "\\b" not in text
    assert not [line for line in text.splitlines() if "Example" in line and "tsm-gateway" not in line]


def test_every_verb_of_the_design_is_there() -> None:
    nouns = {path[0] for path in VERBS}
    assert nouns >= {
        "run",
        "demo",
        "config",
        "device",
        "provider",
        "queue",
        "key",
        "store",
        "doctor",
        "status",
    }
    assert {path[1] for path in VERBS if path[0] == "queue"} == {
        "list",
        "show",
        "hold",
        "release",
        "retry",
        "drop",
    }


def run(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "--config", str(site.config), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


def test_a_failure_is_one_line_and_an_exit_code(site: Site) -> None:
    done = run(site, "key", "init")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (6, "", 1)
    assert "[master-file-exists]" in done.stderr
    assert run(site, "nonsense").returncode == 2


def test_the_description_of_channel_1_is_printed_without_a_configuration(tmp_path: Path) -> None:
    words = ["--config", str(tmp_path / "none.toml"), "provisioning", "--openapi"]
    said = subprocess.run(
        [*COMMAND, *words], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert "/v1/enrolment" in json.loads(said.stdout)["paths"]


def test_a_command_is_hardened_before_it_can_read_a_key(site: Site) -> None:
    program = (
        "import sys\nfrom tsm_gateway.cli import main\nfrom tsm_gateway.daemon.hardening import dumpable\n"
        "try:\n    main()\nexcept SystemExit:\n    sys.exit(dumpable())"
    )
    command = [sys.executable, "-c", program, "--config", str(site.config), "key", "list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_has_seen_enough_is_no_traceback(site: Site) -> None:
    read, write = os.pipe()
    os.close(read)
    with subprocess.Popen([*COMMAND, "explain"], cwd=ROOT, stdout=write, stderr=subprocess.PIPE) as process:
        os.close(write)
        _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (1, b"")
    assert site.config.exists()


@contextmanager
def running(site: Site, deadline: Deadline) -> Iterator[None]:
    log = site.folder / "log"
    command = [*COMMAND, "--config", str(site.config), "run"]
    with log.open("wb") as out, subprocess.Popen(command, cwd=ROOT, stdout=out) as process:
        try:
            deadline(lambda: b"daemon.ready" in log.read_bytes(), "the gateway is ready", 20.0)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                process.kill()


def test_commands_beside_a_running_gateway(site: Site, deadline: Deadline) -> None:
    with running(site, deadline):
        status = run(site, "status", "-o", "json")
        assert status.returncode == 3, status  # no message centre to bind to
        assert '"gateway": "t"' in status.stdout
        site.add_provider()
        device = site.add_device()
        site.done("device", "suspend", device)
        assert site.done("queue", "list", "-o", "json").json == []
        assert site("key", "rotate").code == 6
        site.done("store", "check")
        site.done("store", "backup", site.folder / "copy.db")
        deadline(lambda: b"registry.changed" in (site.folder / "log").read_bytes(), "the gateway takes note")
        found = {row["check"]: row["verdict"] for row in site("doctor", "-o", "json").json}
        assert (found["link a"], found["store"], found["master key"]) == ("FAIL", "OK", "OK")
        picked = run(site, "tail", str(site.folder / "log"), "--no-follow", "--event", "daemon.ready")
        assert picked.stdout.count("daemon.ready") == 1


def test_a_gateway_that_is_told_to_end_warns_of_nothing(site: Site, deadline: Deadline) -> None:
    log = site.folder / "log"
    with running(site, deadline):  # its first try to bind is over: the next one is a second away
        deadline(lambda: b"link.connect_failed" in log.read_bytes(), "nobody listens at the link's port")
    _, said = log.read_text("utf-8").split('"event":"daemon.stopping"')
    assert '"level":"info"' in said
    assert '"level":"warning"' not in said
