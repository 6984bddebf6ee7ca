"""The one writing connection of a process: its open transaction, its guard and its fail-stop.

A transaction is opened by the first write and closed by `commit`, which may run in another thread than
the writes; a guard refuses overlapping calls instead of making one of them wait. Whatever goes wrong
rolls the whole transaction back: nothing of it was promised to anybody.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Final

from tsm_gateway.errors import TsmError
from tsm_gateway.relay.interfaces import StoreBusy, StoreFull
from tsm_gateway.store.failures import Health, translate
from tsm_gateway.store.statements import MOVE_META, READ_GENERATION

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKPOINT_ROWS: Final = 5_000  # rows changed between checkpoints: keeps the log at a few megabytes


class Writer:
    """A connection that writes."""

    def __init__(
        self, connection: sqlite3.Connection, health: Health, generation: int, base: int = 0
    ) -> None:
        """Write through `connection`, at `generation` when last committed; `base` is that without its log."""
        self._connection, self._health = connection, health
        self._cursor = connection.cursor()
        self._guard = Lock()
        self._rows_at_checkpoint = self._rows_at_begin = 0  # of the connection's count of changed rows
        self._registry_moved = self._queue_moved = False
        self.generation = generation  # as last committed by this process
        self.base = base  # what the file without its log is at, at least; 0: not known
        self.uncommitted: set[tuple[str, bytes]] = set()  # (device id, cti) of the open transaction

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Cursor]:
        """Join the open transaction, or open one; it stays open. Raises as `relay.interfaces.Spool`."""
        with self.exclusive():
            if not self._connection.in_transaction:
                self._begin()
            yield self._cursor

    @contextmanager
    def administration(self, *, registry: bool = False, queue: bool = False) -> Iterator[sqlite3.Cursor]:
        """A transaction of its own, committed at the end, that moves one of the versions."""
        with self.exclusive():
            if self._connection.in_transaction:
                message = "administration inside an open batch: a defect"
                raise RuntimeError(message)
            self._begin()
            yield self._cursor
            self._registry_moved, self._queue_moved = registry, queue
            self._commit(CHECKPOINT_ROWS)

    def _begin(self) -> None:
        self._cursor.execute("BEGIN IMMEDIATE")
        self._rows_at_begin = self._connection.total_changes

    def registry_moved(self) -> None:
        """The open transaction changes what others may have cached of the registry."""
        self._registry_moved = True

    def commit(self, *, tight: bool = False) -> None:
        """Make the open transaction durable, if there is one; fsyncs. Raises StoreFull or StoreBroken.

        While the disk is `tight` the log is emptied at once, so that it does not grow.
        """
        with self.exclusive():
            if self._connection.in_transaction:
                self._commit(0 if tight else CHECKPOINT_ROWS)

    def _commit(self, checkpoint_rows: int) -> None:
        if self._connection.total_changes == self._rows_at_begin:
            self._roll_back()  # nothing was written: no generation, no fsync
            return
        self._cursor.execute(MOVE_META, (self._registry_moved, self._queue_moved))
        generation = self._cursor.execute(READ_GENERATION).fetchone()[0]
        self._cursor.execute("COMMIT")
        self.generation = generation
        self._forget()
        if self._connection.total_changes - self._rows_at_checkpoint >= checkpoint_rows:
            # It is durable already: no room or a reader in the way only postpones the checkpoint.
            with suppress(StoreFull, StoreBusy):
                self._checkpoint("PASSIVE")

    def roll_back(self) -> None:
        """Undo the open transaction, if there is one. Raises StoreBroken."""
        with self.exclusive():
            self._roll_back()

    def checkpoint(self) -> None:
        """Move the whole log into the database and truncate it. Raises StoreFull, StoreBusy, StoreBroken."""
        with self.exclusive():
            self._checkpoint("TRUNCATE")

    def _checkpoint(self, how: str) -> None:
        self._rows_at_checkpoint = self._connection.total_changes
        try:
            busy, log, moved = self._cursor.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
        except sqlite3.Error as error:
            raise self._health.noted(translate(error)) from error
        if busy:
            raise StoreBusy
        if log == moved:
            self.base = self.generation

    @contextmanager
    def exclusive(self) -> Iterator[sqlite3.Cursor]:
        """Keep other calls out, refuse a broken store, translate errors and roll back after any."""
        if not self._guard.acquire(blocking=False):
            message = "two calls of the store's writer overlap: a defect"
            raise RuntimeError(message)
        try:
            self._health.ask()
            yield self._cursor
        except sqlite3.Error as error:
            failure = self._health.noted(translate(error))
            self._roll_back()
            raise failure from error
        except TsmError as error:
            self._health.noted(error)
            self._roll_back()
            raise
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._guard.release()

    def _forget(self) -> None:
        self._registry_moved = self._queue_moved = False
        self.uncommitted = set()  # a new one: another thread may be reading the old

    def _roll_back(self) -> None:
        self._forget()
        if self._connection.in_transaction:  # SQLite itself has rolled back after the worst errors
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                self._health.noted(translate(error))

    def close(self) -> None:
        """Forget what was not committed and close; a sound store's log is moved into the database first."""
        if not self._health.broken:
            with suppress(sqlite3.Error):
                self._roll_back()
                self._cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._cursor.close()  # a statement left open would keep the files open behind our back
        self._connection.close()
