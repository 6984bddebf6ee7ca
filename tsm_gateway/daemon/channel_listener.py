"""The listener of a channel: accepts, gives room, cuts the slow and ends in good order.

Two bounds, so that strangers never take the room of devices: those in the door (see `channel_door`) and
admitted connections, where the longest idle one gives way to a new one; with nobody idle the new one ends.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from aiohttp import web

from tsm_gateway.daemon.channel_connection import Connection, House
from tsm_gateway.daemon.channel_connections import Connections
from tsm_gateway.daemon.channel_dispatch import Dispatcher, Tools
from tsm_gateway.daemon.channel_door import Door, Keys
from tsm_gateway.daemon.channel_errors import ChannelListenFailed
from tsm_gateway.daemon.channel_handshakes import Refusal
from tsm_gateway.daemon.channel_rates import Rates
from tsm_gateway.daemon.channel_reports import Reports

if TYPE_CHECKING:
    import ssl

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader

    from tsm_gateway.daemon.channel_admission import Admission
    from tsm_gateway.daemon.channel_limits import Limits
    from tsm_gateway.daemon.channel_metrics import ChannelMetrics
    from tsm_gateway.daemon.channel_service import Identified, Service
    from tsm_gateway.daemon.logs import Log

BACKLOG = 1024
ACCEPTS_AT_ONCE = 32  # then the requests of others have their turn
PAUSE_S = 1.0  # without descriptors or memory
SHORTEST_TICK_S, LONGEST_TICK_S = 0.02, 1.0  # how often is looked for the slow


class ChannelParts(NamedTuple):
    """What the listener is made of."""

    service: Service
    desk: Any  # of the channel: the routes of `service` know it
    admission: Admission[Any]
    context: ssl.SSLContext
    limits: Limits
    log: Log
    metrics: ChannelMetrics


class Channel:
    """Listens as long as its context lasts: `async with Channel(address, parts)`."""

    def __init__(self, address: tuple[str, int], parts: ChannelParts) -> None:
        """`address`: (host, port); port 0 takes any free one. Made inside the running loop."""
        self._address, self._parts, self._limits = address, parts, parts.limits
        self._loop = asyncio.get_running_loop()
        self._reports = Reports(parts.log, parts.metrics, parts.service)
        self._connections: Connections[Connection] = Connections(parts.limits)
        self._dispatcher = Dispatcher(self._tools(parts.limits), parts.limits.body_octets)
        server = web.Server(self._dispatcher, request_factory=self._request)
        house = House(server, self._connections, self._dispatcher.refuse)
        keys = Keys(parts.context, parts.limits)
        self._door = Door(keys, house, parts.admission, self._reports, self._admit)
        self._listener: socket.socket | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        parts.metrics.watch(lambda: len(self._connections), lambda: len(self._door))

    @property
    def address(self) -> tuple[str, int] | None:
        """(host, port) it listens on; None when it does not."""
        if self._listener is None:
            return None
        host, port = self._listener.getsockname()[:2]
        return host, port

    @property
    def waiting(self) -> int:
        """How many requests are under way."""
        return self._connections.busy

    def renew(self, context: ssl.SSLContext, limits: Limits) -> None:
        """New handshakes use `context`; the admission forgets, so open connections are judged anew."""
        self._limits = self._connections.limits = limits
        self._door.keys = Keys(context, limits)
        self._dispatcher.renew(self._tools(limits), limits.body_octets)
        self._parts.admission.forget()

    async def __aenter__(self) -> Self:
        """Listen. Raises ChannelListenFailed when the address is taken or not ours."""
        self._listener = _listen(*self._address)
        self._open()
        self._sweep()
        self._reports.opened(*self._listener.getsockname()[:2])
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop at once."""
        await self.drain(0.0)

    async def drain(self, grace_s: float) -> None:
        """Take nobody new, finish what is under way for at most `grace_s` seconds, cut the rest."""
        if self._listener is None:
            return
        self._shut()
        await self._door.clear()
        for connection in list(self._connections):
            connection.farewell()
        end = self._loop.time() + grace_s
        while len(self._connections) and self._loop.time() < end:
            await asyncio.sleep(SHORTEST_TICK_S)
        for connection in list(self._connections):
            connection.cut()
        await asyncio.sleep(0)  # asyncio tells protocols of the end in its next turn

    def _shut(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for timer in (self._reopening, self._sweeping):
            if timer is not None:
                timer.cancel()

    def _tools(self, limits: Limits) -> Tools:
        rates = Rates(limits.requests_per_minute)
        return Tools(self._parts.service, self._parts.desk, self._parts.admission, rates, self._reports)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        most = self._limits.body_octets
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop, client_max_size=most)

    def _open(self) -> None:
        if self._listener is not None:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            if self._listener is None:
                return
            try:
                accepted, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor, no memory: accepting again at once would spin
                self._loop.remove_reader(self._listener)
                self._reopening = self._loop.call_later(PAUSE_S, self._open)
                self._reports.paused(error, PAUSE_S)
                return
            self._door.enter(accepted, peer[0])

    def _admit(self, connection: Connection, peer: Identified) -> None:
        """One more of `peer`, if there is room or somebody can make it."""
        crowded, oldest = self._connections.in_the_way(peer.identity)
        if crowded:
            if oldest is None:
                self._reports.handshake_refused(Refusal.FULL, connection.host)
                return
            self._cut(oldest, "gave_way")
        connection.begin(peer)

    def _sweep(self) -> None:
        """Look for those who are too slow, every quarter of the shortest limit."""
        now = self._loop.time()
        for connection in self._connections.busy_too_long(now):
            self._cut(connection, "slow")
        for connection in self._connections.idle_too_long(now):
            self._reports.idle(connection, now - self._connections.since(connection))
            connection.farewell()
        tick = min(self._limits.request_s, self._limits.idle_s) / 4
        tick = min(max(tick, SHORTEST_TICK_S), LONGEST_TICK_S)
        self._sweeping = self._loop.call_later(tick, self._sweep)

    def _cut(self, connection: Connection, reason: str) -> None:
        self._reports.cut(connection, reason, self._loop.time() - self._connections.since(connection))
        connection.cut()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ChannelListenFailed(host=host, port=port, cause=error.strerror or "") from None
    listener.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    return listener
