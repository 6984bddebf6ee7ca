"""Files of keys and sealed keys that a command reads or hands out."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.daemon.settings_secrets import SecretUnreadable, secret_value
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY_OCTETS = 32
HEX_KEY = re.compile(rb"[0-9a-fA-F]{64}")
LONGEST_CERTIFICATE = 65_536  # octets
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE = 0o600


class FileExists(TsmError):
    """There is a file of this name already and it is never overwritten: name another."""

    code, side, temporary = "file-exists", Side.OURS, False


class FileDenied(TsmError):
    """The operating system does not let us write this file: see where it lies and to whom that belongs."""

    code, side, temporary = "file-denied", Side.OURS, False


def read_key_file(path: Path) -> Secret:
    """A key of 32 octets, raw or as 64 hexadecimal digits, from a file only its owner may read.

    Raises InputInvalid.
    """
    try:
        secret = secret_value(f"file:{path.absolute()}")
    except SecretUnreadable as error:
        way_out = f" - {error.suggestion}" if error.suggestion else ""
        raise InputInvalid(what=str(path), problem=f"{error.problem}{way_out}") from None
    octets = _raw(path) if len(secret) < KEY_OCTETS else secret.reveal()
    if len(octets) == KEY_OCTETS:
        return Secret(octets)
    if HEX_KEY.fullmatch(octets):
        return Secret(bytes.fromhex(octets.decode("ascii")))
    raise InputInvalid(what=str(path), problem="does not hold 32 octets or 64 hexadecimal digits")


def _raw(path: Path) -> bytes:
    """The file as it is: a raw key may end like a line of text does."""
    return path.read_bytes()[: KEY_OCTETS + 1]


def read_certificate_file(path: Path) -> bytes:
    """A certificate's octets, PEM or DER. Raises InputInvalid."""
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_CERTIFICATE)
    except OSError as error:
        raise InputInvalid(what=str(path), problem=f"cannot be read: {error.strerror}") from None


@contextmanager
def handed_out(path: Path, octets: bytes) -> Iterator[None]:
    """Write a private file durably; it goes away again when what it belongs to could not be stored.

    The file comes first: a key that was stored but never handed out is of no use to anybody. Raises
    FileExists or FileDenied.
    """
    try:
        descriptor = os.open(path, _CREATE, _PRIVATE)
    except FileExistsError:
        raise FileExists(path=str(path)) from None
    except OSError as error:
        raise FileDenied(path=str(path), errno=error.errno or 0) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(descriptor)
        _sync_directory(path.parent)
        yield
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def _sync_directory(directory: Path) -> None:
    """Make the name of a new file as durable as its octets."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
