"""The contract of spool and registry, on SQLite; every test leaves a store in which nothing is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.store.registry_contract import *  # noqa: F403 - the contract's tests run here
from tests.store.samples import open_store, payments
from tests.store.spool_contract import *  # noqa: F403
from tests.store.spool_contract import move, put
from tsm_gateway.relay.states import MessageState, Move

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    opened = open_store(folder)
    yield opened
    opened.flush()
    assert opened.check() == []
    opened.close()


def test_a_message_that_moves_while_the_queue_is_listed_is_listed_once(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, payments([1], state=MessageState.ACTIVE))
    reader = store.queue._people
    read = reader.rows

    def moved_meanwhile(sql: str, values: Sequence[object] = ()) -> list[Any]:
        rows = read(sql, values)
        if MessageState.ACTIVE.value in values:
            assert move(store, 1, Move.HAND_OVER)
            store.flush()
        return rows

    monkeypatch.setattr(reader, "rows", moved_meanwhile)
    assert [found.state for found in store.queue.entries()] == [MessageState.ACTIVE]
