"""CAP files of a payment application of any size, for the demo, the virtual parties and the tests.

A CAP file is a ZIP archive with a file for each component in `<package>/javacard/`. Two calls with the same
arguments give the same octets.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Final

from tsm_gateway.virtual.cap_components import LOAD_ORDER, RELEASES, Package, filler_code

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE_AID: Final = bytes.fromhex("F054534D31504159")  # F0 "TSM1PAY": proprietary, not registered
APPLET_AID: Final = PACKAGE_AID + b"\x01"
FOLDER: Final = "tsm/payment/javacard/"
LARGEST: Final = 65_535  # octets of a load file data block

_METHOD: Final = 0x3FFC  # octets of bytecode in one method: a branch would reach from end to end
_METHOD_COST: Final = 3  # header and return
_DESCRIBED: Final = 12  # octets of a method in the Descriptor
_MANIFEST: Final = (
    "Manifest-Version: 1.0\r\nCreated-By: tsm-gateway virtual\r\n\r\nName: tsm/payment\r\n"
    "Java-Card-Package-Name: tsm.payment\r\n\r\n"
)
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first moment a ZIP archive can name


def payment_cap(
    size: int = 3000,
    version: tuple[int, int] = (1, 0),
    *,
    java_card: str = "3.0.5",
    package_aid: bytes = PACKAGE_AID,
    applet_aids: tuple[bytes, ...] = (APPLET_AID,),
    descriptor: bool = True,
) -> bytes:
    """A CAP file whose load file data block, Descriptor included where there is one, has `size` octets.

    `version` is the package's (major, minor); another one is another load file. `java_card` is "2.2.2" (CAP
    format 2.1) or "3.0.5" (2.2, with a package name). AIDs have 5 to 16 octets. Raises ValueError when `size`
    is less than the smallest application takes (about 250 octets) or more than 65,535.
    """
    plain = Package(package_aid, version, applet_aids, RELEASES[java_card], (b"",))
    seed = package_aid + bytes(version) + size.to_bytes(4, "big")
    least = len(load_file_of(plain.components(), descriptor=descriptor))
    if not least <= size <= LARGEST:
        message = f"an application of this kind has {least} to {LARGEST} octets"
        raise ValueError(message)
    filler = _filler(size - least, seed, _METHOD_COST + (_DESCRIBED if descriptor else 0))
    components = plain._replace(filler=filler).components()
    if not descriptor:
        components = _without_descriptor(components)
    return cap_of(components)


def payment_load_file(cap: bytes, *, descriptor: bool = True) -> bytes:
    """The load file data block of a file that `payment_cap` wrote: its components in loading order."""
    with zipfile.ZipFile(io.BytesIO(cap)) as archive:
        names = {name.rpartition("/")[2].removesuffix(".cap"): name for name in archive.namelist()}
        components = {name: archive.read(names[name]) for name in LOAD_ORDER if name in names}
    return load_file_of(components, descriptor=descriptor)


def cap_of(components: Mapping[str, bytes], folder: str = FOLDER) -> bytes:
    """The archive with a file for each of `components` in `folder`, whatever they hold."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("META-INF/MANIFEST.MF"), _MANIFEST)
        for name, octets in components.items():
            archive.writestr(_entry(f"{folder}{name}.cap"), octets)
    return buffer.getvalue()


def load_file_of(components: Mapping[str, bytes], *, descriptor: bool = True) -> bytes:
    """Components one after the other, in the order a card takes them."""
    names = LOAD_ORDER if descriptor else LOAD_ORDER[:-1]
    return b"".join(components[name] for name in names if name in components)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _without_descriptor(components: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same package as tools leave it that strip the Descriptor: the Directory knows it no more."""
    left = {name: octets for name, octets in components.items() if name != "Descriptor"}
    at = 3 + 2 * 10  # the eleventh size
    left["Directory"] = left["Directory"][:at] + b"\x00\x00" + left["Directory"][at + 2 :]
    return left


def _filler(spare: int, seed: bytes, cost: int) -> tuple[bytes, ...]:
    """Bytecode that takes `spare` octets: some ahead of `process`, the rest in methods that `cost` more."""
    methods = -(-max(spare - _METHOD, 0) // (_METHOD + cost))
    code = filler_code(spare - methods * cost, seed)
    cuts = [max(len(code) - _METHOD * (methods - each), 0) for each in range(methods + 1)]
    return tuple(code[a:b] for a, b in zip([0, *cuts[:-1]], cuts, strict=True))
