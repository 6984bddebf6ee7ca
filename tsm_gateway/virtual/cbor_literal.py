"""CBOR, deterministic encoding only (RFC 8949 §4.2.1), written from the RFC.

Just what the wire formats use: integers, octet and text strings, arrays, maps with integer keys. The reader
refuses a second spelling of a value: long heads, indefinite lengths, unsorted or repeated keys, octets behind
the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tsm_gateway.virtual.errors import FormatMalformed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

UNSIGNED, NEGATIVE, OCTETS, TEXT, ARRAY, MAP = range(6)
DEPTH = 8  # no format here nests deeper than 4
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}  # additional information -> octets of argument
_FLOORS = {24: 24, 25: 0x100, 26: 0x10000, 27: 0x1_0000_0000}  # the least argument that needs them

Value = int | bytes | str | list["Value"] | tuple["Value", ...] | dict[int, "Value"]


class Item(NamedTuple):
    """One item read: its value, and where the next begins."""

    value: Value
    end: int


def head(major: int, argument: int) -> bytes:
    """The shortest head of a `major` type, 0 to 5, with `argument`, 0 to 2**64-1."""
    lead = major << 5
    if argument < 24:  # noqa: PLR2004 - the argument rides in the first octet
        return bytes((lead | argument,))
    for information, width in _WIDTHS.items():
        if argument < 1 << 8 * width:
            return bytes((lead | information,)) + argument.to_bytes(width, "big")
    message = "an integer of CBOR has at most 64 bits"
    raise ValueError(message)


def encode(value: Value) -> bytes:
    """`value` in its one deterministic encoding. Raises ValueError past 64 bits, TypeError for others."""
    write = _WRITERS.get(type(value))
    if write is None:
        message = f"no format here has a {type(value).__name__}"
        raise TypeError(message)
    return write(value)


def _write_int(value: int) -> bytes:
    return head(UNSIGNED, value) if value >= 0 else head(NEGATIVE, -1 - value)


def _write_octets(value: bytes) -> bytes:
    return head(OCTETS, len(value)) + value


def _write_text(value: str) -> bytes:
    octets = value.encode()
    return head(TEXT, len(octets)) + octets


def _write_array(value: Sequence[Value]) -> bytes:
    return head(ARRAY, len(value)) + b"".join([encode(item) for item in value])


def _write_map(value: Mapping[int, Value]) -> bytes:
    pairs = sorted([(_write_int(key), encode(item)) for key, item in value.items()])
    return head(MAP, len(pairs)) + b"".join([key + item for key, item in pairs])


# By exact type, so that a truth value is not taken for an integer.
_WRITERS: dict[type, Callable[[Any], bytes]] = {
    int: _write_int,
    bytes: _write_octets,
    str: _write_text,
    list: _write_array,
    tuple: _write_array,
    dict: _write_map,
}


def decode(octets: bytes) -> Value:
    """The one item that `octets` are. Raises FormatMalformed for anything else."""
    item = _read(octets, 0, DEPTH)
    if item.end != len(octets):
        raise FormatMalformed(what="octets behind the end", count=len(octets) - item.end)
    return item.value


def _read_head(octets: bytes, at: int) -> tuple[int, int, int]:
    """(major type, argument, end) of the head at `at`."""
    if at >= len(octets):
        raise FormatMalformed(what="cut short")
    major, information = octets[at] >> 5, octets[at] & 0x1F
    if information < 24:  # noqa: PLR2004 - see `head`
        return major, information, at + 1
    width = _WIDTHS.get(information)
    if width is None:
        raise FormatMalformed(what="indefinite length or reserved head")
    end = at + 1 + width
    argument = int.from_bytes(octets[at + 1 : end], "big")
    if end > len(octets) or argument < _FLOORS[information]:
        raise FormatMalformed(what="cut short, or a head longer than it need be")
    return major, argument, end


def _read(octets: bytes, at: int, depth: int) -> Item:
    """The item at `at`, nested at most `depth` deep."""
    major, argument, at = _read_head(octets, at)
    if major == UNSIGNED:
        return Item(argument, at)
    if major == NEGATIVE:
        return Item(-1 - argument, at)
    if major in {OCTETS, TEXT}:
        return _read_string(octets, at, argument, major)
    if depth == 0:
        raise FormatMalformed(what="nested too deep")
    if major == ARRAY:
        return _read_array(octets, at, argument, depth - 1)
    if major == MAP:
        return _read_map(octets, at, argument, depth - 1)
    raise FormatMalformed(what="a tag, float or simple value")


def _read_string(octets: bytes, at: int, length: int, major: int) -> Item:
    end = at + length
    if end > len(octets):
        raise FormatMalformed(what="cut short")
    if major == OCTETS:
        return Item(octets[at:end], end)
    try:
        return Item(octets[at:end].decode(), end)
    except UnicodeDecodeError:
        raise FormatMalformed(what="text that is not UTF-8") from None


def _read_array(octets: bytes, at: int, count: int, depth: int) -> Item:
    values: list[Value] = []
    for _ in range(count):
        value, at = _read(octets, at, depth)
        values.append(value)
    return Item(values, at)


def _read_map(octets: bytes, at: int, count: int, depth: int) -> Item:
    values: dict[int, Value] = {}
    last = b""
    for _ in range(count):
        key, end = _read(octets, at, 0)
        if not isinstance(key, int) or octets[at:end] <= last:
            raise FormatMalformed(what="a map key that is no integer, repeated or out of order")
        last = octets[at:end]
        values[key], at = _read(octets, end, depth)
    return Item(values, at)
