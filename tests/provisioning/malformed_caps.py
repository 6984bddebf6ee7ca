"""CAP files with one thing wrong each: what is done to a sound one, and what the refusal has to say."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.cap_components import RELEASES, Package, component
from tsm_gateway.virtual.cap_writer import APPLET_AID, FOLDER, PACKAGE_AID, cap_of

if TYPE_CHECKING:
    from collections.abc import Callable

Components = dict[str, bytes]
PLAIN = Package(PACKAGE_AID, (1, 0), (APPLET_AID,), RELEASES["3.0.5"], (b"",))


class Malformed(NamedTuple):
    """A file and the words of its refusal."""

    octets: bytes
    says: str


def sound(**changed: object) -> Components:
    return PLAIN._replace(**changed).components()  # type: ignore[arg-type]


def with_info(name: str, change: Callable[[bytes], bytes], base: Components | None = None) -> bytes:
    """The file with the info of one component changed, its size and the Directory's following suit."""
    components = dict(base or sound())
    info = change(components[name][3:])
    components[name] = component(components[name][0], info)
    at = 3 + 2 * (components[name][0] - 1)
    listed = components["Directory"]
    components["Directory"] = listed[:at] + len(info).to_bytes(2, "big") + listed[at + 2 :]
    return cap_of(components)


def without(name: str) -> bytes:
    return cap_of({each: octets for each, octets in sound().items() if each != name})


def raw(name: str, change: Callable[[bytes], bytes]) -> bytes:
    """The file with the octets of one component changed, and nothing else."""
    components = sound()
    return cap_of({**components, name: change(components[name])})


def put(at: int, octets: bytes) -> Callable[[bytes], bytes]:
    return lambda info: info[:at] + octets + info[at + len(octets) :]


