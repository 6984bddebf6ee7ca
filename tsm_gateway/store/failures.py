"""From SQLite's errors to ours, and why a store refuses to open.

| primary result code | becomes | then |
|---|---|---|
| SQLITE_FULL | StoreFull | rolled back; works again when space returns |
| SQLITE_BUSY, SQLITE_LOCKED | StoreBusy | rolled back; try again |
| SQLITE_CONSTRAINT | StoreConflict | rolled back; decide anew |
| anything else | StoreBroken | every later call is refused: fail-stop |

After one failed fsync the kernel may report the next one as a success although the data are gone, so
no later success of a store that failed once is trusted: the process ends and recovers at its next start.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreConflict, StoreFull

if TYPE_CHECKING:
    from collections.abc import Mapping


class StoreLocked(TsmError):
    """Another process has this store open: stop it first."""

    code, side, temporary = "store-locked", Side.OURS, False


class StoreUnsafe(TsmError):
    """Others may read or replace the store's files: set owner and mode as told."""

    code, side, temporary = "store-unsafe", Side.OURS, False


class StoreUnreadable(TsmError):
    """The file is no readable store of this gateway: restore a backup, then `store resync`."""

    code, side, temporary = "store-unreadable", Side.OURS, False


class StoreRolledBack(TsmError):
    """The store is older than its epoch mark, or a copy: run `store resync` before the next start."""

    code, side, temporary = "store-rolled-back", Side.OURS, False


class SchemaNewer(TsmError):
    """The store was written by a newer release: install that release."""

    code, side, temporary = "schema-newer", Side.OURS, False


PRIMARY_MASK: Final = 0xFF  # an extended result code keeps its primary code in the lowest octet
BECOMES: Final[Mapping[int, type[TsmError]]] = {
    sqlite3.SQLITE_FULL: StoreFull,
    # The file of shared memory could not grow. It is rebuilt at every start, nothing durable is in it.
    sqlite3.SQLITE_IOERR_SHMSIZE: StoreFull,
    sqlite3.SQLITE_BUSY: StoreBusy,
    sqlite3.SQLITE_LOCKED: StoreBusy,
    sqlite3.SQLITE_CONSTRAINT: StoreConflict,
}


def translate(error: sqlite3.Error) -> TsmError:
    """Our error for one of SQLite's; StoreBroken for whatever the table does not name."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # raised by the Python module itself: we misused it
        return StoreBroken(cause=type(error).__name__)
    kind = BECOMES.get(code) or BECOMES.get(code & PRIMARY_MASK, StoreBroken)
    return kind(cause=error.sqlite_errorname)
