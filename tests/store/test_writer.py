"""One writer, whose calls never overlap, while the registry and the certificate ids stay readable."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.store.samples import NOW, acceptance, device, device_id, kid, open_store, payments, segment
from tsm_gateway.relay.interfaces import Batch, Registry, Spool, StoreBroken
from tsm_gateway.store import writer_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    opened = open_store(folder)
    yield opened
    opened.close()


class SlowCommit:
    """A cursor whose COMMIT waits until it is let go: a disk that takes its time."""

    def __init__(self, cursor: object) -> None:
        self._cursor = cursor
        self.reached, self.go = threading.Event(), threading.Event()

    def execute(self, sql: str, *values: object) -> object:
        if sql == "COMMIT":
            self.reached.set()
            assert self.go.wait(10)
        return self._cursor.execute(sql, *values)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> object:
        return getattr(self._cursor, name)


def test_the_store_is_what_the_relay_asks_for(store: SqliteStore) -> None:
    spool: Spool = store
    registry: Registry = store.registry
    assert spool.unfinished() == []
    assert registry.device_for(kid(99)) is None


def test_calls_that_overlap_a_flush_are_refused_and_reads_go_on(store: SqliteStore) -> None:
    slow = SlowCommit(store._writer._cursor)
    store._writer._cursor = slow  # type: ignore[assignment]
    store.stage(payments([1]))
    flush = threading.Thread(target=store.flush)
    flush.start()
    assert slow.reached.wait(10)
    with pytest.raises(RuntimeError, match="overlap"):
        store.stage(payments([2]))
    with pytest.raises(RuntimeError, match="overlap"):
        store.claim_due(NOW, 1, ["bank"])
    mark = (device_id(1), acceptance(1).cti)
    assert store.taken_ctis([mark]) == {mark}
    assert store.registry.device_for(kid(1)) is not None
    slow.go.set()
    flush.join(10)
    assert store.taken_ctis([mark]) == {mark}
    store.stage(payments([2]))
    store.flush()


def test_administration_does_not_commit_an_open_batch(store: SqliteStore) -> None:
    store.stage(payments([1]))
    with pytest.raises(RuntimeError, match="open batch"):
        store.registry.add_device(device(60))
    assert store.queue.counts() == {}


@pytest.mark.parametrize("bad", [{"packet": object()}, {"piv": 1 << 63}])
def test_a_value_that_no_database_takes_leaves_nothing_behind(
    store: SqliteStore, bad: dict[str, Any]
) -> None:
    with pytest.raises((StoreBroken, OverflowError, TypeError)):
        store.stage(payments([1], **bad))
    assert not store._writer._connection.in_transaction


def test_the_log_is_kept_short_by_checkpoints(
    store: SqliteStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_store, "CHECKPOINT_ROWS", 500)
    sizes = []
    for start in range(1, 3_000, 50):
        store.stage(payments(range(start, start + 50)))
        store._writer.commit()
        sizes.append((folder / "gateway.db-wal").stat().st_size)
    assert max(sizes[30:]) <= max(sizes[:10]) * 1.5


def test_a_reader_in_the_way_only_postpones_a_checkpoint(store: SqliteStore) -> None:
    with store.registry._people.snapshot():
        store.registry._people.rows("SELECT count(*) FROM device")
        store.stage(payments([1]))
        store._writer.commit(tight=True)
        assert store.queue.counts() == {}
    store.checkpoint()
    assert len(store.queue.counts()) == 1


def test_what_was_not_flushed_is_gone_at_close(folder: Path) -> None:
    store = open_store(folder)
    store.stage(Batch(journal=[segment(1)]))
    store.close()
    again = open_store(folder)
    assert again.unfinished() == []
    again.close()
