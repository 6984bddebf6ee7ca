"""One daemon for most cases: what one does to it the next one has to find mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.daemon import Daemon
from tests.faults.zygote import Zygote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    made = Daemon(tmp_path_factory.mktemp("daemon"), devices=3)
    made.start()
    yield made
    assert made.stop() == 0  # whatever happened to it, it ends in order


@pytest.fixture
def new_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Daemon]]:
    """`new_daemon(devices=…)`: one of the test's own, not started, killed after it."""
    made: list[Daemon] = []

    def make(**options: object) -> Daemon:
        made.append(Daemon(tmp_path_factory.mktemp("daemon"), **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    with Zygote() as made_once:
        yield made_once
