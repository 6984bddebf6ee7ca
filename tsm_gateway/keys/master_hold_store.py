"""Keep versions of the master key from being removed while somebody wraps keys under them.

Whoever reads the file, wraps a key and stores it holds the file's directory meanwhile, shared; whoever
removes versions holds it alone. The lock is advisory, on the directory itself (the file is replaced at
each change), and ends with its process. Daemons do not take it: they say which versions they know.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tsm_gateway.keys.errors import MasterFileBusy, MasterFileUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def versions_kept(path: Path) -> Iterator[None]:
    """Nobody removes a version of the master key file at `path` inside the block.

    Waits for a removal under way, which takes milliseconds. Raises MasterFileUnreadable.
    """
    with _held(path, fcntl.LOCK_SH):
        yield


@contextmanager
def versions_alone(path: Path) -> Iterator[None]:
    """Nobody else wraps keys under versions they read from the file at `path` inside the block.

    Raises MasterFileBusy at once when somebody does, MasterFileUnreadable.
    """
    with _held(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
        yield


@contextmanager
def _held(path: Path, how: int) -> Iterator[None]:
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise MasterFileUnreadable(path=str(path), errno=error.errno or 0) from None
    try:
        _lock(descriptor, how, path)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, how: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        raise MasterFileBusy(path=str(path)) from None
