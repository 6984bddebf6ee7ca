"""Connections to the database file: how they are set up, and the ones that only read."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tsm_gateway.store.failures import Health, StoreUnreadable, translate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

READ_S: Final = 1.0  # a reader waits only while another process recovers or removes the log
KEPT_STATEMENTS: Final = 256  # prepared statements kept by the driver; we have about a hundred

# Every connection.
COMMON: Final = (
    "PRAGMA trusted_schema = OFF",  # nothing stored is ever run
    "PRAGMA cell_size_check = ON",  # a damaged page is an error, not a guess
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",  # no third file
)
WRITING: Final = (
    # FULL: a commit has reached the disk when it returns. NORMAL loses what was acknowledged at a power cut.
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",  # deleted octets are overwritten
    # Checkpoints are ours: SQLite's own hides the failure of its fsync.
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA journal_size_limit = 67108864",  # octets of log kept after a checkpoint
    "PRAGMA cache_size = -16384",  # KiB
)
READING: Final = ("PRAGMA query_only = ON",)


def connect(path: Path, *, writing: bool, timeout_s: float) -> sqlite3.Connection:
    """Open an existing database; `timeout_s` is how long to wait for another process's lock.

    Any thread may use it, one at a time. Raises sqlite3.Error, StoreUnreadable when the file system
    cannot carry a write-ahead log.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",  # never create: a missing file is not an empty store
        uri=True,
        timeout=timeout_s,
        isolation_level=None,  # transactions are begun by us
        check_same_thread=False,
        cached_statements=KEPT_STATEMENTS,
    )
    try:
        for pragma in (*COMMON, *(WRITING if writing else READING)):
            connection.execute(pragma)
        if writing:
            _keep_log(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def without_log(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the file as it is, whatever log lies beside it. Raises sqlite3.Error."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        yield connection
    finally:
        connection.close()


def _keep_log(connection: sqlite3.Connection, path: Path) -> None:
    """Use a write-ahead log: one fsync per commit, and readers never wait."""
    if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise StoreUnreadable(path=str(path), why="no write-ahead log on this file system")


class Reader:
    """A connection that sees what was last committed."""

    def __init__(self, connection: sqlite3.Connection, health: Health) -> None:
        """Read through `connection`; failures are noted in `health`."""
        self._connection, self._health = connection, health

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of one statement. Raises StoreBusy or StoreBroken."""
        self._health.ask()
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._health.noted(translate(error)) from error

    def row(self, sql: str, values: Sequence[object] = ()) -> Any:  # noqa: ANN401 - as the driver gives it
        """The first row of one statement, None without one. Raises StoreBusy or StoreBroken."""
        found = self.rows(sql, values)
        return found[0] if found else None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let the reads inside all see the same commit."""
        self.rows("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def reading(path: Path, health: Health) -> Iterator[Reader]:
    """A reader for one long look, so that nobody else waits for it. Raises StoreBusy or StoreBroken."""
    try:
        connection = connect(path, writing=False, timeout_s=READ_S)
    except sqlite3.Error as error:
        raise health.noted(translate(error)) from error
    try:
        yield Reader(connection, health)
    finally:
        connection.close()
