"""The contract of spool and registry, on SQLite; every test leaves a store in which nothing is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.registry_contract import *  # noqa: F403 - the contract's tests run here
from tests.store.samples import open_store
from tests.store.spool_contract import *  # noqa: F403

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    opened = open_store(folder)
    yield opened
    opened.flush()
    assert opened.check() == []
    opened.close()
