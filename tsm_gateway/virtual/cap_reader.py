"""A load file data block as a card's loader reads it: the components of a CAP file, one behind the other.

Java Card Virtual Machine Specification, chapter 6, CAP formats 2.1 to 2.3, of which the last only compact.
Every component is tag (1), size (2), `size` octets.

| component | tag | of it is read |
|---|---|---|
| Header | 1 | magic, format, flags, package version and AID |
| Directory | 2 | the sizes it gives for the others |
| Import, Applet, Class, Method | 4, 3, 6, 7 | Applet: the AIDs |
| StaticField, Export, ConstantPool, RefLocation | 8, 10, 5, 9 | |
| Descriptor | 11 | may be left out |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.card_apdu import Refusal, Status
from tsm_gateway.virtual.card_state import AID_OCTETS

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER, DIRECTORY, APPLET, IMPORT, CONSTANT_POOL, CLASS, METHOD = 1, 2, 3, 4, 5, 6, 7
STATIC_FIELD, REFERENCE_LOCATION, EXPORT, DESCRIPTOR = 8, 9, 10, 11
LOAD_ORDER = (
    *(HEADER, DIRECTORY, IMPORT, APPLET, CLASS, METHOD),
    *(STATIC_FIELD, EXPORT, CONSTANT_POOL, REFERENCE_LOCATION, DESCRIPTOR),
)
_OPTIONAL = frozenset({APPLET, EXPORT, DESCRIPTOR})
_MAGIC = bytes.fromhex("DECAFFED")
_FORMATS = frozenset({(1, 2), (2, 2), (3, 2)})  # minor, major
_HAS_EXPORT, _HAS_APPLETS, _IS_EXTENDED = 0x02, 0x04, 0x08  # flags of the header
_HEADER_HEAD = 10  # magic, format, flags, package version, AID length
_SIZES = 11  # sizes in the directory of any format; format 2.2 adds Debug's


class Package(NamedTuple):
    """What a card learns from a load file data block."""

    aid: bytes
    version: tuple[int, int]  # major, minor
    applets: tuple[bytes, ...]  # AIDs


def read_load_file(octets: bytes) -> Package:
    """The package in a load file data block. Raises Refusal (6A80): the card cannot link it."""
    parts = _components(octets)
    version, aid, flags = _header(parts[HEADER])
    for tag, flag in ((APPLET, _HAS_APPLETS), (EXPORT, _HAS_EXPORT)):
        if (tag in parts) is not bool(flags & flag):
            raise Refusal(Status.WRONG_DATA, f"the header's flags and component {tag} do not agree")
    _require_sizes(parts)
    return Package(aid, version, _applets(parts[APPLET]) if APPLET in parts else ())


def _components(octets: bytes) -> Mapping[int, bytes]:
    parts: dict[int, bytes] = {}
    at = 0
    while at < len(octets):
        size = int.from_bytes(octets[at + 1 : at + 3], "big")
        end = at + 3 + size
        if end > len(octets) or len(octets) - at < 3:  # noqa: PLR2004 - tag and size
            raise Refusal(Status.WRONG_DATA, "a component that is cut off")
        if octets[at] in parts:
            raise Refusal(Status.WRONG_DATA, f"component {octets[at]} comes twice")
        parts[octets[at]] = octets[at + 3 : end]
        at = end
    if [*parts] != [tag for tag in LOAD_ORDER if tag in parts]:
        raise Refusal(Status.WRONG_DATA, "components out of order, or of another tag")
    missing = set(LOAD_ORDER) - _OPTIONAL - set(parts)
    if missing:
        raise Refusal(Status.WRONG_DATA, f"component {min(missing)} is missing")
    return parts


def _header(part: bytes) -> tuple[tuple[int, int], bytes, int]:
    if len(part) < _HEADER_HEAD or part[:4] != _MAGIC:
        raise Refusal(Status.WRONG_DATA, "no CAP file")
    if (part[4], part[5]) not in _FORMATS:
        raise Refusal(Status.WRONG_DATA, f"CAP format {part[5]}.{part[4]}")
    flags, minor, major, length = part[6:_HEADER_HEAD]
    if flags & _IS_EXTENDED:
        raise Refusal(Status.WRONG_DATA, "an extended CAP file")
    aid = part[_HEADER_HEAD : _HEADER_HEAD + length]
    if len(aid) != length or length not in AID_OCTETS:
        raise Refusal(Status.WRONG_DATA, "an AID of another length in the header")
    return (major, minor), aid, flags


def _require_sizes(parts: Mapping[int, bytes]) -> None:
    """The directory's sizes are those of the components that came; of the absent ones it may say anything."""
    sizes = parts[DIRECTORY]
    if len(sizes) < 2 * _SIZES:
        raise Refusal(Status.WRONG_DATA, "a directory that is cut off")
    for tag, part in parts.items():
        if int.from_bytes(sizes[2 * tag - 2 : 2 * tag], "big") != len(part):
            raise Refusal(Status.WRONG_DATA, f"the directory gives another size for component {tag}")


def _applets(part: bytes) -> tuple[bytes, ...]:
    applets = []
    at = 1
    for _ in range(part[0] if part else 0):
        length = part[at] if at < len(part) else 0
        aid = part[at + 1 : at + 1 + length]
        at += 1 + length + 2  # and the offset of its install method
        if length not in AID_OCTETS or at > len(part):
            raise Refusal(Status.WRONG_DATA, "an applet that is cut off")
        applets.append(aid)
    if at != len(part) or not applets:
        raise Refusal(Status.WRONG_DATA, "an applet component of another length")
    return tuple(applets)
