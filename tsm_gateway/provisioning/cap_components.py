"""The components of a CAP file, read as far as an installer has to know them; each to its last octet.

Every component is `tag 1 | size 2 | info`; numbers are big-endian. The card's own verifier judges the code;
what is checked here is that every length holds, so that no load file is sent that a card must refuse.
Reference: Virtual Machine Specification, Java Card Platform, chapter 6.
"""

from __future__ import annotations

from typing import Final, NamedTuple, NoReturn, Self

from tsm_gateway.provisioning.application_errors import CapMalformed
from tsm_gateway.provisioning.load_file import AID_OCTETS

MAGIC: Final = 0xDECAFFED
FORMATS: Final = ((2, 1), (2, 2), (2, 3))
TAGS: Final = {
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
ACC_EXPORT: Final = 0x02
ACC_APPLET: Final = 0x04
ACC_EXTENDED: Final = 0x08

_HEAD: Final = 3  # tag and size
_LISTED_BY_2_1: Final = 11  # sizes in a Directory; CAP format 2.2 added that of Debug
_EXCEPTION_HANDLER: Final = 8
_CONSTANT: Final = 4
_CONSTANT_TAGS: Final = range(1, 6 + 1)
_ARRAY_TYPES: Final = range(2, 5 + 1)


class Octets:
    """The info of one component, taken from the front; CapMalformed says what is not there or left over."""

    def __init__(self, name: str, octets: bytes) -> None:
        """`octets` are the info of the component `name`."""
        self._name, self._octets, self._at = name, octets, 0

    def take(self, count: int) -> bytes:
        """The next `count` octets."""
        begin, self._at = self._at, self._at + count
        if self._at > len(self._octets):
            self.refuse("ends in the middle of an item")
        return self._octets[begin : self._at]

    def u1(self) -> int:
        """The next octet."""
        return self.take(1)[0]

    def u2(self) -> int:
        """The next two octets."""
        return int.from_bytes(self.take(2), "big")

    def aid(self) -> bytes:
        """A length octet and an AID of 5 to 16 octets."""
        length = self.u1()
        if length not in AID_OCTETS:
            self.refuse(f"holds an AID of {length} octets: one has 5 to 16")
        return self.take(length)

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._octets) - self._at)

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._octets):
            self.refuse(f"has {len(self._octets) - self._at} octets behind its last item")

    def refuse(self, what: str) -> NoReturn:
        """Raise CapMalformed: the component `what`."""
        raise CapMalformed(problem=f"The {self._name} component {what}.")


def component_info(name: str, component: bytes) -> Octets:
    """The info of the component `name`, its tag and size checked. Raises CapMalformed."""
    info = Octets(name, component[_HEAD:])
    if len(component) < _HEAD or component[0] != TAGS[name]:
        info.refuse(f"does not begin with its tag, {TAGS[name]}, and a size")
    size = int.from_bytes(component[1:_HEAD], "big")
    if size != len(component) - _HEAD:
        info.refuse(f"says it has {size} octets, and has {len(component) - _HEAD}")
    return info


class PackageInfo(NamedTuple):
    """A package, as a Header names its own and an Import component those it needs."""

    aid: bytes
    version: tuple[int, int]  # major, minor

    @classmethod
    def read(cls, info: Octets) -> Self:
        """package_info: minor, major, AID. Raises CapMalformed."""
        minor, major = info.u1(), info.u1()
        return cls(info.aid(), (major, minor))


class Header(NamedTuple):
    """What a CAP file says of itself."""

    cap_format: tuple[int, int]  # major, minor
    flags: int
    package: PackageInfo
    name: str  # printable; "" where it is left out, as in format 2.1

    @classmethod
    def read(cls, info: Octets) -> Self:
        """Raises CapMalformed, also for a format that is not known and for the extended one."""
        if int.from_bytes(info.take(4), "big") != MAGIC:
            info.refuse("does not begin with DECAFFED")
        minor, major, flags = info.u1(), info.u1(), info.u1()
        if (major, minor) not in FORMATS:
            info.refuse(f"states CAP format {major}.{minor}: known are 2.1, 2.2 and 2.3")
        if flags & ACC_EXTENDED:
            info.refuse("states the extended format: convert the application in the compact one")
        package = PackageInfo.read(info)
        rest = Octets("Header", info.rest())
        name = b"" if (major, minor) == FORMATS[0] else _name(rest)
        rest.end()
        shown = "".join(chr(each) if chr(each).isprintable() else "?" for each in name)
        return cls((major, minor), flags, package, shown)


