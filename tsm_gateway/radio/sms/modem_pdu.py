"""A TPDU as a modem gives and takes it (3GPP TS 27.005 §3.1): hexadecimal, behind an SMSC address.

```
length | type | digits … | TPDU
```
`length` counts the octets of the address, its type included; 0 alone is no address. The length that the
modem states in front (`+CMGL`, `+CMGR`, `+CMT`, `+CDS`), and that `AT+CMGS` wants, counts the TPDU only.
"""

from __future__ import annotations

from binascii import Error, unhexlify
from typing import Final, NamedTuple

from tsm_gateway.radio.sms.address_octets import address_octets, shown_address
from tsm_gateway.radio.sms.tpdu_errors import Flaw, ModemPduMalformed

LONGEST_TPDU: Final = 255  # octets; 3GPP TS 24.011 lets one have fewer
LONGEST_SERVICE_CENTRE: Final = 11  # octets behind the length: type, and 20 digits
LONGEST_LINE: Final = 2 * (1 + LONGEST_SERVICE_CENTRE + LONGEST_TPDU)  # characters
_TYPE: Final = 1  # octets
_FILL: Final = 0xF0


class Received(NamedTuple):
    """What a modem's line holds."""

    service_centre: str  # as `address.normalise` gives it; empty when not told or not readable
    tpdu: bytes


class Line(NamedTuple):
    """What a modem is given."""

    text: str  # hexadecimal, SMSC address and TPDU
    length: int  # of the TPDU in octets: for AT+CMGS, +CMGR and the like


def read_modem_pdu(line: bytes | str, stated_length: int) -> Received:
    """Take a line of hexadecimal digits apart, without its line end.

    `stated_length` is that of the TPDU in octets as the modem says. A TPDU that has more or fewer is
    refused: a line that lost or gained octets on the wire must not pass for a message. Raises
    ModemPduMalformed and nothing else, whatever the characters.
    """
    if len(line) > LONGEST_LINE:
        raise ModemPduMalformed(Flaw.TOO_LONG, length=len(line))
    try:
        octets = unhexlify(line)
    except (Error, ValueError) as error:
        raise ModemPduMalformed(Flaw.NOT_HEXADECIMAL, length=len(line)) from error
    end = 1 + octets[0] if octets else 1
    if end > min(len(octets), 1 + LONGEST_SERVICE_CENTRE):
        raise ModemPduMalformed(Flaw.SERVICE_CENTRE, octets=len(octets))
    tpdu = octets[end:]
    if len(tpdu) != stated_length:
        raise ModemPduMalformed(Flaw.STATED_LENGTH, octets=len(tpdu), length=stated_length)
    return Received(_service_centre(octets[1:end]), tpdu)


def modem_pdu(tpdu: bytes, service_centre: str = "") -> Line:
    """The line for `tpdu`; without `service_centre` the modem takes the one on its SIM.

    Raises AddressError for a service centre that no address can be.
    """
    if not service_centre:
        return Line((b"\0" + tpdu).hex().upper(), len(tpdu))
    _, *address = address_octets(service_centre)
    return Line((bytes((len(address), *address)) + tpdu).hex().upper(), len(tpdu))


def _service_centre(address: bytes) -> str:
    """Type and digits, read as an address of a TPDU, which counts semi-octets."""
    if len(address) <= _TYPE:
        return ""
    semi_octets = 2 * (len(address) - _TYPE) - (address[-1] >= _FILL)
    return shown_address(bytes((semi_octets,)) + address)
