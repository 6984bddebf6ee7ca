"""One instance per store: an advisory lock beside the database that dies with its process."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

from tsm_gateway.store.failures import StoreLocked, translate_os
from tsm_gateway.store.files_store import PRIVATE, SHARED, mode_in

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_PID = 20  # decimal digits


class StoreLock:
    """A held lock; the file stays behind, its content is the holder's process id."""

    def __init__(self, descriptor: int) -> None:
        """Hold `descriptor`, on which the lock was taken."""
        self._descriptor = descriptor

    @classmethod
    def take(cls, database: Path) -> Self:
        """Lock the store at `database`. Raises StoreLocked with the holder's pid, StoreFull, StoreBroken."""
        path = database.with_name(database.name + ".lock")
        try:
            shared = mode_in(path.parent) == SHARED
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE)
            if shared and os.fstat(descriptor).st_uid == os.geteuid():
                os.fchmod(descriptor, SHARED)
        except OSError as error:
            raise translate_os(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        except BlockingIOError as error:
            holder = os.pread(descriptor, LONGEST_PID, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StoreLocked(path=str(database), pid=holder or "unknown") from error
        except OSError as error:
            os.close(descriptor)
            raise translate_os(error) from error
        return cls(descriptor)

    def release(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)
