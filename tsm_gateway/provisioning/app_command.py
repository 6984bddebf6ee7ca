"""Everything that may be said to an app SE: a closed set of types, and no type for octets of one's own.

| type | command | GlobalPlatform Card Specification 2.3 |
|---|---|---|
| SelectDomain | SELECT | §11.9 |
| BeginSession | INITIALIZE UPDATE | Amendment D §7.1 |
| InstallForLoad | INSTALL [for load] | §11.5 |
| LoadBlock | LOAD | §11.6 |
| InstallForInstall | INSTALL [for install and make selectable] | §11.5 |
| Delete | DELETE | §11.2 |
| GetStatus | GET STATUS | §11.4 |
| GetFreeMemory | GET DATA, tag FF21 (ETSI TS 102 226) | §11.3 |
| PersonaliseApplication | INSTALL [for personalization] | §11.5 |
| StoreParameters | STORE DATA | §11.11 |
| PutCardKeys | PUT KEY | §11.8 |

Each checks its bounds when it is made; what they refuse (ValueError) is a defect of ours. `command()` is the
plain command; the exclusion guard is the only caller that passes it on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from tsm_gateway.provisioning.apdu import ANSWER_DATA, APDU_DATA, Command
from tsm_gateway.provisioning.card_keys import CHECK_OCTETS, MAX_KVN
from tsm_gateway.provisioning.load_file import LoadFile, LoadPlan, checked_aid
from tsm_gateway.provisioning.parameters import Parameters
from tsm_gateway.provisioning.scp03 import initialize_update
from tsm_gateway.provisioning.tlv import lv, tlv

if TYPE_CHECKING:
    from collections.abc import Iterable

CLA_ISO: Final = 0x00
CLA_GP: Final = 0x80
INS_SELECT: Final = 0xA4
INS_GET_DATA: Final = 0xCA
INS_PUT_KEY: Final = 0xD8
INS_STORE_DATA: Final = 0xE2
INS_DELETE: Final = 0xE4
INS_INSTALL: Final = 0xE6
INS_LOAD: Final = 0xE8
INS_GET_STATUS: Final = 0xF2

NO_PRIVILEGES: Final = b"\x00"
NO_APPLET_DATA: Final = b"\xc9\x00"
TOKEN_OCTETS: Final = (0, 64)  # none, or ECDSA P-256; a signature by RSA fits no short command

_BY_NAME: Final = 0x04
_LAST: Final = 0x80
_LAST_IN_DGIS: Final = 0x88  # last block, data grouping identifiers (§11.11.2.1)
_THREE_FROM_KEY_1: Final = 0x81
_AES_KEY: Final = 0x88
_PRIVILEGE_OCTETS: Final = (1, 3)
_CODE_SPACE: Final = 0xC6
_TWO_OCTET_LIMIT: Final = 0x7FFF  # sizes above are written in four (§11.5.2.3.7)


class Installing(IntEnum):
    """P1 of INSTALL: what it is for."""

    LOAD = 0x02
    INSTALL = 0x0C  # install and make selectable
    PERSONALIZATION = 0x20


class StatusKind(IntEnum):
    """P1 of GET STATUS: what is asked for."""

    DOMAIN = 0x80  # the issuer security domain
    APPLICATIONS = 0x40  # and supplementary security domains
    LOAD_FILES = 0x20
    LOAD_FILES_AND_MODULES = 0x10


@dataclass(frozen=True, slots=True)
class SelectDomain:
    """Select the security domain `aid` (5..16 octets)."""

    aid: bytes

    def __post_init__(self) -> None:
        """Check the AID's length."""
        checked_aid(self.aid)

    def command(self) -> Command:
        """SELECT by name, first occurrence."""
        return Command(CLA_ISO, INS_SELECT, _BY_NAME, 0, self.aid, ANSWER_DATA)


@dataclass(frozen=True, slots=True)
class BeginSession:
    """Ask for a secure channel under key set `kvn` with a fresh `host_challenge` (8 octets, S16: 16)."""

    kvn: int
    host_challenge: bytes

    def __post_init__(self) -> None:
        """Check the version number; the challenge's length is checked by what builds the command."""
        _check(0 <= self.kvn <= 0xFF, "a key version number is one octet")  # noqa: PLR2004
        initialize_update(self.host_challenge, self.kvn)

    def command(self) -> Command:
        """INITIALIZE UPDATE."""
        return initialize_update(self.host_challenge, self.kvn)


