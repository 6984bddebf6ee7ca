"""The master key's file and the service manager's credential: the only IO of `keys`.

The file is text, one version a line, ascending; the check value tells a garbled key from a wrong one:

```
tsm-master-key 1
1 0vK1…43 characters of unpadded base64url… 5d3c09e1
2 …
```

A file is mode 0600 or 0400, a regular file and no link, owned by the user who runs the gateway or by
root. It is changed beside its place (`beside_store`). A credential is guarded by the service manager, so
only its content is checked.
"""

from __future__ import annotations

import os
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tsm_gateway.keys.beside_store import PRIVATE_MODE, READ, hold_beside, name_beside, write_beside
from tsm_gateway.keys.errors import (
    MasterCredentialMissing,
    MasterFileBusy,
    MasterFileExists,
    MasterFileExposed,
    MasterFileForeign,
    MasterFileGarbled,
    MasterFileIndirect,
    MasterFileMissing,
    MasterFileUnreadable,
    MasterReferenceInvalid,
)
from tsm_gateway.keys.wrap import MASTER_OCTETS, MasterKey, MasterKeys
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

HEADER: Final = "tsm-master-key 1"
MAX_FILE: Final = 64 * 1024  # octets: some 900 versions
_ROOT: Final = 0


def read_master(reference: str) -> MasterKeys:
    """Read the master key named by `file:/absolute/path` or `credential:NAME`.

    Raises MasterReferenceInvalid, MasterCredentialMissing or one of the MasterFile… errors; each says
    what to do.
    """
    kind, _, name = reference.partition(":")
    if kind == "file" and Path(name).is_absolute():
        return _parse(_read_guarded(Path(name))[0], name)
    if kind == "credential" and name not in {"", ".", ".."} and "/" not in name:
        return _parse(_read_credential(name), name)
    raise MasterReferenceInvalid


def init_master(path: Path, random32: bytes) -> MasterKey:
    """Make the file at `path` with `random32` (32 octets of the system's generator) as version 1.

    Raises MasterFileExists, MasterFileBusy or MasterFileUnreadable; on any error nothing is left behind.
    """
    master = MasterKey(1, Secret(random32, length=MASTER_OCTETS))
    with _change_beside(path) as fresh:
        write_beside(fresh, _text(MasterKeys([master])), PRIVATE_MODE)
        try:
            os.link(fresh, path)  # unlike a rename it never replaces
        except FileExistsError:
            raise MasterFileExists(path=str(path)) from None
    return master


def add_master_version(path: Path, random32: bytes) -> MasterKey:
    """Append `random32` (32 octets) as the next version, from now on the current one.

    Owner and mode of the file stay. Raises one of the MasterFile… errors; the file is then as it was.
    """
    with _change_beside(path) as fresh:
        octets, status = _read_guarded(path)
        masters = _parse(octets, str(path))
        added = MasterKey(masters.current.version + 1, Secret(random32, length=MASTER_OCTETS))
        held = [masters.version(number) for number in masters.versions()]
        _write_like(fresh, _text(MasterKeys([*held, added])), status)
        fresh.rename(path)
    return added


def prune_master_versions(path: Path, used: Collection[int]) -> tuple[int, ...]:
    """Drop every version that is neither in `used` nor the current one; returns those dropped, ascending.

    What was wrapped under them and is not in the store, as in an older backup, opens no more. Owner and
    mode of the file stay. Raises one of the MasterFile… errors; the file is then as it was.
    """
    with _change_beside(path) as fresh:
        octets, status = _read_guarded(path)
        masters = _parse(octets, str(path))
        kept = {*used, masters.current.version}
        dropped = tuple(number for number in masters.versions() if number not in kept)
        if dropped:
            held = [masters.version(number) for number in masters.versions() if number in kept]
            _write_like(fresh, _text(MasterKeys(held)), status)
            fresh.rename(path)
    return dropped


def _read_guarded(path: Path) -> tuple[bytes, os.stat_result]:
    """A key file's octets and status, once its kind, owner and mode are found fit."""
    with _translated(path):
        descriptor = os.open(path, READ)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise MasterFileIndirect(path=str(path))
            if status.st_uid not in {_ROOT, os.geteuid()}:
                raise MasterFileForeign(path=str(path))
            if stat.S_IMODE(status.st_mode) & ~PRIVATE_MODE:
                raise MasterFileExposed(path=str(path))
            return os.read(descriptor, MAX_FILE + 1), status
        finally:
            os.close(descriptor)


def _read_credential(name: str) -> bytes:
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(directory, name)
    if not directory or not path.is_file():
        raise MasterCredentialMissing(name=name)
    with _translated(path), path.open("rb") as file:
        return file.read(MAX_FILE + 1)


def _parse(octets: bytes, name: str) -> MasterKeys:
    """Read the text form; `name` is what an error calls it. Raises MasterFileGarbled with the line."""
    lines = octets.split(b"\n")
    if len(octets) > MAX_FILE or lines[0] != HEADER.encode():
        raise MasterFileGarbled(path=name, line=1)
    if lines.pop() or len(lines) == 1:  # the last line was cut, or there is none behind the header
        raise MasterFileGarbled(path=name, line=len(lines) + 1)
    held: list[MasterKey] = []
    for number, line in enumerate(lines[1:], start=2):
        master = _parse_line(line)
        if master is None or (held and master.version <= held[-1].version):
            raise MasterFileGarbled(path=name, line=number)
        held.append(master)
    return MasterKeys(held)


def _parse_line(line: bytes) -> MasterKey | None:
    """One `VERSION KEY CHECK` line, only in the spelling we write it; None when it is not."""
    fields = line.split(b" ")
    try:
        version = int(fields[0])
        octets = urlsafe_b64decode(fields[1] + b"=")
        master = MasterKey(version, Secret(octets, length=MASTER_OCTETS))
    except (ValueError, IndexError, Base64Error):
        return None
    return master if version > 0 and Secret(line) == Secret(_line(master).encode()) else None


def _line(master: MasterKey) -> str:
    key = urlsafe_b64encode(master.key.reveal()).decode().rstrip("=")
    return f"{master.version} {key} {master.check_value()}"


def _text(masters: MasterKeys) -> bytes:
    lines = [HEADER, *(_line(masters.version(number)) for number in masters.versions())]
    return "".join(f"{line}\n" for line in lines).encode()


@contextmanager
def _change_beside(path: Path) -> Iterator[Path]:
    """Hold the file beside `path` while it is changed. Raises MasterFileBusy, MasterFileUnreadable."""
    try:
        with hold_beside(path) as fresh:
            yield fresh
    except FileExistsError:
        raise MasterFileBusy(path=str(name_beside(path))) from None
    except OSError as error:
        raise MasterFileUnreadable(path=str(path), errno=error.errno or 0) from None


def _write_like(fresh: Path, octets: bytes, like: os.stat_result) -> None:
    """Write `octets` durably, with owner and mode of `like`."""
    write_beside(fresh, octets, stat.S_IMODE(like.st_mode), (like.st_uid, like.st_gid))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what the operating system says on reading `path` into errors of ours."""
    try:
        yield
    except FileNotFoundError:
        raise MasterFileMissing(path=str(path)) from None
    except PermissionError:
        raise MasterFileForeign(path=str(path)) from None
    except OSError as error:
        if path.is_symlink():
            raise MasterFileIndirect(path=str(path)) from None
        raise MasterFileUnreadable(path=str(path), errno=error.errno or 0) from None
