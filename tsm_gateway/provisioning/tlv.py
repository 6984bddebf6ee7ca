"""Tag, length, value as cards write it: BER lengths of up to three octets, tags of one or two.

References: ISO/IEC 7816-4 §5.2 (BER-TLV), GlobalPlatform Card Specification 2.3 §11 (LV fields).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORT: Final = 0x7F  # the longest length that is its own octet
_LONGEST: Final = 0xFFFFFF
_LV_LONGEST: Final = 0xFF
_MORE_TAG: Final = 0x1F  # the low bits of a tag that goes on in a second octet


def encode_length(length: int) -> bytes:
    """`length` (0..0xffffff) in the shortest BER form, 1 to 4 octets. Raises ValueError."""
    if not 0 <= length <= _LONGEST:
        message = f"a length of {length} octets has no place in a card's TLV"
        raise ValueError(message)
    if length <= _SHORT:
        return bytes((length,))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def tlv(tag: int, value: bytes) -> bytes:
    """One data object; `tag` is 0x4f or 0x9f70, its octets as written."""
    return tag.to_bytes(1 if tag <= 0xFF else 2, "big") + encode_length(len(value)) + value  # noqa: PLR2004


def lv(value: bytes) -> bytes:
    """A length octet and `value` (0..255 octets), as the fields of INSTALL. Raises ValueError."""
    if len(value) > _LV_LONGEST:
        message = f"a field of {len(value)} octets does not fit one length octet"
        raise ValueError(message)
    return bytes((len(value),)) + value


def read_tlvs(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """The data objects that `octets` consist of, in order.

    Raises ValueError when one is cut short or its length is not in BER's definite form; lengths that could be
    shorter are taken, as cards pad them.
    """
    at = 0
    while at < len(octets):
        tag, at = _read_tag(octets, at)
        length, at = _read_length(octets, at)
        if at + length > len(octets):
            message = "a data object is cut short"
            raise ValueError(message)
        yield tag, octets[at : at + length]
        at += length


def _read_tag(octets: bytes, at: int) -> tuple[int, int]:
    size = 2 if octets[at] & _MORE_TAG == _MORE_TAG else 1
    tag = octets[at : at + size]
    if len(tag) < size or (size > 1 and tag[1] & 0x80):
        message = "a tag is cut short or longer than two octets"
        raise ValueError(message)
    return int.from_bytes(tag, "big"), at + size


def _read_length(octets: bytes, at: int) -> tuple[int, int]:
    first = octets[at] if at < len(octets) else 0x80
    if first <= _SHORT:
        return first, at + 1
    size = first & _SHORT
    length = octets[at + 1 : at + 1 + size]
    if not 1 <= size <= 3 or len(length) < size:  # noqa: PLR2004
        message = "a length is cut short or not definite"
        raise ValueError(message)
    return int.from_bytes(length, "big"), at + 1 + size
