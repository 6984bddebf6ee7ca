"""A store that fell back behind its epoch mark is never started, and a resync lets nothing in twice."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.store.samples import (
    PROVIDER_KID,
    device,
    device_id,
    kid,
    open_store,
    payments,
    populate,
    window_at,
)
from tsm_gateway.registry.device import KeyState
from tsm_gateway.relay.interfaces import StoreBusy, StoreConflict
from tsm_gateway.store import files_store, resync_store
from tsm_gateway.store.epoch_store import MarkKeeper, read_mark
from tsm_gateway.store.failures import StoreLocked, StoreRolledBack

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore


def accept(store: SqliteStore, count: int = 1) -> None:
    for _ in range(count):
        window = store.registry.window_of(kid(1))
        assert window is not None
        store.stage(payments([window[0] + 1]))
        store.flush()


def mark_of(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "mark.epoch").read_text())
    return found


def test_the_mark_follows_the_generation(folder: Path) -> None:
    store = open_store(folder)
    accept(store, 3)
    assert mark_of(folder)["generation"] == store.generation - 3
    store.mark()
    assert mark_of(folder)["generation"] == store.generation
    accept(store)
    store.close()
    assert mark_of(folder)["generation"] == store.generation


def test_a_mark_is_not_written_when_nothing_moved(folder: Path) -> None:
    store = open_store(folder)
    written = (folder / "mark.epoch").stat().st_ino
    store.mark()
    store.mark()
    assert (folder / "mark.epoch").stat().st_ino == written
    accept(store)
    store.mark()
    assert (folder / "mark.epoch").stat().st_ino != written
    store.close()


def test_a_mark_is_never_moved_back_by_a_second_process(folder: Path) -> None:
    daemon, beside = open_store(folder), open_store(folder, exclusive=False)
    beside.registry.add_device(device(50))
    accept(daemon, 5)
    daemon.mark()
    beside.close()
    assert mark_of(folder)["generation"] == daemon.generation
    daemon.close()


@pytest.mark.parametrize("seed", range(20))
def test_every_restored_copy_is_detected(folder: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    store = open_store(folder)
    accept(store, chance.randrange(3))
    store.close()
    shutil.copytree(folder, tmp_path / "copy")
    store = open_store(folder)
    accept(store, chance.randrange(1, 4))
    store.mark()
    if chance.randrange(2):
        store.close()
    else:
        crash(store)
    for left in folder.glob("gateway.db*"):
        left.unlink()
    shutil.copy(tmp_path / "copy" / "gateway.db", folder)
    with pytest.raises(StoreRolledBack) as caught:
        open_store(folder)
    assert caught.value.facts["generation"] < caught.value.facts["mark"]  # type: ignore[operator]


@pytest.mark.parametrize("how", ["backup", "copy"])
@pytest.mark.parametrize("sessions", [0, 1])
def test_an_older_file_beside_the_log_of_a_crash_is_detected(
    folder: Path, tmp_path: Path, how: str, sessions: int
) -> None:
    store = open_store(folder)
    if how == "backup":
        store.backup(tmp_path / "old.db")
    else:
        shutil.copy(folder / "gateway.db", tmp_path / "old.db")
    accept(store, 5)
    for _ in range(sessions):
        store.close()
        store = open_store(folder)
    store.checkpoint()
    store.registry.add_device(device(77))  # the log holds this, and a meta page of today
    store.mark()
    as_left = tmp_path / "left"
    shutil.copytree(folder, as_left)
    store.close()
    shutil.copy(tmp_path / "old.db", as_left / "gateway.db")
    with pytest.raises(StoreRolledBack, match="log"):
        open_store(as_left)
    with closing(open_store(as_left, exclusive=False, accept_rollback=True)) as opened:
        assert opened.rolled_back


def test_a_crash_is_no_rollback_whatever_the_log_held(folder: Path, tmp_path: Path) -> None:
    store = open_store(folder)
    accept(store, 2)
    store.checkpoint()
    accept(store, 2)
    store.mark()
    shutil.copytree(folder, tmp_path / "crashed")
    store.resync(advance=64, demand_new_keys=False)
    shutil.copytree(folder, tmp_path / "resynced")
    store.close()
    for left in ("crashed", "resynced"):
        for _ in range(2):
            open_store(tmp_path / left).close()


def crash(store: SqliteStore) -> None:
    """Let go of the files as the kernel does when a process dies; the mark stays as it was last written."""
    store._keeper = None
    store.close()


def test_a_backup_is_not_started(folder: Path) -> None:
    store = open_store(folder)
    store.backup(folder / "backup.db")
    store.close()
    (folder / "backup.db").rename(folder / "gateway.db")
    with pytest.raises(StoreRolledBack) as caught:
        open_store(folder)
    assert "backup" in str(caught.value)


def test_a_missing_mark_stops_the_start_of_a_store_in_use(folder: Path) -> None:
    (folder / "mark.epoch").unlink()
    with pytest.raises(StoreRolledBack):
        open_store(folder)


INFINITE = f'{{"store": "{"00" * 16}", "generation": Infinity}}'


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "{", '{"store": 1, "generation": 2}', "\xff" * 300, INFINITE]
)
def test_an_unreadable_mark_stops_the_start(folder: Path, text: str) -> None:
    (folder / "mark.epoch").write_text(text, "latin-1")
    with pytest.raises(StoreRolledBack):
        open_store(folder)


def test_another_stores_mark_stops_the_start(folder: Path, tmp_path: Path) -> None:
    populate(open_store(tmp_path / "other")).close()
    shutil.copy(tmp_path / "other" / "mark.epoch", folder)
    with pytest.raises(StoreRolledBack):
        open_store(folder)


def test_a_lost_database_is_not_replaced_in_silence(folder: Path) -> None:
    (folder / "gateway.db").unlink()
    with pytest.raises(StoreRolledBack):
        open_store(folder)
    assert not (folder / "gateway.db").exists()


def test_a_new_store_whose_mark_was_never_written_starts(tmp_path: Path) -> None:
    open_store(tmp_path / "new").close()
    (tmp_path / "new" / "mark.epoch").unlink()
    open_store(tmp_path / "new").close()
    assert mark_of(tmp_path / "new")["generation"] == 0


# --- resync ---


def rolled_back(folder: Path) -> SqliteStore:
    """A store restored from a backup after which ten more payments came, opened in spite of it."""
    store = open_store(folder)
    accept(store, 5)
    store.backup(folder / "backup.db")
    accept(store, 10)
    store.close()
    (folder / "backup.db").rename(folder / "gateway.db")
    return open_store(folder, accept_rollback=True)


def test_a_rolled_back_store_does_not_heal_its_mark_by_being_opened(folder: Path) -> None:
    store = rolled_back(folder)
    assert store.rolled_back
    store.mark()
    store.close()
    with pytest.raises(StoreRolledBack):
        open_store(folder)


def test_after_a_resync_nothing_of_before_is_accepted(folder: Path) -> None:
    store = rolled_back(folder)
    done = store.resync(advance=1_000, demand_new_keys=False)
    assert (done.epoch, done.devices, done.providers) == (2, 3, 1)
    store.close()
    store = open_store(folder)
    assert not store.rolled_back
    assert store.registry.window_of(kid(1)) == window_at(1_005)
    assert store.registry.window_of(kid(2)) == window_at(1_000)
    for piv in range(1, 16):
        with pytest.raises(StoreConflict):
            store.stage(payments([piv]))
    bank = store.registry.provider_named("bank")
    assert bank is not None
    assert bank.next_piv == 6 + resync_store.PIVS_SKIPPED
    assert store.check() == []
    store.close()


def test_a_resync_may_demand_new_keys_instead(folder: Path) -> None:
    store = rolled_back(folder)
    assert store.resync(advance=0, demand_new_keys=True).devices == 3
    found = store.registry.device_for(kid(1))
    assert found is not None
    assert found.key.state is KeyState.STALE
    assert store.registry.keys("bank")[0].state is KeyState.CURRENT
    store.close()


def test_a_resync_tells_everybody_to_forget_what_they_cached(folder: Path) -> None:
    store = rolled_back(folder)
    before = store.registry.versions()
    store.resync(advance=1, demand_new_keys=False)
    assert store.registry.versions() == (before[0] + 1, before[1] + 1)
    store.close()


def test_counters_end_at_their_end(folder: Path) -> None:
    store = rolled_back(folder)
    last = resync_store.LAST_PIV
    with store._writer.administration() as cursor:
        resync_store.advance_windows(cursor, last - 2)
        for _ in range(2):
            cursor.execute("UPDATE piv_counter SET next_piv = ?", (last - 1,))
            resync_store.skip_pivs(cursor)
    assert store.registry.window_of(kid(1)) == window_at(last)
    store.close()
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        assert connection.execute("SELECT next_piv FROM piv_counter").fetchone() == (last + 1,)


def test_the_original_is_a_stranger_after_a_resync(folder: Path) -> None:
    store = open_store(folder)
    accept(store, 50)
    store.close()
    shutil.copy(folder / "gateway.db", folder / "original.db")
    store = rolled_back(folder)
    store.resync(advance=100, demand_new_keys=False)
    store.close()
    shutil.copy(folder / "original.db", folder / "gateway.db")
    with pytest.raises(StoreRolledBack):
        open_store(folder)


def test_a_resync_beside_a_daemon_is_refused(folder: Path) -> None:
    daemon, beside = open_store(folder), open_store(folder, exclusive=False)
    with pytest.raises(StoreLocked):
        beside.resync(advance=1, demand_new_keys=False)
    beside.close()
    daemon.close()


def test_a_damaged_window_is_closed_by_a_resync(folder: Path) -> None:
    store = rolled_back(folder)
    with store._writer.administration() as cursor:
        cursor.execute("UPDATE replay_window SET highest = 0 WHERE kid = ?", (kid(1),))
        cursor.execute("UPDATE piv_counter SET next_piv = 0 WHERE kid = ?", (PROVIDER_KID,))
    store.resync(advance=1, demand_new_keys=False)
    assert store.registry.window_of(kid(1)) == window_at(resync_store.LAST_PIV)
    bank = store.registry.provider_named("bank")
    assert bank is not None
    assert bank.next_piv == resync_store.LAST_PIV + 1
    assert store.registry.device(device_id(1)) is not None
    store.close()


def test_two_keepers_of_one_mark_do_not_take_each_others_file_away(tmp_path: Path) -> None:
    def keep(keeper: MarkKeeper) -> None:
        for generation in range(1, 40):
            keeper.follow(generation)

    keepers = [MarkKeeper(tmp_path / "epoch", bytes(16)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(keep, keepers))
    mark = read_mark(tmp_path / "epoch")
    assert mark is not None
    assert mark.generation == 39


def test_a_mark_that_a_stranger_keeps_locked_holds_nobody_up_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_store, "PATIENCE_S", 0.05)
    keeper = MarkKeeper(tmp_path / "epoch", bytes(16))
    stranger = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(stranger, fcntl.LOCK_EX)
        with pytest.raises(StoreBusy):
            keeper.follow(1)
        assert read_mark(tmp_path / "epoch") is None
    finally:
        os.close(stranger)
    keeper.follow(1)
    assert read_mark(tmp_path / "epoch") is not None
