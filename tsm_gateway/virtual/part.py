"""Short messages of the virtual parties: one part, its user data header, and cutting a packet into parts.

The header is written from 3GPP TS 23.040 §9.2.3.24: application port addressing (IEI 0x05), concatenation
with an 8-bit (0x00) or a 16-bit (0x08) reference.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from tsm_gateway.virtual.errors import FormatMalformed, PartyFileInvalid

EIGHT_BIT = 0x04  # data coding: octets, 3GPP TS 23.038 §4
USER_DATA = 140  # octets of user data in one short message
_CONCATENATED, _PORTS, _WIDE_CONCATENATED = 0x00, 0x05, 0x08


class Part(NamedTuple):
    """One short message."""

    source: str
    destination: str
    dcs: int
    pid: int
    udh: bytes  # with its length octet; empty without a header
    data: bytes

    def as_json(self) -> dict[str, str | int]:
        """The part as `virtual pay` prints it: octets in hexadecimal, `udh` with its length octet."""
        return {
            "source": self.source,
            "destination": self.destination,
            "dcs": self.dcs,
            "pid": self.pid,
            "udh": self.udh.hex(),
            "data": self.data.hex(),
        }


class Header(NamedTuple):
    """What a user data header says."""

    port: int | None  # destination port
    reference: int | None  # None when not concatenated
    total: int
    number: int  # 1..total


def part_from_json(fields: object) -> Part:
    """Read what `as_json` wrote; only `udh` and `data` are demanded. Raises PartyFileInvalid."""
    if not isinstance(fields, dict):
        raise PartyFileInvalid(what="a part is a JSON object")
    try:
        return Part(
            str(fields.get("source", "")),
            str(fields.get("destination", "")),
            int(fields.get("dcs", EIGHT_BIT)),
            int(fields.get("pid", 0)),
            with_length(bytes.fromhex(fields["udh"])),
            bytes.fromhex(fields["data"]),
        )
    except (KeyError, ValueError, TypeError):
        raise PartyFileInvalid(what="a part needs udh and data in hexadecimal") from None


def with_length(udh: bytes) -> bytes:
    """A header as it travels, its length octet ahead: some SMPP libraries take that octet off.

    A header that reads well as it is stays as it is; what reads well in neither form too.
    """
    for candidate in (udh, bytes((len(udh) & 0xFF,)) + udh):
        try:
            read_header(candidate)
        except FormatMalformed:
            continue
        return candidate
    return udh


def parts_from_line(line: str) -> list[Part]:
    """The parts on one line: a JSON object, an array of them, or nothing. Raises PartyFileInvalid."""
    if not line.strip():
        return []
    try:
        found: object = json.loads(line)
    except ValueError:
        raise PartyFileInvalid(what="a line is a JSON object or array") from None
    return [part_from_json(fields) for fields in (found if isinstance(found, list) else [found])]


def cut(packet: bytes, port: int, reference: int, *, wide: bool = False) -> list[tuple[bytes, bytes]]:
    """(header, body) of each short message that carries `packet`.

    One alone holds 133 octets, more hold 128 each, or 127 with a `wide`, 16-bit `reference`.
    """
    ports = bytes((_PORTS, 4)) + port.to_bytes(2, "big") * 2
    alone = bytes((len(ports),)) + ports
    if len(alone) + len(packet) <= USER_DATA:
        return [(alone, packet)]
    tail = bytes((_WIDE_CONCATENATED, 4)) if wide else bytes((_CONCATENATED, 3))
    tail += reference.to_bytes(2 if wide else 1, "big")
    lead = bytes((len(ports) + len(tail) + 2,)) + ports + tail
    room = USER_DATA - len(lead) - 2
    bodies = [packet[at : at + room] for at in range(0, len(packet), room)]
    return [(lead + bytes((len(bodies), number)), body) for number, body in enumerate(bodies, 1)]


def read_header(udh: bytes) -> Header:
    """Read a header that starts with its length octet; empty means none. Raises FormatMalformed."""
    if udh and udh[0] != len(udh) - 1:
        raise FormatMalformed(what="user data header length")
    port: int | None = None
    reference: int | None = None
    total = number = at = 1
    while at < len(udh):
        iei, value = udh[at], udh[at + 2 : at + 2 + udh[at + 1]] if at + 1 < len(udh) else b""
        if at + 1 >= len(udh) or len(value) != udh[at + 1]:
            raise FormatMalformed(what="information element cut short")
        at += 2 + len(value)
        if (iei, len(value)) == (_PORTS, 4):
            port = int.from_bytes(value[:2], "big")
        elif (iei, len(value)) in {(_CONCATENATED, 3), (_WIDE_CONCATENATED, 4)}:
            reference, total, number = int.from_bytes(value[:-2], "big"), value[-2], value[-1]
    if not 1 <= number <= total:
        raise FormatMalformed(what="part number")
    return Header(port, reference, total, number)