@dataclass(frozen=True, slots=True)
class InstallForLoad:
    """Announce `load_file` for the security domain `sd_aid`, with its digest and the memory it needs.

    `code_octets`: the non-volatile memory asked for; None: the load file's size. `token`: none or 64 octets.
    """

    load_file: LoadFile
    sd_aid: bytes
    token: bytes = b""
    code_octets: int | None = None

    def __post_init__(self) -> None:
        """Check the AID, the token and the memory asked for."""
        _check_type(self.load_file, LoadFile)
        checked_aid(self.sd_aid)
        _check_token(self.token)
        _check(0 <= self._code_octets <= 0xFFFFFFFF, "memory is asked for in four octets at most")  # noqa: PLR2004

    @property
    def _code_octets(self) -> int:
        return self.load_file.size if self.code_octets is None else self.code_octets

    def unsigned(self) -> bytes:
        """The data ahead of the token: what a load token is made over, with P1 and P2."""
        size = self._code_octets
        space = tlv(_CODE_SPACE, size.to_bytes(2 if size <= _TWO_OCTET_LIMIT else 4, "big"))
        return _fields((self.load_file.aid, self.sd_aid, self.load_file.digest, tlv(0xEF, space)))

    def command(self) -> Command:
        """INSTALL [for load]."""
        return _install(Installing.LOAD, self.unsigned() + lv(self.token))


@dataclass(frozen=True, slots=True)
class LoadBlock:
    """Block `index` of a load file's `plan`."""

    plan: LoadPlan
    index: int

    def __post_init__(self) -> None:
        """Check that there is such a block."""
        _check_type(self.plan, LoadPlan)
        _check(0 <= self.index < self.plan.count, "there is no such block")

    @property
    def last(self) -> bool:
        """Whether the card has the whole load file after it."""
        return self.index == self.plan.count - 1

    def command(self) -> Command:
        """LOAD."""
        p1 = _LAST if self.last else 0
        return Command(CLA_GP, INS_LOAD, p1, self.index, self.plan.block(self.index), ANSWER_DATA)


@dataclass(frozen=True, slots=True)
class InstallForInstall:
    """Make an instance of an applet of a loaded package, and make it selectable.

    Applet data is none: what an application is told goes the way of `StoreParameters`.
    """

    package_aid: bytes
    applet_aid: bytes  # the module
    instance_aid: bytes
    privileges: bytes = NO_PRIVILEGES
    token: bytes = b""

    def __post_init__(self) -> None:
        """Check AIDs, privileges (1 or 3 octets) and token."""
        for aid in (self.package_aid, self.applet_aid, self.instance_aid):
            checked_aid(aid)
        _check(len(self.privileges) in _PRIVILEGE_OCTETS, "privileges are 1 or 3 octets")
        _check_token(self.token)

    def unsigned(self) -> bytes:
        """The data ahead of the token: what an install token is made over, with P1 and P2."""
        aids = (self.package_aid, self.applet_aid, self.instance_aid)
        return _fields((*aids, self.privileges, NO_APPLET_DATA))

    def command(self) -> Command:
        """INSTALL [for install and make selectable]."""
        return _install(Installing.INSTALL, self.unsigned() + lv(self.token))


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an instance or load file, with `related` all that came of it."""

    aid: bytes
    related: bool
    token: bytes = b""

    def __post_init__(self) -> None:
        """Check AID and token."""
        checked_aid(self.aid)
        _check_token(self.token)

    @property
    def p2(self) -> int:
        """80 deletes the object and those related to it, 00 it alone."""
        return 0x80 if self.related else 0x00

    def unsigned(self) -> bytes:
        """The data ahead of the token: what a delete token is made over, with P1 and P2."""
        return tlv(0x4F, self.aid)

    def command(self) -> Command:
        """DELETE [card content]."""
        token = tlv(0x9E, self.token) if self.token else b""
        return Command(CLA_GP, INS_DELETE, 0, self.p2, self.unsigned() + token, ANSWER_DATA)


@dataclass(frozen=True, slots=True)
class GetStatus:
    """Ask what the card holds of a `kind`; `following`: what it had no room for in its last answer (6310)."""

    kind: StatusKind
    following: bool = False

    def command(self) -> Command:
        """GET STATUS of all, answered in data objects E3."""
        p2 = 0x03 if self.following else 0x02
        return Command(CLA_GP, INS_GET_STATUS, self.kind, p2, tlv(0x4F, b""), ANSWER_DATA)


@dataclass(frozen=True, slots=True)
class GetFreeMemory:
    """Ask how much memory the card has left."""

    def command(self) -> Command:
        """GET DATA, extended card resources information."""
        return Command(CLA_GP, INS_GET_DATA, 0xFF, 0x21, b"", ANSWER_DATA)


@dataclass(frozen=True, slots=True)
class PersonaliseApplication:
    """Have the security domain pass the STORE DATA that follows on to an instance."""

    instance_aid: bytes

    def __post_init__(self) -> None:
        """Check the AID's length."""
        checked_aid(self.instance_aid)

    def command(self) -> Command:
        """INSTALL [for personalization]."""
        return _install(
            Installing.PERSONALIZATION, _fields((b"", b"", self.instance_aid, b"", b"")) + lv(b"")
        )


