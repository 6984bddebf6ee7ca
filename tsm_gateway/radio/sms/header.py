"""The user data header of a short message (3GPP TS 23.040 §9.2.3.24): ports and concatenation.

```
UDHL | IEI IEDL data… | IEI IEDL data… | … | body
```
UDHL counts the octets of all elements, IEDL those of one element's data. What the standard calls
ignoring an element means here that it stays in `Header.elements` but says nothing about ports or parts:
an unknown IEI, a known one of another length, a concatenation element with total 0, number 0 or a number
above the total (§9.2.3.24.1, §9.2.3.24.8). Of elements repeated, or excluding each other (8- and 16-bit
forms), the last one that is not ignored counts, as §9.2.3.24 demands.

We depart from the standard in one thing: it shows a message with a broken header as text, we raise
`HeaderMalformed`, for without its header a message can be nothing of ours.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.errors import Side, TsmError

if TYPE_CHECKING:
    from collections.abc import Iterable

CONCATENATION_8 = 0x00  # reference, total, number: an octet each
PORTS_8 = 0x04  # destination, source: an octet each
PORTS_16 = 0x05  # destination, source: two octets each
CONCATENATION_16 = 0x08  # reference: two octets; total, number: an octet each

_PORT_LAYOUTS = {PORTS_8: Struct(">BB"), PORTS_16: Struct(">HH")}
_PART_LAYOUTS = {CONCATENATION_8: Struct(">BBB"), CONCATENATION_16: Struct(">HBB")}

_ONE_PART = Struct(">3sHH")  # 06 05 04 | destination | source
_MANY_PARTS = Struct(">3sHH2sBBB")  # 0B 05 04 | destination | source | 00 03 | reference, total, number
_ONE_PART_LEAD, _MANY_PARTS_LEAD, _CONCATENATION_LEAD = b"\x06\x05\x04", b"\x0b\x05\x04", b"\x00\x03"
_LONGEST = 0xFF  # the most one octet can say
_PORT_RANGE = range(0x10000)


class HeaderMalformed(TsmError):
    """The user data header does not add up: an element, or the header, runs past its end."""

    code, side, temporary = "header-malformed", Side.PEER, False


class HeaderOverflow(TsmError):
    """The elements do not fit into one user data header of 255 octets."""

    code, side, temporary = "header-overflow", Side.OURS, False


class Element(NamedTuple):
    """One information element."""

    iei: int  # what it is, 0..255
    data: bytes  # 0..255 octets


class Concatenation(NamedTuple):
    """Which part of which message this is."""

    reference: int  # 0..255, or 0..65535 when wide
    total: int  # 1..255
    number: int  # 1..total
    wide: bool  # the 16-bit form


class Header(NamedTuple):
    """A header that was read, and the body behind it."""

    user_data: bytes  # header and body as they came, UDHL first
    body: bytes
    ports: tuple[int, int] | None  # (destination, source); None without application port addressing
    concatenation: Concatenation | None  # None: a message of one part

    @property
    def elements(self) -> tuple[Element, ...]:
        """Every element in the order they came, the ignored ones too; read anew at each call."""
        return tuple(split_header(self.user_data)[0])


def read_header(user_data: bytes) -> Header:
    """Read the header at the front of `user_data`, which starts with UDHL (the UDHI bit was set).

    One pass over the header. Raises HeaderMalformed when there is no UDHL, or an element or the header
    runs past its end; nothing else, whatever the octets.
    """
    # The layout nearly every payment comes in; `read_any_header` gives the same at four times the cost.
    if len(user_data) >= _MANY_PARTS.size:
        lead, destination, source, second, reference, total, number = _MANY_PARTS.unpack_from(user_data)
        if lead == _MANY_PARTS_LEAD and second == _CONCATENATION_LEAD and 0 < number <= total:
            return Header(
                user_data,
                user_data[_MANY_PARTS.size :],
                (destination, source),
                Concatenation(reference, total, number, False),  # noqa: FBT003 field of a named tuple
            )
    return read_any_header(user_data)


def read_any_header(user_data: bytes) -> Header:
    """Read a header of any layout, as `read_header` without its short cut."""
    elements, end = split_header(user_data)
    ports, concatenation = None, None
    for iei, data in elements:
        if iei in _PORT_LAYOUTS:
            ports = _read_ports(iei, data) or ports
        elif iei in _PART_LAYOUTS:
            concatenation = _read_concatenation(iei, data) or concatenation
    return Header(user_data, user_data[end:], ports, concatenation)


def split_header(user_data: bytes) -> tuple[list[Element], int]:
    """Cut the header into its elements; also return where the body starts. Raises HeaderMalformed."""
    end = 1 + user_data[0] if user_data else 0
    if not 0 < end <= len(user_data):
        raise HeaderMalformed(octets=len(user_data), header=end)
    elements = []
    at = 1
    while at < end:
        start = at + 2
        stop = start + user_data[at + 1] if start <= end else start
        if stop > end:
            raise HeaderMalformed(octets=len(user_data), header=end)
        elements.append(Element(user_data[at], user_data[start:stop]))
        at = stop
    return elements, end


def _read_ports(iei: int, data: bytes) -> tuple[int, int] | None:
    """(destination, source), or None when the length is not the one of `iei`."""
    layout = _PORT_LAYOUTS[iei]
    if len(data) != layout.size:
        return None
    destination, source = layout.unpack(data)
    return destination, source


def _read_concatenation(iei: int, data: bytes) -> Concatenation | None:
    """The part, or None when the length is not the one of `iei` or the numbers make no part."""
    layout = _PART_LAYOUTS[iei]
    if len(data) != layout.size:
        return None
    reference, total, number = layout.unpack(data)
    if not 0 < number <= total:
        return None
    return Concatenation(reference, total, number, iei == CONCATENATION_16)


def build_header(elements: Iterable[tuple[int, bytes]]) -> bytes:
    """UDHL and the elements (IEI, data) in the order given. Raises HeaderOverflow."""
    octets = bytearray(1)
    for iei, data in elements:
        if len(data) > _LONGEST:
            raise HeaderOverflow(iei=iei, octets=len(data))
        octets += bytes((iei, len(data))) + data
    if len(octets) > 1 + _LONGEST:
        raise HeaderOverflow(octets=len(octets) - 1)
    octets[0] = len(octets) - 1
    return bytes(octets)


def payment_header(port: int, source_port: int, reference: int, total: int, number: int) -> bytes:
    """Header of one part of a payment: 7 octets when it is the only one, 12 with its concatenation.

    `port` and `source_port` 0..65535, `reference` 0..255, `number` 1..`total`, `total` at most 255.
    Raises ValueError beyond these.
    """
    ports_fit = port in _PORT_RANGE and source_port in _PORT_RANGE
    if not (ports_fit and 0 <= reference <= _LONGEST and 0 < number <= total <= _LONGEST):
        message = "a port, a reference or a part number is out of its range"
        raise ValueError(message)
    if total == 1:
        return _ONE_PART.pack(_ONE_PART_LEAD, port, source_port)
    numbers = (reference, total, number)
    return _MANY_PARTS.pack(_MANY_PARTS_LEAD, port, source_port, _CONCATENATION_LEAD, *numbers)
