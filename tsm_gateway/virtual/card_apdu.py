"""Command and response APDUs as a card reads and writes them (ISO/IEC 7816-4 §5).

| case | octets after CLA INS P1 P2 |
|---|---|
| 1 | none |
| 2 short, extended | Le (1) ; `00` Le (2) |
| 3 short, extended | Lc (1) data ; `00` Lc (2) data |
| 4 short, extended | Lc (1) data Le (1) ; `00` Lc (2) data Le (2) |
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

HEADER_OCTETS = 4
SECURE_MESSAGING = 0x04  # bit of CLA: the data field ends in a C-MAC (GlobalPlatform §11.1.4)
CHAINING = 0x10  # bit of CLA: more of the same command comes
CHANNEL = 0x03  # bits of CLA: a logical channel
FURTHER = 0x40  # bit of CLA: the coding with logical channels 4 to 19
INTERINDUSTRY, GLOBAL_PLATFORM = 0x00, 0x80
_SHORT, _EXTENDED = 0x100, 0x10000  # what Le 0 means


class Status(IntEnum):
    """Status words SW1 SW2."""

    OK = 0x9000
    CARD_LOCKED = 0x6283  # a warning: the selected security domain answers, and nothing else will
    NOT_VERIFIED = 0x6300  # the host's cryptogram is wrong
    MORE_DATA = 0x6310  # GET STATUS goes on
    WRONG_LENGTH = 0x6700
    NO_CHANNELS = 0x6881
    NO_SECURE_MESSAGING = 0x6882
    CHAIN_BROKEN = 0x6883  # the last command of a chain was expected
    NOT_SECURE = 0x6982  # security status not satisfied
    NOT_NOW = 0x6985  # conditions of use not satisfied
    WRONG_DATA = 0x6A80
    NOT_SUPPORTED = 0x6A81
    NOT_FOUND = 0x6A82  # of an application to select
    NO_MEMORY = 0x6A84
    WRONG_P1P2 = 0x6A86
    NOT_REFERENCED = 0x6A88  # referenced data: an AID, a key, a tag
    WRONG_LE = 0x6C00  # and the right one
    WRONG_INS = 0x6D00
    WRONG_CLA = 0x6E00


class Refusal(Exception):
    """The card answers with a status word and nothing else, no R-MAC either; nothing changed."""

    def __init__(self, status: int, why: str) -> None:
        """`status`: SW1 SW2; `why`: for the trace of whoever runs the card, never sent."""
        super().__init__(f"{status:04X}: {why}")
        self.status = status
        self.why = why


class Command(NamedTuple):
    """A command APDU."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    expected: int | None = None  # Le: at most so many octets of response; None: not said
    is_extended: bool = False  # Lc came in three octets

    @property
    def is_secured(self) -> bool:
        """Whether it says that it carries a C-MAC."""
        return bool(self.cla & SECURE_MESSAGING)

    @property
    def is_chained(self) -> bool:
        """Whether more of it comes."""
        return bool(self.cla & CHAINING)

    @property
    def p1p2(self) -> int:
        """Both parameters, as GET DATA takes its tag."""
        return self.p1 << 8 | self.p2


class Answer(NamedTuple):
    """A response APDU."""

    data: bytes = b""
    status: int = Status.OK

    def __bytes__(self) -> bytes:
        """Data, SW1, SW2."""
        return self.data + self.status.to_bytes(2, "big")


def read_command(octets: bytes) -> Command:
    """The command in `octets`. Raises Refusal (6700) for lengths that do not add up."""
    if len(octets) < HEADER_OCTETS:
        raise Refusal(Status.WRONG_LENGTH, "shorter than a header")
    header, body = octets[:HEADER_OCTETS], octets[HEADER_OCTETS:]
    if not body:
        return _command(header)
    if len(body) == 1:
        return _command(header, expected=body[0] or _SHORT)
    if body[0]:
        return _with_data(header, body[1:], body[0], 1)
    if len(body) == 3:  # noqa: PLR2004 - 00 and an extended Le
        return _command(header, expected=int.from_bytes(body[1:], "big") or _EXTENDED)
    return _with_data(header, body[3:], int.from_bytes(body[1:3], "big"), 2)


def _command(
    header: bytes, data: bytes = b"", expected: int | None = None, *, is_extended: bool = False
) -> Command:
    cla, ins, p1, p2 = header
    return Command(cla, ins, p1, p2, data, expected, is_extended)


def _with_data(header: bytes, rest: bytes, length: int, le_octets: int) -> Command:
    data, le = rest[:length], rest[length:]
    if not length or len(data) < length or len(le) not in {0, le_octets}:
        raise Refusal(Status.WRONG_LENGTH, "Lc and data do not agree")
    most = _SHORT if le_octets == 1 else _EXTENDED
    expected = (int.from_bytes(le, "big") or most) if le else None
    return _command(header, data, expected, is_extended=le_octets > 1)