def _name(rest: Octets) -> bytes:
    """package_name; converters leave it out, or empty, where nothing is remote."""
    octets = rest.rest()
    if not octets:
        return b""
    if octets[0] != len(octets) - 1:
        rest.refuse("ends with a package name of another length than stated")
    return octets[1:]


class StaticSizes(NamedTuple):
    """How large the static fields are, as the Directory and the StaticField component both say."""

    image: int
    arrays: int
    array_octets: int


class Directory(NamedTuple):
    """What the other components are said to be."""

    sizes: dict[str, int]  # octets of info by name; 0: it is not there
    static_resources: int  # octets
    statics: StaticSizes
    imports: int
    applets: int

    @classmethod
    def read(cls, info: Octets, cap_format: tuple[int, int]) -> Self:
        """Raises CapMalformed."""
        listed = list(TAGS)[: _LISTED_BY_2_1 if cap_format < (2, 2) else len(TAGS)]
        sizes = {name: info.u2() for name in listed}
        resources = int.from_bytes(info.take(4), "big") if cap_format >= (2, 3) else 0
        statics = StaticSizes(info.u2(), info.u2(), info.u2())
        imports, applets, customs = info.u1(), info.u1(), info.u1()
        for _ in range(customs):
            info.take(3)  # tag and size of a component of one maker's own: it is never loaded
            info.aid()
        info.end()
        return cls(sizes, resources, statics, imports, applets)


class Applet(NamedTuple):
    """An applet that the package can make instances of."""

    aid: bytes
    install_at: int  # where its install method begins in the Method component's info


def read_applets(info: Octets) -> tuple[Applet, ...]:
    """The Applet component. Raises CapMalformed."""
    applets = tuple(Applet(info.aid(), info.u2()) for _ in range(info.u1()))
    info.end()
    return applets


def read_imports(info: Octets) -> tuple[PackageInfo, ...]:
    """The Import component: the packages that have to be on the card. Raises CapMalformed."""
    imports = tuple(PackageInfo.read(info) for _ in range(info.u1()))
    info.end()
    return imports


def read_statics(info: Octets) -> StaticSizes:
    """The StaticField component. Raises CapMalformed."""
    image, references, arrays = info.u2(), info.u2(), info.u2()
    array_octets = 0
    for _ in range(arrays):
        if info.u1() not in _ARRAY_TYPES:
            info.refuse("initialises an array of no primitive type")
        array_octets += len(info.take(info.u2()))
    defaults, values = info.u2(), info.u2()
    info.take(values)
    info.end()
    if image != 2 * references + defaults + values:
        info.refuse("states another size of its image than its fields have")
    return StaticSizes(image, arrays, array_octets)


def check_constant_pool(info: Octets) -> None:
    """Constants of four octets and a known kind, as many as stated. Raises CapMalformed."""
    for _ in range(info.u2()):
        if info.take(_CONSTANT)[0] not in _CONSTANT_TAGS:
            info.refuse("holds a constant of no known kind")
    info.end()


def read_methods(info: Octets) -> range:
    """Where methods may begin in the Method component's info. Raises CapMalformed."""
    handlers = info.u1()
    info.take(handlers * _EXCEPTION_HANDLER)
    begin = 1 + handlers * _EXCEPTION_HANDLER
    return range(begin, begin + len(info.rest()))


def check_references(info: Octets) -> None:
    """Two lists of offsets, as long as stated. Raises CapMalformed."""
    info.take(info.u2())
    info.take(info.u2())
    info.end()
