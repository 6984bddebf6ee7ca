"""The store's files: who may touch them, and how one is replaced so that a crash leaves old or new.

| directory | files in it | who opens them |
|---|---|---|
| writable by its owner alone | 0600 | that user, or root |
| set-group-ID and writable by its group | 0660, of that group | relay and provisioning, each its own user |
| writable by everybody | none: refused | |
"""

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
SHARED: Final = 0o660
PATIENCE_S: Final = 2.0  # for a lock that others hold for one fsync
PAUSE_S: Final = 0.005
GROUP: Final = 0o070  # permission bits of the group …
EVERYBODY: Final = 0o007  # … and of everybody
GROUP_WRITE: Final = 0o020
EVERYBODY_WRITE: Final = 0o002


def check_directory(directory: Path) -> None:
    """Raise StoreUnsafe unless `directory` exists and only its owner, or a group of ours, may write to it.

    Its owner is us or root; or it is shared on purpose, which its set-group-ID bit says.
    """
    try:
        found = directory.stat()
    except OSError as error:
        raise StoreUnsafe(path=str(directory), why="the directory cannot be read: create it") from error
    if not stat.S_ISDIR(found.st_mode):
        raise StoreUnsafe(path=str(directory), why="not a directory")
    if _is_shared(found):
        if not _is_member(found.st_gid):
            why = "it is shared with a group this user is not in: add the user to it"
            raise StoreUnsafe(path=str(directory), why=why)
    else:
        _check_owner(directory, found.st_uid)
        if found.st_mode & GROUP_WRITE and not found.st_mode & stat.S_ISVTX:
            raise StoreUnsafe(path=str(directory), why="others may write to it: chmod go-w")
    if found.st_mode & EVERYBODY_WRITE and not found.st_mode & stat.S_ISVTX:
        # not go-w: a shared directory would not be shared any more
        raise StoreUnsafe(path=str(directory), why="everybody may write to it: chmod o-w")


def check_file(path: Path) -> None:
    """Raise StoreUnsafe unless the file is a plain one of ours that nobody else may open.

    In a shared directory its group may, if it is the directory's.
    """
    found, directory = path.lstat(), path.parent.stat()
    if not stat.S_ISREG(found.st_mode):
        raise StoreUnsafe(path=str(path), why="not a plain file")
    if _is_shared(directory) and found.st_gid == directory.st_gid:
        if found.st_mode & EVERYBODY:
            raise StoreUnsafe(path=str(path), why="others may open it: chmod 660")
        return
    _check_owner(path, found.st_uid)
    if found.st_mode & (GROUP | EVERYBODY):
        raise StoreUnsafe(path=str(path), why="others may open it: chmod 600")


def mode_in(directory: Path) -> int:
    """The permission bits of a file of the store in `directory`. Raises OSError."""
    return SHARED if _is_shared(directory.stat()) else PRIVATE


def _is_shared(directory: os.stat_result) -> bool:
    return bool(directory.st_mode & stat.S_ISGID and directory.st_mode & GROUP_WRITE)


def _is_member(group: int) -> bool:
    return os.geteuid() == 0 or group == os.getegid() or group in os.getgroups()


def _check_owner(path: Path, uid: int) -> None:
    if os.geteuid() not in {0, uid} and uid != 0:
        raise StoreUnsafe(path=str(path), why="owned by another user: chown it")


def free_octets(directory: Path) -> int:
    """How much more an unprivileged process may write there. Raises StoreBroken."""
    with _os_errors():
        found = os.statvfs(directory)
        return found.f_bavail * found.f_frsize


def write_atomically(path: Path, octets: bytes) -> None:
    """Replace `path` by a file of the store holding `octets`, fsynced; the owner stays who it was.

    Raises StoreFull or StoreBroken; the old file is untouched then.
    """
    with _os_errors():
        new = path.with_name(path.name + ".new")
        mode = mode_in(path.parent)
        new.unlink(missing_ok=True)  # of a crash, perhaps of another user
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
        try:
            _keep_owner(path, descriptor)
            os.fchmod(descriptor, mode)
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
    """Create an empty file of the store, in place of a leftover. Raises StoreFull or StoreBroken."""
    with _os_errors():
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        try:
            os.fchmod(descriptor, mode_in(path.parent))
        finally:
            os.close(descriptor)


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
