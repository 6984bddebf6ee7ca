"""Open a store: files, lock, pages, epoch mark, schema, connections; refuse at the first doubt."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.store.connection_store import READ_S, Reader, connect, reading, without_log
from tsm_gateway.store.epoch_store import StoreMeta, verify, verify_base
from tsm_gateway.store.failures import (
    Health,
    StoreRolledBack,
    StoreUnreadable,
    is_unreadable,
    translate,
)
from tsm_gateway.store.files_store import check_directory, check_file, sync_directory
from tsm_gateway.store.lock_store import StoreLock, sole_opener
from tsm_gateway.store.migrate_store import HEAD, bring_up_to_date, create, revision_of
from tsm_gateway.store.statements import READ_META
from tsm_gateway.store.writer_store import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

AT_ONCE_S: Final = 0.0  # the daemon does not wait for a lock on its event loop: it is told StoreBusy
PATIENT_S: Final = 5.0  # people at a command line do; so does whoever opens while another moves the log

LOOK_AT_PAGES: Final = "PRAGMA quick_check(1)"
SOUND: Final = "ok"
LOOKED_AT_FIRST: Final = 256 << 20  # octets; a larger store is looked through while it is in use
BASE_TRIES: Final = 3  # of a look at a file that another process may be writing


class Opened(NamedTuple):
    """An open store's parts."""

    lock: StoreLock | None
    health: Health
    writer: Writer
    hot: Reader
    people: Reader
    meta: StoreMeta
    rolled_back: bool  # opened in spite of its mark
    pages_due: bool  # nobody has looked at its pages yet: too many of them to wait for


def open_database(
    path: Path, mark: Path, *, exclusive: bool, accept_rollback: bool, patience_s: float | None = None
) -> Opened:
    """See `sqlite_store.SqliteStore.open`."""
    check_directory(path.parent)
    check_directory(mark.parent)
    if patience_s is None:
        patience_s = AT_ONCE_S if exclusive else PATIENT_S
    if not exclusive:
        with _refused(path):
            return _open(path, mark, None, patience_s, accept_rollback=accept_rollback)
    with sole_opener(path), ExitStack() as undo:
        lock = StoreLock.take(path)
        undo.callback(lock.release)
        with _refused(path):
            opened = _open(path, mark, lock, patience_s, accept_rollback=accept_rollback)
        # SQLite syncs the directory of a new log, too, but goes on when that fails.
        sync_directory(path.parent)
        undo.pop_all()
    return opened


def _open(
    path: Path, mark: Path, lock: StoreLock | None, patience_s: float, *, accept_rollback: bool
) -> Opened:
    if not path.exists():
        _create(path, mark, lock, accept_rollback=accept_rollback)
    check_file(path)
    base, older = _base(path, mark, accept_rollback=accept_rollback)
    small = path.stat().st_size <= LOOKED_AT_FIRST
    connection = _connect(path, PATIENT_S, thorough=lock is not None and small)
    try:
        meta, rolled_back = _verified(connection, mark, accept_rollback=accept_rollback)
        found = revision_of(connection, path)
        if found != HEAD:
            connection.close()
            _migrate(path, lock)
            connection = _connect(path, PATIENT_S, thorough=False)
        connection.execute(f"PRAGMA busy_timeout = {int(patience_s * 1000)}")
        health = Health()
        return Opened(
            lock,
            health,
            Writer(connection, health, meta.generation, _generation_of(base, meta)),
            Reader(connect(path, writing=False, timeout_s=READ_S), health),
            Reader(connect(path, writing=False, timeout_s=READ_S), health),
            meta,
            rolled_back or older,
            lock is not None and not small,
        )
    except BaseException:
        connection.close()
        raise


def _create(path: Path, mark: Path, lock: StoreLock | None, *, accept_rollback: bool) -> None:
    """Make an empty store, unless something says that there was another."""
    log = path.with_name(path.name + "-wal")
    if log.exists():
        # SQLite would play a stranger's log into the new file.
        raise StoreUnreadable(path=str(log), why="a log without its database: move it away")
    if not accept_rollback:
        verify(None, mark)
    with _alone(path, lock):
        if not path.exists():  # another process may have been first
            with locked(path, lock):
                create(path)


def _migrate(path: Path, lock: StoreLock | None) -> None:
    """Bring the file to this release's schema, unless another process has done so meanwhile."""
    with _alone(path, lock):
        with closing(connect(path, writing=False, timeout_s=PATIENT_S)) as connection:
            found = revision_of(connection, path)
        if found != HEAD:
            with locked(path, lock):
                bring_up_to_date(path, found)


def _alone(path: Path, lock: StoreLock | None) -> AbstractContextManager[None]:
    """Nobody else opens; whoever has the store's lock here holds that one already."""
    return sole_opener(path) if lock is None else nullcontext()


def _connect(path: Path, timeout_s: float, *, thorough: bool) -> sqlite3.Connection:
    """The writing connection; `thorough` looks at every page first."""
    connection = connect(path, writing=True, timeout_s=timeout_s)
    if thorough:
        (text,) = connection.execute(LOOK_AT_PAGES).fetchone()
        if text != SOUND:
            connection.close()
            raise StoreUnreadable(path=str(path), why=text.partition("\n")[0])
    return connection


def look_at_pages(path: Path, health: Health) -> None:
    """Read every page of a store in use, which takes seconds. Raises StoreUnreadable or StoreBroken."""
    with reading(path, health) as reader:
        (text,) = reader.row(LOOK_AT_PAGES)
    if text != SOUND:
        raise health.noted(StoreUnreadable(path=str(path), why=text.partition("\n")[0]))


def _base(path: Path, mark: Path, *, accept_rollback: bool) -> tuple[StoreMeta | None, bool]:
    """What the file says without its log, and whether it is older than it may be. Raises StoreRolledBack.

    Comes ahead of the first connection, which plays the log into the file. None: it was torn by a power
    cut while the log was moved, and the log mends it.
    """
    for left in reversed(range(BASE_TRIES)):
        try:
            with without_log(path) as connection:
                base = StoreMeta(*connection.execute(READ_META).fetchone())
        except (sqlite3.Error, TypeError):  # TypeError: no row
            return None, False
        try:
            verify_base(base, mark)
        except StoreRolledBack:
            if not left and not accept_rollback:
                raise
        else:
            return base, False
    return None, True  # not just another process that moved its log at that very moment


def _generation_of(base: StoreMeta | None, meta: StoreMeta) -> int:
    """What the file without its log is at; 0 when it is not of this epoch, or cannot be told."""
    return base.generation if base is not None and base.store_id == meta.store_id else 0


def _verified(connection: sqlite3.Connection, mark: Path, *, accept_rollback: bool) -> tuple[StoreMeta, bool]:
    """What the store says about itself, and whether it was rolled back. Raises StoreRolledBack."""
    row = connection.execute(READ_META).fetchone()
    meta = StoreMeta(*row)
    try:
        verify(meta, mark)
    except StoreRolledBack:
        if not accept_rollback:
            raise
        return meta, True
    return meta, False


@contextmanager
def locked(path: Path, lock: StoreLock | None) -> Iterator[None]:
    """Hold the store's lock, if it is not held for good already. Raises StoreLocked."""
    own = StoreLock.take(path) if lock is None else None
    try:
        yield
    finally:
        if own is not None:
            own.release()


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """What SQLite says while a store is opened."""
    try:
        yield
    except sqlite3.Error as error:
        if is_unreadable(error):
            raise StoreUnreadable(path=str(path), why=str(error)) from error
        raise translate(error) from error
