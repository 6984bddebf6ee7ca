"""Files of keys and certificates: read with suspicion, written whole or not at all.

A file is written beside (`NAME.new`, created exclusively), synced, and put in place in one step, then
the directory is synced: a crash leaves the old file or the new one.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from tsm_gateway.provisioning.pki_errors import (
    PkiFileBusy,
    PkiFileExists,
    PkiFileExposed,
    PkiFileMissing,
    PkiFileUnreadable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_FILE: Final = 64 * 1024  # octets
KEY_MODE: Final = 0o600
CERTIFICATE_MODE: Final = 0o644
FOLDER_MODE: Final = 0o755
_ROOT: Final = 0
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not hang us
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def make_folder(folder: Path) -> None:
    """Make a folder that others may look into: keys guard themselves, certificates are public."""
    with _translated(folder):
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(FOLDER_MODE)  # whatever the umask left
            _sync_directory(folder.parent)


def read_file(path: Path, *, private: bool = False) -> bytes:
    """A whole file of at most MAX_FILE octets; a private one only if it is its owner's alone.

    Raises PkiFileMissing, PkiFileExposed, PkiFileUnreadable.
    """
    with _translated(path):
        descriptor = os.open(path, _READ if private else _READ & ~os.O_NOFOLLOW)
        try:
            status = os.fstat(descriptor)
            exposed = stat.S_IMODE(status.st_mode) & ~KEY_MODE or status.st_uid not in {_ROOT, os.geteuid()}
            if private and (not stat.S_ISREG(status.st_mode) or exposed):
                raise PkiFileExposed(path=str(path))
            return os.read(descriptor, MAX_FILE)
        finally:
            os.close(descriptor)


def put_file(path: Path, octets: bytes, mode: int) -> None:
    """Make a file that is not there yet. Raises PkiFileExists."""
    with beside(path) as fresh:
        write_file(fresh, octets, mode)
        try:
            os.link(fresh, path)  # unlike a rename it never replaces
        except FileExistsError:
            raise PkiFileExists(path=str(path)) from None


def keep_old(path: Path) -> None:
    """Give what is there the further name `.old`, in place of an older one."""
    old, spare = path.with_name(f"{path.name}.old"), path.with_name(f"{path.name}.old.new")
    if not path.exists():
        return
    spare.unlink(missing_ok=True)
    os.link(path, spare)
    spare.replace(old)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Hold `path`.new, created exclusively, while it is written and put in place; then sync the directory."""
    fresh = path.with_name(f"{path.name}.new")
    with _translated(path):
        try:
            descriptor = os.open(fresh, _CREATE, KEY_MODE)
        except FileExistsError:
            raise PkiFileBusy(path=str(fresh)) from None
        try:
            yield fresh
        finally:
            with suppress(FileNotFoundError):
                if os.path.samestat(fresh.lstat(), os.fstat(descriptor)):
                    fresh.unlink()
            os.close(descriptor)
        _sync_directory(path.parent)


def write_file(fresh: Path, octets: bytes, mode: int) -> None:
    """Write `octets` durably into the file that `beside` made."""
    descriptor = os.open(fresh, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask left
        file.write(octets)
        file.flush()
        os.fsync(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what the operating system says into errors of ours."""
    try:
        yield
    except FileNotFoundError:
        raise PkiFileMissing(path=str(path)) from None
    except OSError as error:
        if path.is_symlink():
            raise PkiFileExposed(path=str(path)) from None
        raise PkiFileUnreadable(path=str(path), errno=error.errno or 0) from None
