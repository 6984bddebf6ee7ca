"""Opening: whose files, one instance, which schema, and refusing at the first doubt."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.store.samples import device, kid, open_store, payments, populate
from tsm_gateway.registry.errors import AlreadyKnown
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy
from tsm_gateway.relay.states import MessageState
from tsm_gateway.store import open_store as open_store_parts
from tsm_gateway.store.failures import StoreLocked, StoreUnreadable, StoreUnsafe
from tsm_gateway.store.lock_store import sole_opener
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier as Gate

ROOT = Path(__file__).parents[2]
FORKED = multiprocessing.get_context("fork")
ROUNDS = 12  # of processes that start together
LOCKS = ("gateway.db.lock", "gateway.db.opening.lock")


def test_a_new_store_is_made_and_found_again(tmp_path: Path) -> None:
    store = populate(open_store(tmp_path / "new"))
    store.stage(payments([1]))
    store.flush()
    store.close()
    again = open_store(tmp_path / "new")
    assert again.queue.counts() == {MessageState.QUEUED: 1}
    assert again.registry.device_for(kid(1)) is not None
    again.close()


def test_every_file_is_private_and_none_is_left_over(tmp_path: Path) -> None:
    store = populate(open_store(tmp_path / "new"))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "new").iterdir()}
    assert modes == dict.fromkeys(
        ("gateway.db", "gateway.db-wal", "gateway.db-shm", *LOCKS, "mark.epoch"), 0o600
    )
    store.close()
    left = {file.name for file in (tmp_path / "new").iterdir()}
    assert left == {"gateway.db", *LOCKS, "mark.epoch"}


def test_the_durable_settings_are_in_force(folder: Path) -> None:
    store = open_store(folder)
    connection = store._writer._connection
    settings = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "wal_autocheckpoint")
    }
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "secure_delete": 1,
        "foreign_keys": 1,
        "wal_autocheckpoint": 0,
    }
    store.close()


# --- one instance ---


def test_a_second_instance_is_refused_and_told_who_has_it(folder: Path) -> None:
    store = open_store(folder)
    code = (
        "import sys; from pathlib import Path; from tests.store.samples import open_store\n"
        "from tsm_gateway.store.failures import StoreLocked\n"
        "try: open_store(Path(sys.argv[1]))\n"
        "except StoreLocked as error: print(error.facts['pid'])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == str(os.getpid())
    store.close()
    open_store(folder).close()


def test_processes_that_start_together_on_an_empty_folder_all_open_it(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir(mode=0o700)
        gate = FORKED.Barrier(4)
        starters = [
            FORKED.Process(target=_start, args=(folder, gate, each == 0), daemon=True) for each in range(4)
        ]
        for starter in starters:
            starter.start()
        for starter in starters:
            starter.join(30)
        assert [starter.exitcode for starter in starters] == [0] * 4


def _start(folder: Path, gate: Gate, exclusive: bool) -> None:
    gate.wait(20)
    store = SqliteStore.open(folder / "gateway.db", mark=folder / "mark.epoch", exclusive=exclusive)
    gate.wait(20)  # the relay keeps its lock while the others look
    store.close()


def test_who_opens_for_too_long_is_named(folder: Path) -> None:
    path = folder / "gateway.db"
    with sole_opener(path), pytest.raises(StoreLocked) as refused, sole_opener(path, patience_s=0.05):
        pass
    assert refused.value.facts["pid"] == str(os.getpid())


def test_a_failed_open_gives_the_lock_back(folder: Path) -> None:
    (folder / "mark.epoch").write_text("not a mark")
    for _ in range(2):
        with pytest.raises(Exception, match="unreadable"):
            open_store(folder)


def test_the_command_line_works_beside_the_daemon(folder: Path) -> None:
    daemon, beside = open_store(folder), open_store(folder, exclusive=False)
    before = daemon.registry.versions()
    beside.registry.add_device(device(50))
    assert daemon.registry.versions() == (before[0] + 1, before[1])
    daemon.stage(payments([1]))
    daemon.flush()
    assert beside.queue.counts() == {MessageState.QUEUED: 1}
    beside.close()
    daemon.stage(payments([2]))
    daemon.flush()
    daemon.close()


def test_a_busy_store_is_told_to_the_daemon_at_once(folder: Path) -> None:
    daemon, beside = open_store(folder), open_store(folder, exclusive=False)
    with beside._writer.transaction(), pytest.raises(StoreBusy):
        daemon.stage(payments([1]))
    beside.flush()
    daemon.stage(payments([1]))
    daemon.flush()
    beside.close()
    daemon.close()


# --- whose files ---


def test_a_database_that_others_may_read_is_refused(folder: Path) -> None:
    (folder / "gateway.db").chmod(0o640)
    with pytest.raises(StoreUnsafe) as caught:
        open_store(folder)
    assert "chmod 600" in str(caught.value)


def test_a_folder_that_others_may_write_is_refused(folder: Path) -> None:
    folder.chmod(0o770)
    with pytest.raises(StoreUnsafe) as caught:
        open_store(folder)
    assert "chmod go-w" in str(caught.value)


def test_a_symbolic_link_is_refused(folder: Path) -> None:
    (folder / "gateway.db").rename(folder / "elsewhere.db")
    (folder / "gateway.db").symlink_to("elsewhere.db")
    with pytest.raises(StoreUnsafe):
        open_store(folder)


def test_a_missing_folder_is_told(folder: Path) -> None:
    with pytest.raises(StoreUnsafe) as caught:
        SqliteStore.open(folder / "nowhere" / "gateway.db", mark=folder / "mark.epoch", exclusive=True)
    assert "nowhere" in str(caught.value)


def test_another_users_database_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(folder / "gateway.db", 4711, 4711)
    monkeypatch.setattr(os, "geteuid", lambda: 4712)
    with pytest.raises(StoreUnsafe) as caught:
        open_store(folder)
    assert "another user" in str(caught.value)


# --- readable or not ---


def overwrite(path: Path, offset: int, octets: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(octets)


def test_a_file_that_is_no_database_is_refused(folder: Path) -> None:
    overwrite(folder / "gateway.db", 0, b"no database at all")
    with pytest.raises(StoreUnreadable):
        open_store(folder)


@pytest.mark.parametrize("page", [1, 4, 9, 14])
def test_a_damaged_page_is_refused(folder: Path, page: int) -> None:
    overwrite(folder / "gateway.db", page * 4096, b"\xff" * 64)
    with pytest.raises(StoreUnreadable):
        open_store(folder)


def test_a_strangers_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    path.chmod(0o600)
    with pytest.raises(StoreUnreadable):
        open_store(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_an_empty_file_is_no_empty_store(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").touch(0o600)
    with pytest.raises(StoreUnreadable):
        open_store(tmp_path)


def test_a_log_without_its_database_is_not_played_into_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "gateway.db-wal").write_bytes(b"somebody's payments")
    with pytest.raises(StoreUnreadable) as caught:
        open_store(tmp_path)
    assert "log" in str(caught.value)


def test_a_half_made_store_of_a_crash_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "gateway.db.new").write_bytes(b"half")
    open_store(tmp_path).close()
    assert not (tmp_path / "gateway.db.new").exists()


# --- backup ---


def test_a_backup_is_taken_while_payments_come_in(folder: Path, tmp_path: Path) -> None:
    store = open_store(folder)
    store.stage(payments([1, 2]))
    store.flush()
    store.stage(payments([3]))
    store.backup(tmp_path / "copy.db")
    store.flush()
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute("SELECT count(*) FROM message").fetchone() == (2,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    with pytest.raises(AlreadyKnown):
        store.backup(tmp_path / "copy.db")
    store.close()


def test_the_locks_holder_may_be_unknown(folder: Path) -> None:
    store = open_store(folder)
    os.truncate(folder / "gateway.db.lock", 0)
    with pytest.raises(StoreLocked) as caught:
        open_store(folder)
    assert caught.value.facts["pid"] == "unknown"
    store.close()


def test_who_opens_while_another_process_moves_the_log_waits_a_moment(folder: Path) -> None:
    other = sqlite3.connect(folder / "gateway.db", isolation_level=None, check_same_thread=False)
    with closing(other):
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        let_go = threading.Timer(0.2, other.close)
        let_go.start()
        open_store(folder).close()
        let_go.join()
    daemon = open_store(folder)
    with closing(sqlite3.connect(folder / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):  # afterwards it does not wait on its event loop
            daemon.recover(0)
    daemon.close()


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every store is too large to be looked through before it is used."""
    monkeypatch.setattr(open_store_parts, "LOOKED_AT_FIRST", 0)


@pytest.mark.usefixtures("large")
def test_a_large_store_is_open_at_once_and_looked_through_while_in_use(folder: Path) -> None:
    open_store(folder).close()
    store = open_store(folder, exclusive=True)
    store.registry.add_device(device(9))
    store.look_at_pages()
    store.close()


@pytest.mark.usefixtures("large")
def test_a_damaged_page_of_a_large_store_is_found_while_in_use(folder: Path) -> None:
    open_store(folder).close()
    path = folder / "gateway.db"
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'segment'").fetchone()
    overwrite(path, (page - 1) * 4096, b"\xff" * 64)  # not read by opening
    store = open_store(folder, exclusive=True)
    with pytest.raises((StoreUnreadable, StoreBroken)):
        store.look_at_pages()
    store.close()
