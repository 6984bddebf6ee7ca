"""What every test may use; nothing is skipped on the build machine."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_S = 0.01


class Deadline(Protocol):
    """Waits until something is true."""

    def __call__(self, condition: Callable[[], object], what: str, within_s: float = 10.0) -> None:
        """Ask `condition` until it is true; fail with `what` when it is not within `within_s` seconds."""


@pytest.fixture
def deadline() -> Deadline:
    """The one way to wait for another process: never a bare sleep, never for ever."""

    def wait(condition: Callable[[], object], what: str, within_s: float = 10.0) -> None:
        end = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"not within {within_s:g} s: {what}")
            time.sleep(POLL_S)

    return wait


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs under test, also where the shell that started us had it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With CI=true a skipped test is a failure: the build machine has every foreign program."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", ())) if reporter else 0
    if os.environ.get("CI") == "true" and skipped and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
