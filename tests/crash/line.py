"""A line between gateway and message centre that breaks in every way a line can break."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Self

ABORT = struct.pack("ii", 1, 0)  # SO_LINGER, 0 s: closing sends RST


class Line:
    """A TCP proxy; `async with` opens and closes it."""

    def __init__(self, port: int) -> None:
        """`port`: where the message centre listens."""
        self.port, self._far = 0, port
        self._server: asyncio.Server | None = None
        self._near: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}  # gateway's end -> far end
        self._tasks: set[asyncio.Task[None]] = set()
        self.mute = False  # swallow everything, keep connections open
        self.calls = 0  # connections so far

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def open(self) -> None:
        """Take connections, at the same port as before."""
        self._server = await asyncio.start_server(self._called, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Take no more connections; those that stand go on."""
        if self._server is not None:
            self._server.close()

    def reset(self) -> None:
        """RST to the gateway, and the message centre loses the line, too."""
        for near, far in self._take():
            near.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            near.transport.abort()
            far.transport.abort()

    def finish(self) -> None:
        """FIN to the gateway."""
        for near, far in self._take():
            near.close()
            far.transport.abort()

    def half_open(self) -> None:
        """The message centre is gone, and nobody tells the gateway."""
        for far in self._near.values():
            far.transport.abort()

    def _take(self) -> list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]]:
        taken = list(self._near.items())
        self._near.clear()
        return taken

    async def _called(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        self.calls += 1
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._far)
        except OSError:
            near.transport.abort()
            return
        self._near[near] = far
        for come, go, hang_up in ((reader, far, True), (far_reader, near, False)):
            task = asyncio.create_task(self._carry(come, go, hang_up=hang_up))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, come: asyncio.StreamReader, go: asyncio.StreamWriter, *, hang_up: bool) -> None:
        with suppress(OSError):
            while octets := await come.read(65_536):
                if not self.mute and not go.is_closing():
                    go.write(octets)
                    await go.drain()
        if hang_up:  # the gateway left; the other way round it is not told
            go.close()
