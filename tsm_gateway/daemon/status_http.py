"""The little of HTTP/1.1 (RFC 9112) that the status page needs: the head of a request, a whole answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from http import HTTPStatus

PLAIN = "text/plain; charset=utf-8"


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


async def read_request(reader: asyncio.StreamReader, *, local: bool) -> Request | None:
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


def encode_reply(reply: Reply, *, head_only: bool) -> bytes:
    """The answer; one that failed says its phrase."""
    body = reply.body or f"{reply.status.phrase}\n".encode("ascii")
    head = (
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}\r\n"
        f"Content-Type: {reply.content_type}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + (b"" if head_only else body)
