"""Somebody else's program as a child of the test: found or skipped, its lines collected, always stopped."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

STOP_S = 5.0


def require(program: str, package: str) -> str:
    """The path of an installed program; skips the test when there is none."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed (Debian: {package})")
    return path


def free_port() -> int:
    """A TCP port nobody uses now, for peers that cannot choose one themselves and say which."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Program:
    """A running child process; what it prints is kept line by line, standard error included."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        errors: Path | None = None,
    ) -> None:
        """Start `command`; with `errors` its standard error goes into that file instead."""
        with errors.open("wb") if errors else nullcontext() as error_file:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=error_file or subprocess.STDOUT,
                env=env,
                cwd=cwd,
            )
        self.name = command[0]
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name=f"lines of {self.name}", daemon=True)
        self._reader.start()

    def write(self, line: str) -> None:
        """Send one line to its standard input."""
        assert self.process.stdin
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def wait_line(self, wanted: Callable[[str], bool], what: str, within_s: float = 10.0) -> str:
        """The first line that is `wanted`, printed already or within the deadline."""
        end = time.monotonic() + within_s
        seen = 0
        with self._changed:
            while True:
                for line in self.lines[seen:]:
                    if wanted(line):
                        return line
                seen = len(self.lines)
                left = end - time.monotonic()
                if left <= 0 or (not self._reader.is_alive() and seen == len(self.lines)):
                    tail = "\n".join(self.lines[-20:])
                    pytest.fail(f"{self.name}: {what} not within {within_s:g} s; last lines:\n{tail}")
                self._changed.wait(min(left, 0.2))

    def stop(self) -> int:
        """End it: input closed and SIGTERM, then SIGKILL after a deadline. Returns its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(STOP_S)
        self._reader.join(STOP_S)
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()
        return self.process.returncode

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._changed.notify_all()
