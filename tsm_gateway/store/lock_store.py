"""One instance per store: an advisory lock beside the database that dies with its process.

| lock | who holds it |
|---|---|
| `NAME.lock` | the one relay, as long as it runs; whoever changes the file under a stopped relay |
| `NAME.opening.lock` | whoever is about to make, migrate or take the store, until it is open |

The second is waited for. So a relay that starts while another process makes the file is not refused
by a lock that is gone a moment later, and of several that start on an empty folder one makes the file.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from tsm_gateway.store.failures import StoreLocked, translate_os
from tsm_gateway.store.files_store import PRIVATE, SHARED, mode_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPENING_S: Final = 30.0  # for others that open: making a store takes a second, migrating a large one longer
PAUSE_S: Final = 0.02
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


@contextmanager
def sole_opener(database: Path, *, patience_s: float = OPENING_S) -> Iterator[None]:
    """Keep out whoever else makes, migrates or takes the store; waits for them, blocking.

    Not for a process that holds it already. Raises StoreLocked with the pid of who still opens after
    `patience_s`, StoreFull, StoreBroken.
    """
    lock = _waited_for(database.with_name(f"{database.name}.opening"), patience_s)
    try:
        yield
    finally:
        lock.release()


def _waited_for(name: Path, patience_s: float) -> StoreLock:
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            return StoreLock.take(name)
        except StoreLocked:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(PAUSE_S)
