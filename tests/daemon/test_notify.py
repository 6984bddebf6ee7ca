"""What systemd hears from us, how we end, and what a process does to itself first."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tsm_gateway.daemon.exits import NO_RESTART, RESTART_ALWAYS, Exit
from tsm_gateway.daemon.notify import Notifier, watchdog_interval_s
from tsm_gateway.daemon.settings_errors import SettingsErrors
from tsm_gateway.errors import TsmError
from tsm_gateway.keys.errors import MasterFileExposed
from tsm_gateway.relay.interfaces import StoreBroken
from tsm_gateway.store.failures import StoreRolledBack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket, and its address as systemd writes it."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@tsm-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(5)
        listener.bind(address.replace("@", "\0", 1))
        yield listener, address


def test_each_message_is_one_datagram_of_assignments(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    notifier = Notifier(address)
    assert notifier.ready("1 of 1 links bound")
    assert notifier.status("idle\nREADY=0")
    assert notifier.watchdog()
    assert notifier.stopping()
    assert notifier.extend(1.5)
    assert [listener.recv(4096).decode() for _ in range(5)] == [
        "READY=1\nSTATUS=1 of 1 links bound",
        "STATUS=idle READY=0",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=finishing what is under way",
        "EXTEND_TIMEOUT_USEC=1500000",
    ]
    notifier.close()
    assert not notifier.watchdog()


def test_a_reload_carries_the_time_of_its_beginning(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    before = time.monotonic_ns() // 1000
    notifier = Notifier(address)
    notifier.reloading()
    first, second = listener.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    notifier.close()


def test_the_address_is_taken_out_of_the_environment(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    environment = {"NOTIFY_SOCKET": address}
    notifier = Notifier.from_environment(environment)
    assert environment == {}
    assert notifier.watchdog()
    assert listener.recv(100) == b"WATCHDOG=1"
    notifier.close()


def test_without_a_service_manager_nothing_is_said() -> None:
    assert not Notifier.from_environment({}).ready("")
    assert not Notifier("").watchdog()


def test_a_service_manager_that_does_not_listen_holds_nobody_up(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    notifier = Notifier(address)
    sent = 0
    while notifier.status("x" * 200):  # until its queue is full
        sent += 1
        assert sent < 100_000
    listener.close()
    assert not notifier.watchdog()
    notifier.close()


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_is_looked_for(
    environment: dict[str, str], interval: float | None
) -> None:
    assert watchdog_interval_s(environment, 42) == interval


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsErrors([]), 2),
        (MasterFileExposed(), 2),
        (StoreBroken(), 10),
        (StoreRolledBack(), 11),
        (TsmError(), 1),
    ],
)
def test_each_fault_ends_the_daemon_with_its_own_code(error: TsmError, code: int) -> None:
    assert Exit.of(error) == code


def test_no_fault_is_both_restarted_and_not() -> None:
    assert not set(NO_RESTART) & set(RESTART_ALWAYS)


def test_a_hardened_process_leaves_no_core_and_writes_for_its_owner_only(tmp_path: Path) -> None:
    program = """
import os, resource, sys
from tsm_gateway.daemon.hardening import dumpable, harden
most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
assert dumpable()
harden()
assert not dumpable()
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
harden()  # once more, now that the limit cannot be lowered any further
os.close(os.open("made", os.O_CREAT | os.O_WRONLY, 0o666))
os.abort()
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == -signal.SIGABRT, ended.stderr
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
