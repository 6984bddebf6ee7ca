"""The line of hex below +CMGL, +CMGR, +CMT or +CDS: the SMSC's address, then the TPDU.

| octets | what |
|---|---|
| 1 | length of the SMSC's address, 0 to 12 |
| that many | type of address, digits |
| rest | the TPDU; the header's last number counts it, and only it (TS 27.005 §4.1) |

A line that breaks this was damaged on its way: no network and no SIM makes one.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final, NamedTuple

from tsm_gateway.radio.modem.modem_value import Content

LONGEST_SMSC: Final = 12  # octets
LONGEST_PDU: Final = (
    1 + LONGEST_SMSC + 176
)  # the longest TPDU is 176 octets: a SIM's record without its status

_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_LENGTH: Final = re.compile(r"([0-9]{1,3})\s*$")
_CONTENT: Final = {0b00: Content.MESSAGE, 0b10: Content.REPORT}


class PduLine(NamedTuple):
    """A line taken apart."""

    content: Content
    tpdu: bytes  # b"" when `fault` is set
    fault: str  # "", "hex", "length", "smsc"
    digest: bytes  # SHA-256 of the TPDU, or of the line when there is none


def read_pdu(header: str, line: str) -> PduLine:
    """Take apart the line below `header`; never raises."""
    fault, tpdu = _cut(header, line)
    if fault:
        return PduLine(Content.OTHER, b"", fault, sha256(line.encode("ascii", "replace")).digest())
    return PduLine(_CONTENT.get(tpdu[0] & 0b11, Content.OTHER), tpdu, "", sha256(tpdu).digest())


def fits(header: str, line: str) -> bool:
    """Whether the line is just what `header` announces."""
    return not _cut(header, line)[0]


def _cut(header: str, line: str) -> tuple[str, bytes]:
    if len(line) > 2 * LONGEST_PDU or not _HEX.fullmatch(line):
        return "hex", b""
    octets = bytes.fromhex(line)
    if octets[0] > LONGEST_SMSC:
        return "smsc", b""
    tpdu = octets[1 + octets[0] :]
    announced = _LENGTH.search(header)
    if not tpdu or announced is None or int(announced[1]) != len(tpdu):
        return "length", b""
    return "", tpdu
