"""Gateways and foreign peers, made for a test and stopped after it, last started first."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.gateway import Bind, Gateway
from tests.interop.recording import Recording, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def started(stack: ExitStack) -> Callable[[Any], Any]:
    """`started(peer)`: the peer, whose `stop` is called after the test."""

    def start(peer: Any) -> Any:
        stack.callback(peer.stop)
        return peer

    return start


@pytest.fixture
def gateway(tmp_path: Path, stack: ExitStack) -> Callable[..., Gateway]:
    """`gateway(Bind("peer", port), …)`: a running gateway; further words are those of `Gateway`."""

    def start(*binds: Bind, **options: Any) -> Gateway:
        made = Gateway(tmp_path, binds, **options)
        stack.callback(made.stop)
        made.start()
        return made

    return start


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """One session of the gateway with an SMSC, from bind to unbind, as it went over the line."""
    return record(tmp_path_factory.mktemp("recording"))
