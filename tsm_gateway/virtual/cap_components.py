"""The components of a small payment application, octet by octet, as the Java Card converter lays them out.

Each applet is a class of its own that extends javacard.framework.Applet: a constructor, `install`, `process`.
What makes a package as large as it is asked to be is bytecode that does nothing: `sspush n; pop`, over and
over, in the last `process` and then in methods nobody calls.

Every component is `tag 1 | size 2 | info`. Reference: Virtual Machine Specification, Java Card Platform,
chapter 6 (CAP file formats 2.1 to 2.3).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

TAGS: Mapping[str, int] = {
    "Header": 1,
    "Directory": 2,
    "Applet": 3,
    "Import": 4,
    "ConstantPool": 5,
    "Class": 6,
    "Method": 7,
    "StaticField": 8,
    "RefLocation": 9,
    "Export": 10,
    "Descriptor": 11,
    "Debug": 12,
}
LOAD_ORDER: Final[tuple[str, ...]] = (
    *("Header", "Directory", "Import", "Applet", "Class", "Method", "StaticField", "Export"),
    *("ConstantPool", "RefLocation", "Descriptor"),
)


class Release(NamedTuple):
    """What a release of the Java Card tools writes."""

    cap_format: tuple[int, int]  # major, minor
    framework: tuple[int, int]  # version of javacard.framework that is imported: major, minor


RELEASES: Mapping[str, Release] = {
    "2.2.2": Release((2, 1), (1, 3)),
    "3.0.5": Release((2, 2), (1, 6)),
}


class Package(NamedTuple):
    """What a CAP file is made of."""

    aid: bytes
    version: tuple[int, int]
    applets: tuple[bytes, ...]
    release: Release
    filler: tuple[bytes, ...]  # bytecode in the last `process`, then that of each uncalled method

    def components(self) -> dict[str, bytes]:
        """All components by name, the Directory over them included, Descriptor too."""
        code = _Code(self)
        info = {
            "Header": _header(self),
            "Applet": _applets(self.applets, code.installs),
            "Import": _imports(self.release),
            "ConstantPool": code.constant_pool(),
            "Class": code.classes(),
            "Method": code.method_info,
            "StaticField": bytes(10),
            "RefLocation": code.references(),
            "Descriptor": code.descriptor(),
        }
        info["Directory"] = _directory(self, info)
        return {name: component(TAGS[name], octets) for name, octets in info.items()}


def component(tag: int, info: bytes) -> bytes:
    """One component: tag, size, info (0..65,535 octets). Raises OverflowError beyond."""
    return bytes((tag,)) + len(info).to_bytes(2, "big") + info


def filler_code(octets: int, seed: bytes) -> bytes:
    """`octets` of bytecode without effect, the same for the same `seed`."""
    stream = hashlib.shake_256(seed).digest(octets // 2 + 2)
    pushes = (b"\x11" + stream[at : at + 2] + b"\x3b" for at in range(0, octets // 4 * 2, 2))
    return b"".join(pushes) + bytes(octets % 4)  # sspush n, pop; what is left are nops


def _u2(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _aid(aid: bytes) -> bytes:
    return bytes((len(aid),)) + aid


def _header(package: Package) -> bytes:
    major, minor = package.release.cap_format
    of_package = bytes((package.version[1], package.version[0])) + _aid(package.aid)
    name = b"\x00" if (major, minor) >= (2, 2) else b""  # its length: it defines nothing remote
    return b"\xde\xca\xff\xed" + bytes((minor, major, 0x04)) + of_package + name


def _directory(package: Package, info: Mapping[str, bytes]) -> bytes:
    major_minor = package.release.cap_format
    listed = list(TAGS)[: 11 if major_minor < (2, 2) else 12]
    static_resources = bytes(4) if major_minor >= (2, 3) else b""
    tail = static_resources + bytes(6) + bytes((2, len(package.applets), 0))
    sizes = {**{name: len(octets) for name, octets in info.items()}, "Directory": 2 * len(listed) + len(tail)}
    return b"".join(_u2(sizes.get(name, 0)) for name in listed) + tail


def _applets(aids: tuple[bytes, ...], installs: list[int]) -> bytes:
    entries = (_aid(aid) + _u2(offset) for aid, offset in zip(aids, installs, strict=True))
    return bytes((len(aids),)) + b"".join(entries)


def _imports(release: Release) -> bytes:
    major, minor = release.framework
    framework = bytes((minor, major)) + _aid(bytes.fromhex("A0000000620101"))
    lang = bytes((0, 1)) + _aid(bytes.fromhex("A0000000620001"))
    return b"\x02" + framework + lang


class _Method(NamedTuple):
    offset: int  # in the Method component's info
    bytecodes: int
    token: int
    flags: int
    kind: int  # where its type begins among _TYPES


_APPLET: Final = b"\x80\x03"  # javacard.framework.Applet: imported package 0, class 3
_APPLET_INIT: Final = b"\x06\x80\x03\x00"
_APPLET_VIRTUALS: Final = 7  # its own virtual methods; the next token is that of process
_PROCESS: Final = 7
_REGISTER: Final = 1  # token of register()
_CONSTANTS: Final = 3  # of each class: itself, its constructor, its register()
_NO_TOKEN: Final = 0xFF  # nothing is exported
_NO_TYPE: Final = b"\xff\xff"  # of a class reference
_FARTHEST: Final = 254  # the longest jump of RefLocation in one octet; 255 goes on
# Types in the Descriptor, behind the table of those of constants: ()V, (byte[],short,byte)V, (APDU)V.
_TYPES: Final = b"\x01\x10" + b"\x04\xb4\x31" + b"\x06\x68\x00\xa1"
_VOID, _INSTALL, _APDU = 0, 2, 5  # where each begins in it
_PUBLIC, _PRIVATE_STATIC, _PUBLIC_STATIC, _CONSTRUCTOR = 0x01, 0x0A, 0x09, 0x81
_RETURN: Final = b"\x7a"


class _Code:
    """Methods, classes and what refers to them. Constant 0 is Applet's constructor, then three a class."""

    def __init__(self, package: Package) -> None:
        """Lay out the methods of every class, then those that nobody calls as methods of the first."""
        self._pool = b"\x00\x00" if package.release.cap_format >= (2, 2) else b""  # no signatures
        self.method_info = b"\x00"  # no exception handlers
        self.installs: list[int] = []
        self._indices: list[int] = []  # where in method_info a two-octet index of a constant stands
        ahead, *uncalled = package.filler or (b"",)
        last = len(package.applets) - 1  # behind every index of a constant: RefLocation does not grow with it
        self._classes = [
            self._of_class(1 + number * _CONSTANTS, ahead if number == last else b"")
            for number in range(last + 1)
        ]
        for body in uncalled:
            self._classes[0].append(self._add(b"\x01\x00", body + _RETURN, _PRIVATE_STATIC, _VOID))

    def _of_class(self, itself: int, ahead: bytes) -> list[_Method]:
        """A constructor, `install` and `process`; `itself` is the class' own constant."""
        constructor, register = itself + 1, itself + 2
        code = b"\x18\x8c" + _u2(0) + _RETURN  # aload_0, invokespecial Applet.<init>
        made = self._add(b"\x01\x10", code, _CONSTRUCTOR, _VOID, (2,))
        self.installs.append(len(self.method_info))
        # new, dup, invokespecial <init>, invokevirtual register
        code = b"\x8f" + _u2(itself) + b"\x3d\x8c" + _u2(constructor) + b"\x8b" + _u2(register) + _RETURN
        installs = self._add(b"\x02\x30", code, _PUBLIC_STATIC, _INSTALL, (1, 5, 8))
        process = self._add(b"\x01\x20", ahead + _RETURN, _PUBLIC, _APDU)
        return [made, installs, process._replace(token=_PROCESS)]

    def _add(
        self, header: bytes, code: bytes, flags: int, kind: int, indices: tuple[int, ...] = ()
    ) -> _Method:
        method = _Method(len(self.method_info), len(code), _NO_TOKEN, flags, kind)
        self._indices.extend(method.offset + len(header) + each for each in indices)
        self.method_info += header + code
        return method

    def _class_at(self, number: int) -> int:
        return len(self._pool) + number * len(self._class(self._classes[number]))

    @staticmethod
    def _class(methods: list[_Method]) -> bytes:
        """class_info: no interfaces, no fields, one public virtual method of its own."""
        own = bytes((0, _NO_TOKEN, 0, _APPLET_VIRTUALS, 1, 0, 0))
        return b"\x00" + _APPLET + own + _u2(methods[2].offset)

    def classes(self) -> bytes:
        """The Class component's info."""
        return self._pool + b"".join(self._class(methods) for methods in self._classes)

    def constant_pool(self) -> bytes:
        """The ConstantPool component's info."""
        entries = [_APPLET_INIT]
        for number, methods in enumerate(self._classes):
            reference = _u2(self._class_at(number))
            entries += [
                b"\x01" + reference + b"\x00",
                b"\x06\x00" + _u2(methods[0].offset),
                b"\x03" + reference + bytes((_REGISTER,)),
            ]
        return _u2(len(entries)) + b"".join(entries)

    def references(self) -> bytes:
        """The RefLocation component's info: no one-octet indices, then the way from index to index."""
        jumps = bytearray()
        at = 0
        for index in self._indices:
            far, near = divmod(index - at, _FARTHEST + 1)
            jumps += b"\xff" * far + bytes((near,))
            at = index
        return _u2(0) + _u2(len(jumps)) + bytes(jumps)

    def descriptor(self) -> bytes:
        """The Descriptor component's info."""
        void = _u2(self._type_at(_VOID))
        constants = void + (_NO_TYPE + void + void) * len(self._classes)
        described = b"".join(self._described(number) for number in range(len(self._classes)))
        head = bytes((len(self._classes),)) + described
        return head + _u2(len(constants) // 2) + constants + _TYPES

    def _described(self, number: int) -> bytes:
        methods = self._classes[number]
        head = bytes((_NO_TOKEN, _PUBLIC)) + _u2(self._class_at(number)) + b"\x00" + _u2(0)
        return head + _u2(len(methods)) + b"".join(self._described_method(each) for each in methods)

    def _described_method(self, method: _Method) -> bytes:
        where = _u2(method.offset) + _u2(self._type_at(method.kind)) + _u2(method.bytecodes)
        return bytes((method.token, method.flags)) + where + _u2(0) + _u2(0)

    def _type_at(self, kind: int) -> int:
        """In the Descriptor's types: behind their count and one entry a constant."""
        return 2 + 2 * (1 + _CONSTANTS * len(self._classes)) + kind
