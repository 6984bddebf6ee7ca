"""The data coding scheme: what the user data is, and what TP-UDL counts (3GPP TS 23.038 §4).

| bits 7..0 | content | class | TP-UDL counts |
|---|---|---|---|
| `0x 0c 00 kk` | text, 7-bit default alphabet | kk when c is 1 | characters |
| `0x 0c 01 kk` | octets | kk when c is 1 | octets |
| `0x 0c 10 kk` | text, UCS2 | kk when c is 1 | octets |
| `0x 0c 11 kk` | reserved: read as 7-bit text | kk when c is 1 | characters |
| `0x 1c xx kk` | compressed, whatever the alphabet | kk when c is 1 | octets |
| `1000` to `1011 xxxx` | reserved: read as 7-bit text | | characters |
| `1100`, `1101 xxxx` | message waiting, 7-bit text | | characters |
| `1110 xxxx` | message waiting, UCS2 text | | octets |
| `1111 00 kk` | text, 7-bit default alphabet | kk | characters |
| `1111 01 kk` | octets | kk | octets |
| `1111 1x xx` | reserved: bit 3 is set to 0 | | characters |
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from tsm_gateway.radio.sms.tpdu_errors import TpduCompressed, TpduNotOctets


class Content(Enum):
    """What the user data is."""

    OCTETS = "octets"  # the only one a payment comes in
    SEVEN_BIT = "seven-bit"
    UCS2 = "ucs2"
    COMPRESSED = "compressed"
    WAITING = "waiting"  # tells that messages wait elsewhere: voice mail, fax
    RESERVED = "reserved"


class DataCoding(NamedTuple):
    """A data coding scheme taken apart."""

    content: Content
    in_characters: bool  # TP-UDL counts characters of 7 bits, not octets
    message_class: int | None  # 0 shown at once, 1 phone, 2 SIM, 3 terminal; None: it has none


_ALPHABETS: Final = (Content.SEVEN_BIT, Content.OCTETS, Content.UCS2, Content.RESERVED)  # bits 3-2
_HAS_CLASS: Final = 0x10
_COMPRESSED: Final = 0x20
_CLASS: Final = 0x03
_GENERAL_END: Final = 0x80
_WAITING_START: Final = 0xC0
_WAITING_UCS2: Final = 0xE0
_WITH_CLASS_START: Final = 0xF0
_WITH_CLASS_RESERVED: Final = 0xF8
_IN_CHARACTERS: Final = frozenset((Content.SEVEN_BIT, Content.RESERVED))


def _classify(scheme: int) -> DataCoding:
    if _WAITING_START <= scheme < _WITH_CLASS_START:
        return DataCoding(Content.WAITING, in_characters=scheme < _WAITING_UCS2, message_class=None)
    content, has_class = _content(scheme)
    return DataCoding(content, content in _IN_CHARACTERS, scheme & _CLASS if has_class else None)


def _content(scheme: int) -> tuple[Content, bool]:
    """The content of a scheme outside message waiting, and whether it has a message class."""
    if scheme < _GENERAL_END:
        alphabet = Content.COMPRESSED if scheme & _COMPRESSED else _ALPHABETS[scheme >> 2 & 3]
        return alphabet, bool(scheme & _HAS_CLASS)
    if _WITH_CLASS_START <= scheme < _WITH_CLASS_RESERVED:
        return _ALPHABETS[scheme >> 2 & 1], True
    return Content.RESERVED, False


_ALL: Final = tuple(_classify(scheme) for scheme in range(0x100))


def classify(scheme: int) -> DataCoding:
    """The data coding scheme `scheme`, 0..255, taken apart."""
    return _ALL[scheme]


def require_octets(scheme: int) -> None:
    """Nothing, when user data coded by `scheme`, 0..255, is octets as payments are.

    Raises TpduCompressed and TpduNotOctets.
    """
    content = _ALL[scheme].content
    if content is Content.COMPRESSED:
        raise TpduCompressed(scheme=scheme)
    if content is not Content.OCTETS:
        raise TpduNotOctets(content=content.value, scheme=scheme)
