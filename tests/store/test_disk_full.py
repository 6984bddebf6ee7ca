"""A full disk: the radio is told to keep its message, nothing is lost, and room is enough to go on."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.store.samples import NOW, open_store, payments, segment
from tests.store.writer import next_number
from tsm_gateway.relay.interfaces import Batch, StoreFull, Transition
from tsm_gateway.relay.states import MessageState, Move
from tsm_gateway.store.files_store import free_octets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore

MEBIBYTE = 1 << 20
needs_mount = pytest.mark.skipif(
    os.geteuid() != 0 and os.environ.get("CI") != "true", reason="mounting a small disk needs root"
)


@pytest.fixture
def home(tmp_path: Path, folder: Path) -> Iterator[Path]:
    """A populated store on a disk of 6 MiB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs", disk], check=True)
    try:
        yield shutil.copytree(folder, disk / "store")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def accept_until_full(store: SqliteStore) -> int:
    """Accept payments until the disk is full; how many the store holds then."""
    while True:
        number = next_number(store)
        try:
            store.stage(payments(range(number, number + 5), packet=b"\0" * 4000))
            store.flush()
        except StoreFull:
            return number - 1


@needs_mount
def test_a_full_disk_is_told_and_survived(home: Path) -> None:
    ballast = home.parent / "ballast"
    ballast.write_bytes(b"\0" * 2 * MEBIBYTE)
    store = open_store(home, reserve=0)
    try:
        kept = accept_until_full(store)
        assert kept
        assert [accept_until_full(store) for _ in range(20)] == [kept] * 20
        ballast.unlink()
        more = accept_until_full(store)
        assert more > kept
        assert store.queue.counts() == {MessageState.QUEUED: more}
        assert store.check() == []
    finally:
        store.close()


@needs_mount
def test_above_the_reserve_everything_there_still_gets_out(home: Path) -> None:
    store = open_store(home, reserve=2 * MEBIBYTE)
    try:
        kept = accept_until_full(store)
        with pytest.raises(StoreFull):
            store.stage(Batch(journal=[segment(1)]))
        while claimed := store.claim_due(NOW, 7, ["bank"]):
            done = [Transition(outgoing.message_id, Move.HAND_OVER, NOW) for outgoing in claimed]
            store.stage(Batch(transitions=done))
            store.flush()
        assert store.queue.counts() == {MessageState.HANDED_OVER: kept}
        assert kept > 100
    finally:
        store.close()


@needs_mount
def test_a_store_is_not_half_made_on_a_full_disk(home: Path) -> None:
    ballast = home.parent / "ballast"
    ballast.write_bytes(b"\0" * (free_octets(home) - 20_000))
    fresh = home.parent / "fresh"
    with pytest.raises(StoreFull):
        open_store(fresh)
    assert not (fresh / "gateway.db").exists()
    ballast.unlink()
    open_store(fresh).close()
