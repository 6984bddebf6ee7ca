"""Keep versions of the master key from being removed while somebody wraps keys under them.

Whoever reads the file, wraps a key and stores it holds the file meanwhile, shared; whoever replaces the
file by another (which adds or removes versions) holds it alone. So all holders hold the file that is in
place. The lock is advisory and ends with its process. Daemons do not take it: they say what they know.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tsm_gateway.keys.errors import (
    MasterFileBusy,
    MasterFileForeign,
    MasterFileMissing,
    MasterFileUnreadable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not hang us
_TRIES: Final = 100  # each one after the file was replaced between opening and locking it


@contextmanager
def versions_kept(path: Path) -> Iterator[None]:
    """Nobody replaces the master key file at `path` inside the block.

    Waits for a change under way, which takes milliseconds. Raises MasterFileMissing, MasterFileForeign,
    MasterFileUnreadable.
    """
    with _held(path, fcntl.LOCK_SH):
        yield


@contextmanager
def versions_alone(path: Path) -> Iterator[None]:
    """Nobody wraps keys under versions they read from the file at `path` while it is replaced in the block.

    Raises MasterFileBusy at once when somebody does; besides, as `versions_kept`.
    """
    with _held(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
        yield


@contextmanager
def _held(path: Path, how: int) -> Iterator[None]:
    try:
        descriptor = _locked(path, how)
    except FileNotFoundError:
        raise MasterFileMissing(path=str(path)) from None
    except PermissionError:
        raise MasterFileForeign(path=str(path)) from None
    except BlockingIOError:
        raise MasterFileBusy(path=str(path)) from None
    except OSError as error:
        raise MasterFileUnreadable(path=str(path), errno=error.errno or 0) from None
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(path: Path, how: int) -> int:
    """A descriptor of the file in place, locked."""
    for _ in range(_TRIES):
        descriptor = os.open(path, _READ)
        try:
            fcntl.flock(descriptor, how)
            if os.path.samestat(os.fstat(descriptor), path.lstat()):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # replaced since it was opened: what counts is the new one
    raise BlockingIOError