@dataclass(frozen=True, slots=True)
class StoreParameters:
    """Tell the application its parameters, none of which is secret."""

    parameters: Parameters

    def __post_init__(self) -> None:
        """Take parameters, and nothing that merely encodes itself as they do."""
        _check_type(self.parameters, Parameters)

    def command(self) -> Command:
        """STORE DATA, one and last block of one data grouping; no answer is awaited."""
        return Command(CLA_GP, INS_STORE_DATA, _LAST_IN_DGIS, 0, self.parameters.encode())


@dataclass(frozen=True, slots=True)
class PutCardKeys:
    """A new key set of the card's own, encrypted under its own DEK (`card_keys.put_key`).

    `replaces`: the version that goes, 0 where none does. `data`: version number (1), then three times `88
    <length> <key length> <encrypted: 16 or 32> 03 <check value: 3>`.
    """

    replaces: int
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, command: Command) -> PutCardKeys:
        """Out of what `card_keys.put_key` built. Raises ValueError for any other command."""
        header = (CLA_GP, INS_PUT_KEY, _THREE_FROM_KEY_1)
        _check((command.cla, command.ins, command.p2) == header, "that is no PUT KEY of a whole set")
        return cls(command.p1, command.data)

    def __post_init__(self) -> None:
        """Check that nothing but three encrypted AES keys of one length is in it."""
        _check(0 <= self.replaces <= MAX_KVN, "a key version number to replace is 0 to 7F")
        _check(bool(self.data) and 1 <= self.data[0] <= MAX_KVN, "a key version number is 1 to 7F")
        third, rest = divmod(len(self.data) - 1, 3)
        _check(rest == 0 and third > 2, "three keys of one length are put")  # noqa: PLR2004
        keys = {self._key_length(self.data[at : at + third]) for at in range(1, len(self.data), third)}
        _check(len(keys) == 1, "three keys of one length are put")

    @staticmethod
    def _key_length(key: bytes) -> int:
        length = key[2]
        blocks = -(-length // 16) * 16
        framed = key[:3] == bytes((_AES_KEY, 1 + blocks, length)) and length in {16, 24, 32}
        closed = len(key) == 3 + blocks + 1 + CHECK_OCTETS and key[3 + blocks] == CHECK_OCTETS
        _check(framed and closed, "a key is put as 88, lengths, one encrypted AES key, 03, check value")
        return length

    def command(self) -> Command:
        """PUT KEY."""
        return Command(CLA_GP, INS_PUT_KEY, self.replaces, _THREE_FROM_KEY_1, self.data, ANSWER_DATA)


AppSeCommand = (
    SelectDomain
    | BeginSession
    | InstallForLoad
    | LoadBlock
    | InstallForInstall
    | Delete
    | GetStatus
    | GetFreeMemory
    | PersonaliseApplication
    | StoreParameters
    | PutCardKeys
)
APP_SE_COMMANDS: Final = frozenset(AppSeCommand.__args__)  # the exact types; a subclass is none of them


def _fields(values: Iterable[bytes]) -> bytes:
    return b"".join(lv(value) for value in values)


def _install(purpose: Installing, data: bytes) -> Command:
    _check(len(data) <= APDU_DATA, "the fields of INSTALL fit one short command")
    return Command(CLA_GP, INS_INSTALL, purpose, 0, data, ANSWER_DATA)


def _check_type(value: object, wanted: type) -> None:
    _check(type(value) is wanted, f"{wanted.__name__} is wanted, and no kin of it")


def _check_token(token: bytes) -> None:
    _check(len(token) in TOKEN_OCTETS, "a token has 64 octets, or there is none")


def _check(holds: bool, rule: str) -> None:  # noqa: FBT001
    if not holds:
        raise ValueError(rule)
