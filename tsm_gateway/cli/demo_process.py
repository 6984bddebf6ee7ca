"""A daemon of the demo, run as an operator runs it: a process of its own, its log followed line by line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import TYPE_CHECKING, Self

from tsm_gateway.errors import Side, TsmError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path
    from typing import TypeVar

    T = TypeVar("T")

STOP_S = 30.0
LONGEST_LINE = 1 << 20  # octets of a log line
LAST_WORDS = {"daemon.failed", "config.invalid"}  # events shown although nobody asked for the log


class DemoFailed(TsmError):
    """A daemon of the demo ended by itself; what it said last stands above."""

    code, side, temporary = "demo-failed", Side.OURS, False


class DaemonProcess:
    """`tsm-gateway VERB`; `async with` starts and stops it."""

    def __init__(self, config: Path, verb: str, on_line: Callable[[Mapping[str, object]], None]) -> None:
        """`on_line` gets every log line."""
        self._config, self._verb, self._on_line = config, verb, on_line
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Start the daemon and follow its log."""
        command = [sys.executable, "-m", "tsm_gateway", "--config", str(self._config), self._verb]
        self._process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, limit=LONGEST_LINE, start_new_session=True
        )
        self._reader = asyncio.create_task(self._follow(), name=f"log of {self._verb}")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Tell the daemon to end, as systemd would, and wait for it."""
        process = self._process
        if process is None or self._reader is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await self._reader

    async def meanwhile(self, work: Awaitable[T]) -> T:
        """The outcome of `work`. Raises DemoFailed when the daemon ends before it is there."""
        ended = asyncio.create_task(self.ended.wait(), name=f"{self._verb} ended")
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({ended, task}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise DemoFailed(verb=self._verb)
            return task.result()
        finally:
            ended.cancel()
            task.cancel()

    async def _follow(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        async for octets in self._process.stdout:
            with contextlib.suppress(ValueError):
                line = json.loads(octets)
                self._on_line(line)
                if line["event"] in LAST_WORDS:
                    sys.stderr.buffer.write(octets)
        self.ended.set()
