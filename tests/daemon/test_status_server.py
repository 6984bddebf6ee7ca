"""The status page: three paths, everything else refused, and nobody can hold it up."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.daemon.status_http import Request
from tsm_gateway.daemon.status_server import LONGEST_HEAD, ListenFailed, Pages, StatusServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

HEALTHY = Pages(lambda: b"tsm_ready 1.0\n", lambda: True, lambda: {"links": []})
WITHIN_S = 10.0
DEADLINE_S = 0.2


@asynccontextmanager
async def served(pages: Pages = HEALTHY, *, most: int = 32) -> AsyncIterator[StatusServer]:
    server = StatusServer(("127.0.0.1", 0), pages, deadline_s=DEADLINE_S, most_connections=most)
    async with asyncio.timeout(WITHIN_S), server:
        yield server


async def opened(server: StatusServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    assert server.address is not None
    return await asyncio.open_connection(*server.address)


async def exchange(server: StatusServer, octets: bytes) -> bytes:
    """Send octets and read until the server ends the connection."""
    reader, writer = await opened(server)
    try:
        writer.write(octets)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def get(
    server: StatusServer, path: str, host: str = "127.0.0.1", method: str = "GET"
) -> tuple[int, bytes]:
    answer = await exchange(server, f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def run(story: Callable[[StatusServer], Awaitable[None]], pages: Pages = HEALTHY, *, most: int = 32) -> None:
    async def whole() -> None:
        async with served(pages, most=most) as server:
            await story(server)

    asyncio.run(whole())


def test_metrics_health_and_status_are_served() -> None:
    async def story(server: StatusServer) -> None:
        assert await get(server, "/metrics") == (200, b"tsm_ready 1.0\n")
        assert await get(server, "/health") == (200, b"ok\n")
        status, body = await get(server, "/status?x=1")
        assert (status, json.loads(body)) == (200, {"links": []})

    run(story)


def test_ill_health_is_told_without_a_detail() -> None:
    async def story(server: StatusServer) -> None:
        assert await get(server, "/health") == (503, b"unavailable\n")

    run(story, HEALTHY._replace(healthy=lambda: False))


def test_a_head_request_gets_the_head_only() -> None:
    async def story(server: StatusServer) -> None:
        assert await get(server, "/health", method="HEAD") == (200, b"")

    run(story)


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET / HTTP/1.1", 404),
        ("GET /metrics/ HTTP/1.1", 404),
        ("GET http://127.0.0.1/metrics HTTP/1.1", 404),
        ("POST /metrics HTTP/1.1", 405),
        ("DELETE /status HTTP/1.1", 405),
        ("GET /metrics", 400),
        ("GET  /metrics HTTP/1.1", 400),
        ("GET /metrics SMPP/3.4", 400),
        ("\x00\x00\x00\x10 \x00 \x00", 400),
    ],
)
def test_anything_else_is_refused(request_line: str, status: int) -> None:
    async def story(server: StatusServer) -> None:
        answer = await exchange(server, f"{request_line}\r\nHost: localhost\r\n\r\n".encode("latin-1"))
        assert int(answer.split()[1]) == status

    run(story)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:9464", "[::1]:9464", "127.9.9.9"])
def test_status_is_for_this_machine(host: str) -> None:
    async def story(server: StatusServer) -> None:
        assert (await get(server, "/status", host))[0] == 200

    run(story)


@pytest.mark.parametrize("host", ["rebound.example", "192.0.2.1", "", "[", "localhost.example"])
def test_a_web_page_cannot_ask_for_status_under_a_name_of_its_own(host: str) -> None:
    async def story(server: StatusServer) -> None:
        assert (await get(server, "/status", host))[0] == 403

    run(story)


def test_status_is_refused_to_another_machine() -> None:
    server = StatusServer(None, HEALTHY)
    reply = server._answer(Request("GET", "/status", "127.0.0.1", local=False))
    assert reply.status == 403
    assert server._answer(Request("GET", "/metrics", "gateway.example", local=False)).status == 200


def test_a_request_that_is_too_long_is_refused_before_it_is_kept() -> None:
    async def whole() -> None:
        patient = StatusServer(("127.0.0.1", 0), HEALTHY, deadline_s=WITHIN_S)
        async with asyncio.timeout(WITHIN_S / 2), patient:  # refused long before its deadline
            answer = await exchange(patient, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * (4 * LONGEST_HEAD))
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")  # b"": cut while we still sent

    asyncio.run(whole())


def test_a_request_that_does_not_end_is_cut_at_the_deadline() -> None:
    async def story(server: StatusServer) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await exchange(server, b"GET /metrics HTTP/1.1\r\n") == b""
        assert DEADLINE_S * 0.9 <= loop.time() - began < 5

    run(story)


def test_a_reader_that_does_not_take_the_answer_is_cut() -> None:
    async def story(server: StatusServer) -> None:
        reader, writer = await opened(server)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        await until(lambda: bool(server._open))
        await until(lambda: not server._open)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(64_000_000)
        writer.close()

    run(story, HEALTHY._replace(metrics=lambda: b"x" * 64_000_000))


def test_idle_connections_cannot_keep_others_out_for_long() -> None:
    async def story(server: StatusServer) -> None:
        idle = [await opened(server) for _ in range(3)]
        await until(lambda: len(server._open) == 2)
        assert await idle[2][0].read() == b""  # one too many: closed at once
        await until(lambda: not server._open)
        assert (await get(server, "/health"))[0] == 200
        for _, writer in idle:
            writer.close()

    run(story, most=2)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # the deadline is that of `served`
        await asyncio.sleep(0.005)


def test_a_page_that_fails_takes_nothing_along(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> bytes:
        raise RuntimeError

    async def story(server: StatusServer) -> None:
        assert await get(server, "/metrics") == (500, b"Internal Server Error\n")
        assert (await get(server, "/health"))[0] == 200

    with caplog.at_level(logging.ERROR):
        run(story, HEALTHY._replace(metrics=broken))
    assert "status page /metrics failed" in caplog.text


def test_closing_cuts_whoever_is_still_connected() -> None:
    async def whole() -> None:
        async with served() as server:
            reader, writer = await opened(server)
            await until(lambda: bool(server._open))
        assert await reader.read() == b""
        assert server.address is None
        writer.close()

    asyncio.run(whole())


def test_an_address_that_is_taken_is_an_error_with_a_name() -> None:
    async def story(server: StatusServer) -> None:
        with pytest.raises(ListenFailed, match="listen-failed"):
            async with StatusServer(server.address, HEALTHY):
                pass

    run(story)


def test_without_an_address_nothing_listens() -> None:
    async def whole() -> None:
        async with StatusServer(None, HEALTHY) as server:
            assert server.address is None

    asyncio.run(whole())


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_no_octets_disturb_the_server(garbage: list[bytes]) -> None:
    async def story(server: StatusServer) -> None:
        for octets in garbage:
            answer = await exchange(server, octets + b"\r\n\r\n")
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
        assert (await get(server, "/health"))[0] == 200

    run(story)
