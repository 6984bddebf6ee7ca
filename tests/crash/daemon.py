"""The gateway's process as a service manager sees it: started, signalled, killed; its exit status and output.

A start spends most of its time on imports. `standby` lets a process do them ahead: its configuration is a
named pipe, on which it waits like on a slow disk until `release` writes the text into it.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[2]
POLL_S = 0.005
START_S, END_S = 40.0, 30.0


class Unexpected(AssertionError):
    """The gateway did not do what a test waits for."""


class Daemon:
    """One life of `tsm-gateway run`; its output goes into files of its own."""

    def __init__(self, process: asyncio.subprocess.Process, output: Path, errors: Path, config: Path) -> None:
        """Use `start` or `standby`."""
        self.process, self._output, self._errors, self._config = process, output, errors, config

    @classmethod
    async def start(
        cls,
        config: Path,
        name: str,
        *,
        under: Sequence[str] = (),
        verb: Sequence[str] = ("run",),
        output: Path | None = None,
    ) -> Self:
        """Start it with `config`, which may lie anywhere; files are named after `name`.

        `under` is a command that runs it, strace say; `output` another place for its log.
        """
        output = output or config.parent / f"{name}.log"
        errors = config.parent / f"{name}.errors"
        with output.open("ab") as stdout, errors.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(*under, sys.executable, "-m", "tsm_gateway", "--config", str(config), *verb),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        return cls(process, output, errors, config)

    @classmethod
    async def standby(cls, folder: Path, name: str) -> Self:
        """Start it up to the reading of its configuration."""
        config = folder / f"{name}.toml"
        os.mkfifo(config, 0o600)
        return await cls.start(config, name)

    async def release(self, text: str) -> None:
        """Give a waiting process its configuration."""
        async with asyncio.timeout(START_S):
            while (descriptor := _open_pipe(self._config)) is None:
                self._must_live()
                await asyncio.sleep(POLL_S)
        os.write(descriptor, text.encode())
        os.close(descriptor)

    async def until(
        self, condition: Callable[[], object], what: str, within_s: float = END_S, *, every_s: float = POLL_S
    ) -> None:
        """Return once `condition` holds; fail when it does not in time, or when the process ends before."""
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    self._must_live()
                    await asyncio.sleep(every_s)
        except TimeoutError:
            raise self._unexpected(f"not within {within_s:g} s: {what}") from None

    @property
    def pid(self) -> int:
        """The gateway's own process, as it says itself."""
        return int(self.log("daemon.started")[0]["pid"])

    async def ready(self) -> None:
        """Return once it takes payments."""
        await self.until(lambda: b'"daemon.ready"' in self._output.read_bytes(), "ready", START_S)

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the gateway itself, also when another command runs it."""
        os.kill(self.pid, number)

    async def kill(self) -> None:
        """SIGKILL to the gateway and, after it, to what runs it."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                child.kill()
        with suppress(ProcessLookupError):
            self.process.kill()
        await asyncio.wait_for(self.process.wait(), END_S)

    async def stop(self, within_s: float = END_S) -> int:
        """SIGTERM, as a service manager does; the exit status."""
        self.tell(signal.SIGTERM)
        return await self.ended(within_s)

    async def ended(self, within_s: float = END_S) -> int:
        """Wait until it ends by itself; the exit status."""
        try:
            return await asyncio.wait_for(self.process.wait(), within_s)
        except TimeoutError:
            raise self._unexpected(f"did not end within {within_s:g} s") from None

    def log(self, *events: str) -> list[dict[str, Any]]:
        """The lines it logged, of all or of some events."""
        lines = [json.loads(line) for line in self._output.read_text().splitlines() if line.endswith("}")]
        return [line for line in lines if not events or line["event"] in events]

    def errors(self) -> str:
        """What it wrote to standard error."""
        return self._errors.read_text()

    def tail(self, lines: int = 15) -> str:
        """The end of what it said, for a failure's message."""
        return "\n".join([*self._output.read_text().splitlines()[-lines:], self.errors()])

    def _unexpected(self, what: str) -> Unexpected:
        return Unexpected(f"gateway: {what}\n{self.tail()}")

    def _must_live(self) -> None:
        if self.process.returncode is not None:
            raise self._unexpected(f"it ended by itself: {self.process.returncode}")


def _open_pipe(path: Path) -> int | None:
    """A descriptor to write to, None while nobody reads."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return None
