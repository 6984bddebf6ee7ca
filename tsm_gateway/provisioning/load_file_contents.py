"""What a load file says of itself: the AIDs that its signature vouches for.

A catalogue states them as well, but nobody signs a catalogue. The data block is components one after the
other, each `tag 1 | size 2 | info` (Virtual Machine Specification, Java Card Platform, §6.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.provisioning import cap_components as parts
from tsm_gateway.provisioning.application_errors import ApplicationMismatch, CapMalformed

if TYPE_CHECKING:
    from tsm_gateway.registry.application import Application

_HEAD: Final = 3  # octets of tag and size
_NAMES: Final = {tag: name for name, tag in parts.TAGS.items()}


class LoadFileContents(NamedTuple):
    """The names in a load file."""

    package_aid: bytes  # 5..16 octets
    package_version: tuple[int, int]  # major, minor
    applet_aids: tuple[bytes, ...]  # at least one, in the order of the Applet component


def read_load_file(octets: bytes) -> LoadFileContents:
    """The names in a load file data block. Raises CapMalformed."""
    found = _components(octets)
    missing = [name for name in ("Header", "Applet") if name not in found]
    if missing:
        raise CapMalformed(problem=f"The load file has no {' and no '.join(missing)} component.")
    header = parts.Header.read(parts.component_info("Header", found["Header"]))
    applets = parts.read_applets(parts.component_info("Applet", found["Applet"]))
    if not applets:
        raise CapMalformed(problem="The Applet component names no applet.")
    return LoadFileContents(
        header.package.aid, header.package.version, tuple(applet.aid for applet in applets)
    )


def check_contents(contents: LoadFileContents, application: Application) -> None:
    """Pass a row of the catalogue that states what its load file holds. Raises ApplicationMismatch."""
    stated = LoadFileContents(application.package_aid, application.package_version, application.applet_aids)
    if stated != contents:
        raise ApplicationMismatch(name=application.name, version=str(application.version))


def _components(octets: bytes) -> dict[str, bytes]:
    """The components by name, Header first, each once, to the last octet. Raises CapMalformed."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(octets):
        end = at + _HEAD + int.from_bytes(octets[at + 1 : at + _HEAD], "big")
        name = _NAMES.get(octets[at])
        if name is None or name in found or (not found and name != "Header"):
            raise CapMalformed(problem=f"The load file has a component it must not have at octet {at}.")
        if at + _HEAD > len(octets) or end > len(octets):
            raise CapMalformed(problem=f"The load file ends in the middle of its {name} component.")
        found[name] = octets[at:end]
        at = end
    return found
