"""Files of keys and certificates: read with suspicion, written whole or not at all (`keys.beside_store`)."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tsm_gateway.keys.beside_store import (
    PRIVATE_MODE,
    READ,
    hold_beside,
    name_beside,
    sync_directory,
    write_beside,
)
from tsm_gateway.provisioning.pki_errors import (
    PkiFileBusy,
    PkiFileExists,
    PkiFileExposed,
    PkiFileMissing,
    PkiFileUnreadable,
    PkiUnfit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_FILE: Final = 64 * 1024  # octets
KEY_MODE: Final = PRIVATE_MODE
CERTIFICATE_MODE: Final = 0o644
FOLDER_MODE: Final = 0o755
_ROOT: Final = 0


def make_folder(folder: Path) -> None:
    """Make a folder that others may look into: keys guard themselves, certificates are public."""
    with _translated(folder):
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(FOLDER_MODE)  # whatever the umask left
            sync_directory(folder.parent)


def read_file(path: Path, *, private: bool = False) -> bytes:
    """A whole file of at most MAX_FILE octets; a private one only if it is its owner's alone.

    Raises PkiFileMissing, PkiFileExposed, PkiFileUnreadable, PkiUnfit.
    """
    with _translated(path):
        descriptor = os.open(path, READ if private else READ & ~os.O_NOFOLLOW)
        try:
            status = os.fstat(descriptor)
            exposed = stat.S_IMODE(status.st_mode) & ~KEY_MODE or status.st_uid not in {_ROOT, os.geteuid()}
            if private and (not stat.S_ISREG(status.st_mode) or exposed):
                raise PkiFileExposed(path=str(path))
            octets = os.read(descriptor, MAX_FILE + 1)
        finally:
            os.close(descriptor)
    if len(octets) > MAX_FILE:  # its beginning alone might pass for the whole
        raise PkiUnfit(what=str(path), problem=f"is longer than any key or certificate: {MAX_FILE} octets")
    return octets


def put_file(path: Path, octets: bytes, mode: int) -> None:
    """Make a file that is not there yet. Raises PkiFileExists."""
    with beside(path) as fresh:
        write_beside(fresh, octets, mode)
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
    """Hold the file beside `path` while it is written and put in place. Raises PkiFileBusy and the others."""
    with _translated(path):
        try:
            with hold_beside(path) as fresh:
                yield fresh
        except FileExistsError:
            raise PkiFileBusy(path=str(name_beside(path))) from None


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
