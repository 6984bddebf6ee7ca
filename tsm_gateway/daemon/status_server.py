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
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.daemon.settings_fields import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_CONNECTIONS = 32
LONGEST_HEAD = 8192  # octets of request line and headers; a body is not read
DEADLINE_S = 5.0  # to send a request, and again to take the answer

PLAIN = "text/plain; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"
JSON = "application/json"


class Pages(NamedTuple):
    """What is published; each is called on the event loop, per request."""

    metrics: Callable[[], bytes]
    healthy: Callable[[], bool]
    status: Callable[[], Mapping[str, object]]


class Request(NamedTuple):
    """What matters of a request."""

    method: str
    path: str
    host: str  # the Host header without its port, "" when absent
    local: bool  # the peer's address is this machine's


class Reply(NamedTuple):
    """What goes back."""

    status: HTTPStatus
    content_type: str = PLAIN
    body: bytes = b""


class StatusServer:
    """Listens until closed."""

    def __init__(self, pages: Pages, *, deadline_s: float = DEADLINE_S) -> None:
        """Publish `pages`; nothing listens before `start`."""
        self._pages, self._deadline_s = pages, deadline_s
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns the address, as port 0 means any free one. Raises OSError when it is taken."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=LONGEST_HEAD)
        address: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return address

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
        if len(self._open) >= MOST_CONNECTIONS:
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
                request = await _read(reader, local=bool(peer) and is_loopback(peer[0]))
            reply = self._answer(request)
            async with asyncio.timeout(self._deadline_s):
                writer.write(_encode(reply, head_only=request is not None and request.method == "HEAD"))
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


async def _read(reader: asyncio.StreamReader, *, local: bool) -> Request | None:
    """The request's head (RFC 9112 §2.1); None when it is no HTTP or too long."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return None
    line, *headers = head.decode("latin-1").split("\r\n")
    words = line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, target, version
        return None
    host = ""
    for header in headers:
        name, _, value = header.partition(":")
        if name.lower() == "host":
            host = _without_port(value.strip())
    return Request(words[0], words[1].partition("?")[0], host, local)


def _without_port(authority: str) -> str:
    """`host` of "host", "host:port", "[IPv6]" or "[IPv6]:port"."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


def _encode(reply: Reply, *, head_only: bool) -> bytes:
    """The answer; one that failed says its phrase."""
    body = reply.body or f"{reply.status.phrase}\n".encode("ascii")
    head = (
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}\r\n"
        f"Content-Type: {reply.content_type}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + (b"" if head_only else body)
