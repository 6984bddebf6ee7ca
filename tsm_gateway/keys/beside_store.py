"""A private file is changed beside its place: after a crash the old one is there, or the new one.

`NAME.new` is created exclusively, which keeps two changes apart; it is written, synced, and put in place by
the caller in one step (`link` never replaces, `rename` does); then the directory is synced.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE_MODE: Final = 0o600
READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not hang us
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def name_beside(path: Path) -> Path:
    """Where a change of `path` is written."""
    return path.with_name(f"{path.name}.new")


@contextmanager
def hold_beside(path: Path) -> Iterator[Path]:
    """Hold `name_beside(path)`, mode 0600, while it is written and put in place; then sync the directory.

    On any error it is removed. Raises FileExistsError when a change is under way or broke off, OSError.
    """
    fresh = name_beside(path)
    descriptor = os.open(fresh, _CREATE, PRIVATE_MODE)
    try:
        yield fresh
    finally:
        _remove_if_ours(fresh, os.fstat(descriptor))
        os.close(descriptor)  # not earlier: nobody else's file may get its inode
    sync_directory(path.parent)


def write_beside(fresh: Path, octets: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Write `octets` durably into the file that is held, with `mode` and, if given, (user, group)."""
    descriptor = os.open(fresh, _WRITE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, PRIVATE_MODE)  # whatever the umask left
        if owner is not None:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        file.write(octets)
        file.flush()
        os.fsync(descriptor)


def sync_directory(directory: Path) -> None:
    """Put on the disk which names `directory` has. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_ours(fresh: Path, ours: os.stat_result) -> None:
    """What was put in place has no name to remove; a file by it now is the next change's."""
    with suppress(FileNotFoundError):
        if os.path.samestat(fresh.lstat(), ours):
            fresh.unlink()
