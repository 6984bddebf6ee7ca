"""Command and response APDUs of short length, as ISO/IEC 7816-4 writes them.

| case | octets | data sent | data awaited |
|---|---|---|---|
| 1 | CLA INS P1 P2 | no | no |
| 2 | CLA INS P1 P2 Le | no | yes |
| 3 | CLA INS P1 P2 Lc data | yes | no |
| 4 | CLA INS P1 P2 Lc data Le | yes | yes |

Lc is 1 to 255; an Le of 00 awaits up to 256 octets. Extended length is refused: cards of this field and
the readers in front of them take short APDUs for certain, and scripts are cut to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.provisioning.card_errors import CardAnswerMalformed, CardCommandMalformed

if TYPE_CHECKING:
    from collections.abc import Mapping

APDU_DATA: Final = 255  # octets of data one command carries
ANSWER_DATA: Final = 256  # octets of data one response carries
HEADER_OCTETS: Final = 4
STATUS_OCTETS: Final = 2
SUCCESS: Final = 0x9000

_WARNINGS: Final = (0x62, 0x63)


class Command(NamedTuple):
    """A command APDU: four header octets, data (0 to 255 octets), and how many octets are awaited."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None  # 1..256; None: no data is awaited

    def encode(self) -> bytes:
        """The octets for the card. Raises ValueError when a field does not fit a short APDU."""
        if len(self.data) > APDU_DATA or not (self.le is None or 1 <= self.le <= ANSWER_DATA):
            message = f"a short APDU carries {APDU_DATA} octets at most and awaits 1 to {ANSWER_DATA}"
            raise ValueError(message)
        lc = bytes((len(self.data),)) if self.data else b""
        le = b"" if self.le is None else bytes((self.le & 0xFF,))
        return bytes((self.cla, self.ins, self.p1, self.p2)) + lc + self.data + le


class Response(NamedTuple):
    """A response APDU: data (0 to 256 octets) and the status word."""

    data: bytes
    sw: int

    @property
    def succeeded(self) -> bool:
        """Whether the status word is 9000."""
        return self.sw == SUCCESS

    @property
    def failed(self) -> bool:
        """Whether the status word says neither success nor a warning (62xx, 63xx)."""
        return self.sw != SUCCESS and self.sw >> 8 not in _WARNINGS

    def encode(self) -> bytes:
        """The octets as the card sends them: data, SW1, SW2."""
        return self.data + self.sw.to_bytes(STATUS_OCTETS, "big")


def read_command(octets: bytes) -> Command:
    """Read a short command APDU, cases 1 to 4. Raises CardCommandMalformed."""
    if len(octets) < HEADER_OCTETS:
        raise CardCommandMalformed(length=len(octets))
    cla, ins, p1, p2, *_ = octets
    body = octets[HEADER_OCTETS:]
    if len(body) <= 1:
        return Command(cla, ins, p1, p2, le=_le(body))
    lc, rest = body[0], body[1:]
    if lc == 0 or not lc <= len(rest) <= lc + 1:  # 00 begins an extended length
        raise CardCommandMalformed(length=len(octets), lc=lc)
    return Command(cla, ins, p1, p2, rest[:lc], _le(rest[lc:]))


def read_response(octets: bytes) -> Response:
    """Read a response APDU of 2 to 258 octets. Raises CardAnswerMalformed."""
    if not STATUS_OCTETS <= len(octets) <= ANSWER_DATA + STATUS_OCTETS:
        raise CardAnswerMalformed(length=len(octets))
    return Response(octets[:-STATUS_OCTETS], int.from_bytes(octets[-STATUS_OCTETS:], "big"))


def status_text(sw: int) -> str:
    """What a status word means, in words; the word itself in hexadecimal when no table knows it."""
    sw1, sw2 = divmod(sw, 256)
    return _STATUS.get(sw) or _STATUS_CLASSES.get(sw1, "status word {word:04X}").format(word=sw, octet=sw2)


def _le(octets: bytes) -> int | None:
    return (octets[0] or ANSWER_DATA) if octets else None


# GlobalPlatform Card Specification 2.3 chapter 11 (general and per command) over ISO/IEC 7816-4.
_STATUS: Mapping[int, str] = {
    0x9000: "success",
    0x6200: "already deactivated, or nothing to do",
    0x6283: "the card is locked",
    0x6300: "authentication of the host failed",
    0x6310: "more data available",
    0x6400: "no diagnosis",
    0x6581: "memory failure",
    0x6700: "wrong length",
    0x6881: "logical channel not supported",
    0x6882: "secure messaging not supported",
    0x6883: "last command of the chain expected",
    0x6884: "command chaining not supported",
    0x6982: "security status not satisfied",
    0x6983: "authentication method blocked",
    0x6985: "conditions of use not satisfied",
    0x6986: "command not allowed",
    0x6987: "secure messaging data missing",
    0x6988: "secure messaging data wrong",
    0x6999: "the application was not selected",
    0x6A80: "wrong data",
    0x6A81: "function not supported, or the card is locked",
    0x6A82: "application or file not found",
    0x6A84: "not enough memory",
    0x6A86: "wrong P1 or P2",
    0x6A88: "referenced data not found",
    0x6A89: "it exists already",
    0x6B00: "wrong P1 or P2",
    0x6D00: "instruction not supported",
    0x6E00: "class not supported",
    0x6F00: "the card's own error",
    0x9484: "algorithm not supported",
    0x9485: "key check value wrong",
}
_STATUS_CLASSES: Mapping[int, str] = {
    0x61: "{octet} more octets to fetch",
    0x62: "warning {word:04X}, nothing changed",
    0x63: "warning {word:04X}, something changed",
    0x64: "failed, nothing changed ({word:04X})",
    0x65: "failed, something changed ({word:04X})",
    0x6C: "wrong Le, {octet} octets are there",
}
