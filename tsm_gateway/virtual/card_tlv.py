"""BER-TLV and length-value fields as GlobalPlatform puts them into commands (ISO/IEC 8825-1, 7816-4 §5.2.2).

Tags of one and two octets, lengths of up to three octets after `83`; indefinite lengths are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.card_apdu import Refusal, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TAG_GOES_ON = 0x1F
_LONG = 0x80
_LONGEST_LENGTH = 3  # octets after 83


class Head(NamedTuple):
    """The tag and the length at some place."""

    tag: int
    length: int
    start: int  # of the value


def read_head(octets: bytes | bytearray, at: int = 0) -> Head | None:
    """Tag and length at `at`; None when `octets` end within them. Raises Refusal (6A80)."""
    tag_end = at + 1
    if tag_end <= len(octets) and octets[at] & _TAG_GOES_ON == _TAG_GOES_ON:
        tag_end += 1
    if tag_end >= len(octets):
        return None
    first = octets[tag_end]
    if first < _LONG:
        return Head(int.from_bytes(octets[at:tag_end], "big"), first, tag_end + 1)
    count = first - _LONG
    if not 1 <= count <= _LONGEST_LENGTH:
        raise Refusal(Status.WRONG_DATA, "a length of another form")
    start = tag_end + 1 + count
    if start > len(octets):
        return None
    length = int.from_bytes(octets[tag_end + 1 : start], "big")
    return Head(int.from_bytes(octets[at:tag_end], "big"), length, start)


def read_tlvs(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and value of each object in `octets`. Raises Refusal (6A80) when they do not fill it exactly."""
    at = 0
    while at < len(octets):
        head = read_head(octets, at)
        if head is None or head.start + head.length > len(octets):
            raise Refusal(Status.WRONG_DATA, "a data object that is cut off")
        at = head.start + head.length
        yield head.tag, octets[head.start : at]


def as_table(octets: bytes) -> dict[int, bytes]:
    """The objects in `octets` by tag. Raises Refusal (6A80), for a tag that comes twice, too."""
    table: dict[int, bytes] = {}
    for tag, value in read_tlvs(octets):
        if tag in table:
            raise Refusal(Status.WRONG_DATA, f"tag {tag:X} comes twice")
        table[tag] = value
    return table


def tlv(tag: int, *values: bytes) -> bytes:
    """One data object around `values`."""
    value = b"".join(values)
    octets = tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    if len(value) < _LONG:
        return octets + bytes([len(value)]) + value
    length = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return octets + bytes([_LONG + len(length)]) + length + value


def read_lvs(octets: bytes, count: int) -> tuple[bytes, ...]:
    """Exactly `count` fields of one length octet and as many octets. Raises Refusal (6A80)."""
    fields, at = [], 0
    while at < len(octets):
        end = at + 1 + octets[at]
        if end > len(octets):
            raise Refusal(Status.WRONG_DATA, "a field that is cut off")
        fields.append(octets[at + 1 : end])
        at = end
    if len(fields) != count:
        raise Refusal(Status.WRONG_DATA, f"{len(fields)} fields, not {count}")
    return tuple(fields)


def lvs(fields: Iterable[bytes]) -> bytes:
    """Each of `fields` behind its length, 0 to 255 octets each."""
    return b"".join(bytes([len(field)]) + field for field in fields)