def archive(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, octets in entries:
            file.writestr(zipfile.ZipInfo(name), octets, method)
    return buffer.getvalue()


def entries_of(components: Components, folder: str = FOLDER) -> list[tuple[str, bytes]]:
    return [(f"{folder}{name}.cap", octets) for name, octets in components.items()]


def flagged(bit: int) -> bytes:
    """The sound archive with a general purpose flag set in every header, local and central."""
    octets = bytearray(cap_of(sound()))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = octets.find(mark)
        while at >= 0:
            octets[at + offset] |= bit
            at = octets.find(mark, at + 1)
    return bytes(octets)


def misstated(by: int) -> bytes:
    """The last component unpacks to `by` octets less than the central directory says."""
    octets = bytearray(cap_of(sound()))
    at = octets.rfind(b"PK\x01\x02") + 24
    stated = int.from_bytes(octets[at : at + 4], "little") + by
    octets[at : at + 4] = stated.to_bytes(4, "little")
    return bytes(octets)


OTHER_RID = b"\xf0OTHR" + APPLET_AID[5:]
LONG_AID = PACKAGE_AID + bytes(9)  # 17 octets
TWICE = (APPLET_AID, APPLET_AID)
STATIC_ARRAY = b"\x00\x02\x00\x01\x00\x01\x03\x00\x04ABCD\x00\x00\x00\x00"
EXPORTED = put(6, b"\x06")

MALFORMED = {
    "empty": Malformed(b"", "no sound ZIP archive"),
    "no-zip": Malformed(b"\xde\xca\xff\xed" * 100, "no sound ZIP archive"),
    "cut-zip": Malformed(cap_of(sound())[:-30], "no sound ZIP archive"),
    "too-long": Malformed(cap_of(sound()) + bytes(2 * 1024 * 1024), "more than 2097152 octets"),
    "encrypted": Malformed(flagged(0x01), "is encrypted"),
    "bzip2": Malformed(archive(entries_of(sound()), zipfile.ZIP_BZIP2), "packed in a way"),
    "bomb": Malformed(archive([("classes/Big.class", bytes(17 * 1024 * 1024))]), "16777216 octets"),
    "many-entries": Malformed(archive([(f"c/{each}", b"") for each in range(1025)]), "more than 1024 files"),
    "component-too-large": Malformed(
        archive([*entries_of(sound()), (f"{FOLDER}Export.cap", bytes(65_539))]), "more than 65,535 octets"
    ),
    "component-understated": Malformed(misstated(-5), "no sound ZIP archive"),
    "component-overstated": Malformed(misstated(5), "another size than the archive says"),
    "no-components": Malformed(archive([("META-INF/MANIFEST.MF", b"")]), "no folder `javacard`"),
    "extended": Malformed(archive([(f"{FOLDER}Header.capx", b"")]), "extended format"),
    "two-packages": Malformed(
        archive([*entries_of(sound()), ("tsm/other/javacard/Debug.cap", b"")]), "two packages"
    ),
    "component-twice": Malformed(
        archive([*entries_of(sound()), (f"{FOLDER}Mirror.cap", b"")]).replace(b"Mirror.cap", b"Method.cap"),
        "Method.cap twice",
    ),
    "static-resources": Malformed(
        archive([*entries_of(sound()), (f"{FOLDER}StaticResources.cap", b"")]), "static resources"
    ),
    **{
        f"no-{name}": Malformed(without(name), f"A component is missing: {name}.")
        for name in (
            *("Header", "Directory", "Import", "ConstantPool", "Class", "Method", "StaticField"),
            "RefLocation",
        )
    },
    "library": Malformed(
        with_info("Header", put(6, b"\x00"), {k: v for k, v in sound().items() if k != "Applet"}), "library"
    ),
    "applet-component-missing": Malformed(without("Applet"), "Applet component is missing"),
    "applet-component-unsaid": Malformed(with_info("Header", put(6, b"\x00")), "Applet component is there"),
    "export-missing": Malformed(with_info("Header", EXPORTED), "Export component is missing"),
    "wrong-tag": Malformed(raw("Class", put(0, b"\x07")), "Class component does not begin with its tag, 6"),
    "wrong-size": Malformed(raw("Import", put(1, b"\xff\xff")), "Import component says it has 65535 octets"),
    "component-cut": Malformed(raw("Method", lambda octets: octets[:-1]), "Method component says it has"),
    "component-stub": Malformed(raw("Header", lambda octets: octets[:2]), "does not begin with its tag"),
    "component-longer": Malformed(raw("Class", lambda octets: octets + b"\x00"), "Class component says"),
    "bad-magic": Malformed(with_info("Header", put(3, b"\xee")), "DECAFFED"),
    "format-1.0": Malformed(with_info("Header", put(4, b"\x00\x01")), "CAP format 1.0"),
    "format-2.4": Malformed(with_info("Header", put(4, b"\x04\x02")), "CAP format 2.4"),
    "extended-flag": Malformed(with_info("Header", put(6, b"\x0c")), "extended format"),
    "header-cut": Malformed(with_info("Header", lambda info: info[:-4]), "ends in the middle"),
    "header-name": Malformed(with_info("Header", lambda info: info[:-1] + b"\x05tsm"), "another length"),
    "header-trailing": Malformed(
        with_info("Header", lambda info: info + b"\x00", sound(release=RELEASES["2.2.2"])), "behind its last"
    ),
    "package-aid-short": Malformed(cap_of(sound(aid=b"\xf0TSM")), "an AID of 4 octets"),
    "package-aid-long": Malformed(cap_of(sound(aid=LONG_AID)), "an AID of 17 octets"),
    "applet-aid-short": Malformed(cap_of(sound(applets=(b"\xf0TSM",))), "an AID of 4 octets"),
    "applet-aid-long": Malformed(cap_of(sound(applets=(LONG_AID,))), "an AID of 17 octets"),
    "applet-other-owner": Malformed(cap_of(sound(applets=(OTHER_RID,))), "another owner (RID)"),
    "applet-twice": Malformed(cap_of(sound(applets=TWICE)), "AID of another applet"),
    "applet-as-package": Malformed(cap_of(sound(applets=(PACKAGE_AID,))), "or of the package"),
    "applet-none": Malformed(with_info("Applet", lambda _: b"\x00"), "names no applet"),
    "applet-cut": Malformed(with_info("Applet", put(0, b"\x02")), "ends in the middle"),
    "applet-trailing": Malformed(with_info("Applet", lambda info: info + b"\x00"), "1 octets behind"),
    "install-outside": Malformed(
        with_info("Applet", lambda info: info[:-2] + b"\xff\xff"), "install method outside"
    ),
    "install-at-handlers": Malformed(
        with_info("Applet", lambda info: info[:-2] + b"\x00\x00"), "install method outside"
    ),
    "import-cut": Malformed(with_info("Import", lambda info: info[:-1]), "Import component ends in the"),
    "import-trailing": Malformed(with_info("Import", lambda info: info + b"\x00"), "behind its last item"),
    "framework-unknown": Malformed(
        cap_of(sound(release=RELEASES["3.0.5"]._replace(framework=(1, 7)))), "javacard.framework 1.7"
    ),
    "framework-2": Malformed(
        cap_of(sound(release=RELEASES["3.0.5"]._replace(framework=(2, 0)))), "javacard.framework 2.0"
    ),
    "constant-unknown": Malformed(with_info("ConstantPool", put(2, b"\x07")), "no known kind"),
    "constants-cut": Malformed(with_info("ConstantPool", put(0, b"\xff\xff")), "ConstantPool component ends"),
    "constants-trailing": Malformed(with_info("ConstantPool", lambda info: info + b"\x00"), "ConstantPool"),
    "handlers-cut": Malformed(with_info("Method", put(0, b"\xff")), "Method component ends in the middle"),
    "references-cut": Malformed(with_info("RefLocation", put(2, b"\xff\xff")), "RefLocation component ends"),
    "references-trailing": Malformed(with_info("RefLocation", lambda info: info + b"\x00"), "RefLocation"),
    "class-empty": Malformed(with_info("Class", lambda _: b""), "Class component ends in the middle"),
    "statics-cut": Malformed(with_info("StaticField", put(4, b"\x00\x01")), "StaticField component"),
    "statics-image": Malformed(with_info("StaticField", put(0, b"\x00\x09")), "another size of its image"),
    "statics-array-type": Malformed(
        with_info("StaticField", lambda _: STATIC_ARRAY.replace(b"\x03\x00\x04", b"\x06\x00\x04")),
        "no primitive type",
    ),
    "statics-differ": Malformed(with_info("StaticField", lambda _: STATIC_ARRAY), "other sizes of static"),
    "directory-cut": Malformed(with_info("Directory", lambda info: info[:-1]), "Directory component ends"),
    "directory-trailing": Malformed(with_info("Directory", lambda info: info + b"\x00"), "behind its last"),
    "directory-size": Malformed(raw("Directory", put(3 + 12, b"\x00\x01")), "states 1 octets for Method"),
    "directory-export": Malformed(raw("Directory", put(3 + 18, b"\x00\x01")), "octets for Export"),
    "directory-counts": Malformed(
        raw("Directory", lambda octets: octets[:-3] + b"\x03" + octets[-2:]), "other numbers of imports"
    ),
    "too-large": Malformed(
        with_info("Class", lambda info: info + bytes(40_000), sound(filler=(bytes(30_000),))),
        "a card takes 65535 at most",
    ),
}
