"""What can be wrong with a TPDU (3GPP TS 23.040 §9.2) or with the line a modem gives it in: one family.

Whatever the octets, reading gives a value or one of these; nothing in them is an octet of the message.
"""

from __future__ import annotations

from enum import Enum

from tsm_gateway.errors import Side, TsmError


class Flaw(Enum):
    """The fact `reason` of `TpduMalformed` and `ModemPduMalformed`: what does not add up."""

    CUT_SHORT = "cut-short"  # the TPDU ends within a field that has to be there
    OTHER_KIND = "other-kind"  # TP-MTI is that of another kind of TPDU
    ADDRESS = "address"  # an address is cut short, longer than 20 digits, or no destination
    USER_DATA_LONG = "user-data-long"  # TP-UDL is above 140 octets or 160 characters
    USER_DATA_CUT = "user-data-cut"  # there are fewer octets than TP-UDL counts
    NOT_HEXADECIMAL = "not-hexadecimal"
    TOO_LONG = "too-long"  # no modem has so long a PDU
    SERVICE_CENTRE = "service-centre"  # the service centre's address is cut short or too long
    STATED_LENGTH = "stated-length"  # the TPDU has another length than the line in front of it says


class TpduError(TsmError):
    """A TPDU of a short message cannot be used."""

    code, side, temporary = "tpdu", Side.PEER, False


class TpduMalformed(TpduError):
    """A TPDU of a short message does not add up."""

    code = "tpdu-malformed"

    def __init__(self, reason: Flaw, **facts: int) -> None:
        """What does not add up, and where: counts only."""
        super().__init__(reason=reason.value, **facts)
        self.reason = reason


class ModemPduMalformed(TpduError):
    """The line in which a modem gives a PDU does not add up."""

    code = "modem-pdu-malformed"

    def __init__(self, reason: Flaw, **facts: int) -> None:
        """What does not add up, and where: counts only."""
        super().__init__(reason=reason.value, **facts)
        self.reason = reason


class TpduCompressed(TpduError):
    """The user data of a short message is compressed, which no payment is."""

    code = "tpdu-compressed"


class TpduNotOctets(TpduError):
    """The user data of a short message is text or a signal, not the octets of a payment."""

    code = "tpdu-not-octets"


class TpduOverflow(TpduError):
    """User data does not fit into one short message of 140 octets, its header included."""

    code, side = "tpdu-overflow", Side.OURS
