"""A CAP file of one application: what is in it, and the load file data block it becomes.

The data block is the components one after the other in the order a card takes them (Virtual Machine
Specification, Java Card Platform, §6.2). Debug and components of a maker's own stay out of it. Hosts disagree
about the Descriptor, which a card may do without, so it is left to who publishes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.provisioning import cap_components as parts
from tsm_gateway.provisioning.application_errors import CapMalformed
from tsm_gateway.provisioning.cap_archive import unpack_components
from tsm_gateway.provisioning.cap_platform import java_card_release

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.provisioning.cap_components import Applet, Header, PackageInfo

LOAD_ORDER: Final = (
    *("Header", "Directory", "Import", "Applet", "Class", "Method", "StaticField", "Export"),
    *("ConstantPool", "RefLocation", "Descriptor"),
)
MANDATORY: Final = (
    *("Header", "Directory", "Import", "ConstantPool", "Class", "Method", "StaticField", "RefLocation"),
)
LARGEST: Final = 0xFFFF  # octets of a load file data block
_STRIPPED: Final = ("Descriptor", "Debug")  # tools take them out and leave the Directory as it was
_RID: Final = 5  # octets of an AID that name who registered it


class CapFile(NamedTuple):
    """What was read of a CAP file."""

    package_aid: bytes  # 5..16 octets
    package_version: tuple[int, int]  # major, minor
    package_name: str  # "" where the file does not say
    applet_aids: tuple[bytes, ...]  # at least one
    imports: tuple[PackageInfo, ...]  # what has to be on the card
    cap_format: str  # "2.1"
    java_card: str  # the oldest release that runs it: "3.0.5"
    components: tuple[tuple[str, int], ...]  # name and octets, in loading order
    left_out: tuple[str, ...]  # components of the file that are not loaded
    load_file: bytes  # the load file data block, at most 65,535 octets
    digest: bytes  # SHA-256 over load_file: what is signed
    file_digest: bytes  # SHA-256 over the CAP file itself


def read_cap(octets: bytes, *, include_descriptor: bool = True) -> CapFile:
    """Read and check a CAP file (at most 2 MiB) in the compact format 2.1 to 2.3, of one application.

    Raises CapMalformed, which says in words what is wrong.
    """
    found = unpack_components(octets)
    _check_present(found)
    header = parts.Header.read(parts.component_info("Header", found["Header"]))
    _check_kind(header, found)
    imports = parts.read_imports(parts.component_info("Import", found["Import"]))
    applets = parts.read_applets(parts.component_info("Applet", found["Applet"]))
    _check_applets(header.package.aid, applets, found["Method"])
    _check_code(found)
    _check_directory(header, found, imports=len(imports), applets=len(applets))
    loaded = [name for name in LOAD_ORDER if name in found and (name != "Descriptor" or include_descriptor)]
    load_file = b"".join(found[name] for name in loaded)
    if len(load_file) > LARGEST:
        problem = f"The load file has {len(load_file)} octets: a card takes {LARGEST} at most."
        raise CapMalformed(problem=problem)
    return CapFile(
        package_aid=header.package.aid,
        package_version=header.package.version,
        package_name=header.name,
        applet_aids=tuple(applet.aid for applet in applets),
        imports=imports,
        cap_format=f"{header.cap_format[0]}.{header.cap_format[1]}",
        java_card=java_card_release(header.cap_format, imports),
        components=tuple((name, len(found[name])) for name in loaded),
        left_out=tuple(sorted(found.keys() - {*loaded})),
        load_file=load_file,
        digest=hashlib.sha256(load_file).digest(),
        file_digest=hashlib.sha256(octets).digest(),
    )


def _check_present(found: Mapping[str, bytes]) -> None:
    if not found:
        raise CapMalformed(
            problem="The archive holds no folder `javacard` with .cap files: it is no CAP file."
        )
    if "StaticResources" in found:
        problem = "The application brings static resources, which are not delivered."
        raise CapMalformed(problem=problem)
    missing = [name for name in MANDATORY if name not in found]
    if missing:
        raise CapMalformed(problem=f"A component is missing: {', '.join(missing)}.")
    for name in found.keys() & parts.TAGS.keys():
        parts.component_info(name, found[name])


def _check_kind(header: Header, found: Mapping[str, bytes]) -> None:
    """The Header's flags and what is there agree, and it is an application."""
    if not header.flags & parts.ACC_APPLET and "Applet" not in found:
        raise CapMalformed(problem="The package is a library: it has no applet that could be installed.")
    for name, flag in (("Applet", parts.ACC_APPLET), ("Export", parts.ACC_EXPORT)):
        if bool(header.flags & flag) != (name in found):
            stated = "is missing" if header.flags & flag else "is there"
            raise CapMalformed(problem=f"The {name} component {stated}, and the Header says otherwise.")


def _check_applets(package: bytes, applets: tuple[Applet, ...], method: bytes) -> None:
    if not applets:
        raise CapMalformed(problem="The Applet component names no applet.")
    aids = [applet.aid for applet in applets]
    begins = parts.read_methods(parts.component_info("Method", method))
    for applet in applets:
        name = f"The applet {applet.aid.hex().upper()}"
        if applet.aid[:_RID] != package[:_RID]:
            owner = package[:_RID].hex().upper()
            raise CapMalformed(problem=f"{name} is of another owner (RID) than its package, {owner}.")
        if aids.count(applet.aid) > 1 or applet.aid == package:
            raise CapMalformed(problem=f"{name} has the AID of another applet or of the package.")
        if applet.install_at not in begins:
            raise CapMalformed(problem=f"{name} has its install method outside of the Method component.")


def _check_code(found: Mapping[str, bytes]) -> None:
    parts.check_constant_pool(parts.component_info("ConstantPool", found["ConstantPool"]))
    parts.check_references(parts.component_info("RefLocation", found["RefLocation"]))
    for name in ("Class", "Export", "Descriptor"):
        if name in found:
            parts.component_info(name, found[name]).u1()  # it is not empty


def _check_directory(header: Header, found: Mapping[str, bytes], *, imports: int, applets: int) -> None:
    """The Directory says of every component what it is."""
    info = parts.component_info("Directory", found["Directory"])
    directory = parts.Directory.read(info, header.cap_format)
    for name, size in directory.sizes.items():
        there = len(found[name]) - 3 if name in found else 0
        if size != there and not (name in _STRIPPED and name not in found):
            info.refuse(f"states {size} octets for {name}, which has {there}")
    if directory.static_resources:
        info.refuse("states static resources, which are not there")
    if (directory.imports, directory.applets) != (imports, applets):
        info.refuse("states other numbers of imports and applets than there are")
    if directory.statics != parts.read_statics(parts.component_info("StaticField", found["StaticField"])):
        info.refuse("states other sizes of static fields than there are")
