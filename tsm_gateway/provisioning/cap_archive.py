"""The archive a CAP file is: a ZIP file with one file for each component, all in one folder named `javacard`.

Nothing is unpacked but components, each into at most 65,538 octets, so what an archive claims to hold costs
nothing. Reference: Virtual Machine Specification, Java Card Platform, §4.1.3 and chapter 6.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Final

from tsm_gateway.provisioning.application_errors import CapMalformed

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST_FILE: Final = 2 * 1024 * 1024  # octets; ten times what a card's largest application comes in
LARGEST_COMPONENT: Final = 3 + 0xFFFF  # tag, size, info
MOST_ENTRIES: Final = 1024  # class and export files may lie beside the components
MOST_UNPACKED: Final = 16 * 1024 * 1024  # octets all entries together claim to unpack to

_COMPONENT: Final = re.compile(r"(?P<package>.*/)?javacard/(?P<name>[^/]+)\.(?P<kind>capx?)")
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED: Final = 0x01  # bit 0 of the general purpose flags
# What the archive reader raises for octets that are no sound archive.
_BROKEN: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, IndexError),
    *(NotImplementedError, OverflowError, RuntimeError, KeyError),
)


def unpack_components(octets: bytes) -> dict[str, bytes]:
    """The components of a CAP file by their names (`Header`, …), as they stand in it.

    Raises CapMalformed.
    """
    if len(octets) > LARGEST_FILE:
        raise CapMalformed(problem=f"The file has more than {LARGEST_FILE} octets: no CAP file has.")
    try:
        with zipfile.ZipFile(BytesIO(octets)) as archive:
            return {name: _unpack(archive, entry) for name, entry in _components(archive.infolist()).items()}
    except CapMalformed:
        raise
    except _BROKEN:
        raise CapMalformed(problem="The file is no sound ZIP archive, which a CAP file is.") from None


def _components(entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The entries that are components, checked before anything is unpacked."""
    if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > MOST_UNPACKED:
        problem = (
            f"The archive holds more than {MOST_ENTRIES} files or {MOST_UNPACKED} octets: no CAP file does."
        )
        raise CapMalformed(problem=problem)
    found: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for entry in entries:
        path = _COMPONENT.fullmatch(entry.filename)
        if path is None:
            continue
        if path["kind"] == "capx":
            problem = "The file is in the extended format: convert the application in the compact one."
            raise CapMalformed(problem=problem)
        if path["name"] in found:
            raise CapMalformed(problem=f"The archive holds {_shown(entry.filename)} twice.")
        folders.add(path["package"])
        found[path["name"]] = entry
        _check_folders(folders)
        _check_entry(entry)
    return found


def _check_folders(folders: Iterable[str | None]) -> None:
    if len({*folders}) > 1:
        names = " and ".join(sorted(_shown((folder or "/").rstrip("/")) for folder in folders))
        raise CapMalformed(problem=f"The archive holds two packages, {names}: a CAP file is of one.")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = _shown(entry.filename)
    if entry.flag_bits & _ENCRYPTED:
        raise CapMalformed(problem=f"{name} is encrypted.")
    if entry.compress_type not in _METHODS:
        raise CapMalformed(problem=f"{name} is packed in a way that CAP files are not.")
    if entry.file_size > LARGEST_COMPONENT:
        raise CapMalformed(problem=f"{name} has more than 65,535 octets: no component has.")


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The whole entry; its checksum is compared by the reader, which ends at the size the archive states."""
    with archive.open(entry) as file:
        octets = file.read(LARGEST_COMPONENT + 1)
    if len(octets) != entry.file_size:
        raise CapMalformed(problem=f"{_shown(entry.filename)} unpacks to another size than the archive says.")
    return octets


def _shown(name: str) -> str:
    """A name out of the archive, fit for a terminal."""
    return "".join(each if each.isprintable() and each.isascii() else "?" for each in name[:64])
