"""A populated store, made once and copied for every test: migrations take their time."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.store.samples import open_store, populate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore


@pytest.fixture(scope="session")
def populated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with the provider "bank" and devices 1 to 3. Copy it, never open it."""
    folder = tmp_path_factory.mktemp("populated")
    populate(open_store(folder), devices=3).close()
    return folder


@pytest.fixture
def folder(populated: Path, tmp_path: Path) -> Path:
    """A populated store of one's own, closed."""
    shutil.copytree(populated, tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    """That store open, in which nothing may be wrong when the test is over."""
    opened = open_store(folder, actor="tester")
    yield opened
    opened.flush()
    assert opened.check() == []
    opened.close()
