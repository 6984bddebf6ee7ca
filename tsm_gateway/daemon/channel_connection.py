"""One connection of a channel: aiohttp's reading of HTTP/1.1, deaf until its peer is admitted.

Between the handshake and the word about the certificate no octet is read, so a stranger's request is never
parsed, let alone answered. What aiohttp refuses by itself is answered as a problem like any other.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from aiohttp import web

if TYPE_CHECKING:
    import asyncio
    import asyncio.trsock
    from collections.abc import Callable

    from tsm_gateway.daemon.channel_connections import Connections
    from tsm_gateway.daemon.channel_service import Identified

LINGER_S = 2.0  # a body that is not wanted is read and dropped so long, so that the refusal arrives
LONGEST_LINE = 2048  # octets of the request line
LONGEST_FIELD = 4096  # octets of one header
MOST_FIELDS = 64
_NEVER_S = 1e8  # aiohttp's own idle limit knows no slow head; `Connections` does


class House(NamedTuple):
    """What a connection needs of the listener."""

    server: web.Server
    connections: Connections[Connection]
    refuse: Callable[[Connection, int], web.Response]  # what aiohttp would not read: 400, or 500


class Connection(web.RequestHandler):
    """The protocol of one accepted socket."""

    def __init__(self, house: House, host: str, loop: asyncio.AbstractEventLoop) -> None:
        """`host`: the peer's address, for the log."""
        super().__init__(
            house.server,
            loop=loop,
            keepalive_timeout=_NEVER_S,
            access_log=None,  # type: ignore[arg-type]  # "falsy: none", says its own code
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_FIELD,
            max_headers=MOST_FIELDS,
            lingering_time=LINGER_S,
            auto_decompress=False,
        )
        self._house, self._clock = house, loop.time
        self._wire: asyncio.Transport | None = None  # None: not connected yet, or gone
        self.host = host
        self.certificate = b""  # the leaf the peer proved to own, in DER; b"" until TLS holds
        self.peer: Identified | None = None  # as admitted; asked again for every request

    @property
    def identity(self) -> str:
        """Whose it is; "" until it is admitted."""
        return self.peer.identity if self.peer else ""

    @property
    def connected(self) -> bool:
        """Whether TLS holds."""
        return self._wire is not None

    def begin(self, peer: Identified) -> bool:
        """Listen to `peer` from now on; False when it is gone meanwhile."""
        if self._wire is None:
            return False
        self.peer = peer
        self._house.connections.add(self, self._clock())
        super().connection_made(self._wire)
        self._wire.resume_reading()
        return True

    def began(self) -> None:
        """A request is under way; its time runs."""
        self._house.connections.began(self, self._clock())

    def cut(self) -> None:
        """End it at once: what was not sent is lost, and nothing is answered."""
        self._house.connections.remove(self)
        if self._wire is not None:
            self._wire.abort()

    def farewell(self) -> None:
        """End it in good order, after the answer under way if there is one."""
        if self._request_in_progress or self._messages:
            self.close()
        else:
            self._house.connections.leaves(self)
            self.force_close()

    # asyncio's and aiohttp's own

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS holds; see `begin`."""
        self._wire = cast("asyncio.Transport", transport)
        self._wire.pause_reading()
        self.certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        _acknowledge(transport.get_extra_info("socket"))

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is gone, whoever ended it."""
        self._wire = None
        if self.peer is not None:
            self._house.connections.remove(self)
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Octets of a request."""
        self.began()
        super().data_received(data)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; then it is idle."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._house.connections.answered(self, self._clock())

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002 - its text may quote the peer
        message: str | None = None,  # noqa: ARG002 - so may this
    ) -> web.StreamResponse:
        """What aiohttp could not read as HTTP. Raises ConnectionError when an answer is half sent."""
        if request.writer.output_size > 0:
            raise ConnectionResetError
        return self._house.refuse(self, status)


def _acknowledge(sock: asyncio.trsock.TransportSocket) -> None:
    """Acknowledge the peer's last flight now.

    Without tickets nothing of ours follows it, and a peer that gathers small segments (Nagle's algorithm)
    holds its request back until the kernel's delayed acknowledgement, 40 ms later.
    """
    with suppress(OSError):  # it is gone
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def connection_of(request: web.BaseRequest) -> Connection:
    """The connection a request came on."""
    found: Any = request.protocol
    return cast("Connection", found)
