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

import errno
from typing import TYPE_CHECKING, Final

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreConflict, StoreFull

if TYPE_CHECKING:
    import sqlite3
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
# SQLite's result codes by number: this module does no IO and so does not import the driver.
BUSY, LOCKED, FULL, CONSTRAINT, IOERR_SHMSIZE = 5, 6, 13, 19, 10 | 19 << 8
BECOMES: Final[Mapping[int, type[TsmError]]] = {
    FULL: StoreFull,
    # The file of shared memory could not grow. It is rebuilt at every start, nothing durable is in it.
    IOERR_SHMSIZE: StoreFull,
    BUSY: StoreBusy,
    LOCKED: StoreBusy,
    CONSTRAINT: StoreConflict,
}
# A file that is no database, a damaged one, or one without our tables.
UNREADABLE: Final = frozenset({1, 11, 26})  # SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_NOTADB
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def translate(error: sqlite3.Error) -> TsmError:
    """Our error for one of SQLite's; StoreBroken for whatever the table does not name."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # raised by the driver itself: we misused it
        return StoreBroken(cause=type(error).__name__)
    kind = BECOMES.get(code) or BECOMES.get(code & PRIMARY_MASK, StoreBroken)
    return kind(cause=error.sqlite_errorname)


def is_unreadable(error: sqlite3.Error) -> bool:
    """Whether the first look at a file says that it is no sound store of ours."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & PRIMARY_MASK in UNREADABLE


def translate_os(error: OSError) -> TsmError:
    """Our error for a file beside the database that could not be written."""
    cause = errno.errorcode.get(error.errno or 0, "unknown")
    return StoreFull(cause=cause) if error.errno in NO_SPACE else StoreBroken(cause=cause)


class Health:
    """Whether the store may still be trusted; shared by all connections of a process."""

    __slots__ = ("_cause",)

    def __init__(self) -> None:
        """Sound until the first failure."""
        self._cause: str | None = None

    @property
    def broken(self) -> bool:
        """Whether a failure was seen: from then on nothing is read, written or marked."""
        return self._cause is not None

    def ask(self) -> None:
        """Raise StoreBroken when a failure was seen before."""
        if self._cause is not None:
            raise StoreBroken(cause=self._cause)

    def noted(self, error: TsmError) -> TsmError:
        """`error` itself, remembered for ever when it is a StoreBroken."""
        if isinstance(error, StoreBroken) and self._cause is None:
            self._cause = str(error.facts.get("cause", "unknown"))
        return error
