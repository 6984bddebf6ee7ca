"""The store's files: who may touch them, and how one is replaced so that a crash leaves old or new."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from tsm_gateway.relay.interfaces import StoreBusy
from tsm_gateway.store.failures import StoreUnsafe, translate_os

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE: Final = 0o600
PATIENCE_S: Final = 2.0  # for a lock that others hold for one fsync
PAUSE_S: Final = 0.005
OTHERS: Final = 0o077  # permission bits of group and everybody
OTHERS_WRITE: Final = 0o022


def check_directory(directory: Path) -> None:
    """Raise StoreUnsafe unless `directory` exists, is ours or root's, and only its owner may write to it."""
    try:
        found = directory.stat()
    except OSError as error:
        raise StoreUnsafe(path=str(directory), why="the directory cannot be read: create it") from error
    if not stat.S_ISDIR(found.st_mode):
        raise StoreUnsafe(path=str(directory), why="not a directory")
    _check_owner(directory, found.st_uid)
    if found.st_mode & OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
        raise StoreUnsafe(path=str(directory), why="others may write to it: chmod go-w")


def check_file(path: Path) -> None:
    """Raise StoreUnsafe unless the file is a plain one of ours that nobody else may open."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise StoreUnsafe(path=str(path), why="not a plain file")
    _check_owner(path, found.st_uid)
    if found.st_mode & OTHERS:
        raise StoreUnsafe(path=str(path), why="others may open it: chmod 600")


def _check_owner(path: Path, uid: int) -> None:
    if os.geteuid() not in {0, uid} and uid != 0:
        raise StoreUnsafe(path=str(path), why="owned by another user: chown it")


def free_octets(directory: Path) -> int:
    """How much more an unprivileged process may write there. Raises StoreBroken."""
    with _os_errors():
        found = os.statvfs(directory)
        return found.f_bavail * found.f_frsize


def write_atomically(path: Path, octets: bytes) -> None:
    """Replace `path` by a private file holding `octets`, fsynced; the owner stays who it was.

    Raises StoreFull or StoreBroken; the old file is untouched then.
    """
    with _os_errors():
        new = path.with_name(path.name + ".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE)
        try:
            _keep_owner(path, descriptor)
            os.write(descriptor, octets)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.replace(path)
        _sync(path.parent)


@contextmanager
def one_at_a_time(directory: Path) -> Iterator[None]:
    """Keep every other process and thread that asks for the same `directory` out.

    Whoever may read the directory may lock it, so nobody is waited for longer than `PATIENCE_S`. Raises
    StoreBusy, StoreFull or StoreBroken.
    """
    with _os_errors():
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                raise StoreBusy(path=str(directory)) from None
            time.sleep(PAUSE_S)
        except OSError as error:
            raise translate_os(error) from error
        else:
            return


def _keep_owner(path: Path, descriptor: int) -> None:
    """Root at the command line must not take a file away from the daemon's user."""
    with suppress(FileNotFoundError):
        owner = path.stat()
        if os.geteuid() == 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def put_in_place(new: Path, path: Path) -> None:
    """Rename a finished file to its name and make both durable. Raises StoreFull or StoreBroken."""
    with _os_errors():
        descriptor = os.open(new, os.O_RDONLY)
        try:
            if os.geteuid() == 0:
                owner = path.parent.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.replace(path)
        _sync(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names of the files in `directory` durable. Raises StoreFull or StoreBroken."""
    with _os_errors():
        _sync(directory)


def make_private(path: Path) -> None:
    """Create an empty private file, in place of a leftover. Raises StoreFull or StoreBroken."""
    with _os_errors():
        path.unlink(missing_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _os_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise translate_os(error) from error
