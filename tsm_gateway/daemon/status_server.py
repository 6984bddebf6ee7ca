"""A small HTTP/1.1 server for metrics, health and status: GET and HEAD, one request per connection.

| path | who may ask | answer |
|---|---|---|
| /metrics | whoever reaches the listener | the Prometheus text format |
| /health | whoever reaches the listener | 200 "ok" or 503 "unavailable", never a detail |
| /status | this machine only | JSON, for `tsm-gateway status` |

Everything is bounded: connections, octets of a request, seconds until it is read and written. `/status`
also wants a Host of this machine, so that no web page can ask for it under a name of its own.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Self

from tsm_gateway.daemon.settings_fields import is_loopback
from tsm_gateway.daemon.status_http import PLAIN, Reply, Request, encode_reply, read_request
from tsm_gateway.errors import Side, TsmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_CONNECTIONS = 32
LONGEST_HEAD = 8192  # octets of request line and headers; a body is not read
DEADLINE_S = 5.0  # to send a request, and again to take the answer

METRICS = "text/plain; version=0.0.4; charset=utf-8"
JSON = "application/json"


class Pages(NamedTuple):
    """What is published; each is called on the event loop, per request."""

    metrics: Callable[[], bytes]
    healthy: Callable[[], bool]
    status: Callable[[], Mapping[str, object]]


class ListenFailed(TsmError):
    """The address of [metrics] listen cannot be used."""

    code, side, temporary = "listen-failed", Side.OURS, False


class StatusServer:
    """Listens as long as its context lasts: `async with StatusServer(…)`."""

    def __init__(
        self,
        address: tuple[str, int] | None,
        pages: Pages,
        *,
        deadline_s: float = DEADLINE_S,
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        """Publish `pages` at `address`, (host, port); None publishes nothing, port 0 takes any free one."""
        self._address, self._pages = address, pages
        self._deadline_s, self._most = deadline_s, most_connections
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> tuple[str, int] | None:
        """(host, port) it listens on; None when it does not."""
        if self._server is None:
            return None
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def __aenter__(self) -> Self:
        """Listen. Raises ListenFailed when the address is taken or not ours."""
        if self._address is not None:
            host, port = self._address
            try:
                self._server = await asyncio.start_server(self._connected, host, port, limit=LONGEST_HEAD)
            except OSError as error:
                raise ListenFailed(host=host, port=port, cause=error.strerror or "") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and cut what is open."""
        await self.close()

    async def close(self) -> None:
        """Stop listening and cut what is open."""
        if self._server is not None:
            self._server.close()
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= self._most:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="status request")
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer, the end; whatever goes wrong ends this connection only."""
        try:
            peer = writer.get_extra_info("peername")
            async with asyncio.timeout(self._deadline_s):
                request = await read_request(reader, local=bool(peer) and is_loopback(peer[0]))
            reply = self._answer(request)
            async with asyncio.timeout(self._deadline_s):
                writer.write(encode_reply(reply, head_only=request is not None and request.method == "HEAD"))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # gone or too slow: nobody to tell
        finally:
            writer.transport.abort()

    def _answer(self, request: Request | None) -> Reply:
        if request is None:
            return Reply(HTTPStatus.BAD_REQUEST)
        page = PAGES.get(request.path)
        if page is None:
            return Reply(HTTPStatus.NOT_FOUND)
        if request.method not in {"GET", "HEAD"}:
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            return page(self._pages, request)
        except Exception as fault:  # noqa: BLE001 - a page that fails must not take the listener along
            context = {"message": f"status page {request.path} failed", "exception": fault}
            asyncio.get_running_loop().call_exception_handler(context)
            return Reply(HTTPStatus.INTERNAL_SERVER_ERROR)


def _metrics(pages: Pages, _request: Request) -> Reply:
    return Reply(HTTPStatus.OK, METRICS, pages.metrics())


def _health(pages: Pages, _request: Request) -> Reply:
    if pages.healthy():
        return Reply(HTTPStatus.OK, PLAIN, b"ok\n")
    return Reply(HTTPStatus.SERVICE_UNAVAILABLE, PLAIN, b"unavailable\n")


def _status(pages: Pages, request: Request) -> Reply:
    if not (request.local and is_loopback(request.host)):
        return Reply(HTTPStatus.FORBIDDEN)
    return Reply(HTTPStatus.OK, JSON, json.dumps(pages.status()).encode("ascii"))


PAGES: Mapping[str, Callable[[Pages, Request], Reply]] = {
    "/metrics": _metrics,
    "/health": _health,
    "/status": _status,
}
