"""Which TPDU it is: TP-Message-Type-Indicator, bits 1-0 of the first octet (3GPP TS 23.040 §9.2.3.1)."""

from __future__ import annotations

from enum import IntEnum
from hashlib import sha256
from typing import Final

from tsm_gateway.radio.sms.tpdu_errors import Flaw, TpduMalformed

KIND_MASK: Final = 0x03
_RESERVED: Final = 0x03
_MORE_MESSAGES: Final = 0x04


class Kind(IntEnum):
    """The kinds a modem's memory holds; its own messages, sent or not, stand there too."""

    DELIVER = 0
    SUBMIT = 1
    STATUS_REPORT = 2


def kind_of(first: int) -> Kind:
    """The kind of a TPDU whose first octet, 0..255, this is; the reserved value is an SMS-DELIVER."""
    indicator = first & KIND_MASK
    return Kind.DELIVER if indicator == _RESERVED else Kind(indicator)


def tpdu_kind(tpdu: bytes) -> Kind:
    """The kind of `tpdu`. Raises TpduMalformed when it is empty."""
    if not tpdu:
        raise TpduMalformed(Flaw.CUT_SHORT, octets=0)
    return kind_of(tpdu[0])


def content_hash(tpdu: bytes) -> bytes:
    """32 octets by which one message is known again: SHA-256 of the TPDU, but for TP-MMS.

    A service centre that missed our acknowledgement sends the same TPDU again, with the same time stamp;
    but whether more messages wait (§9.2.3.2) may have changed since, and says nothing about this one.
    """
    if tpdu and kind_of(tpdu[0]) is not Kind.SUBMIT:  # there the bit is TP-RD, part of what is asked
        tpdu = bytes((tpdu[0] & ~_MORE_MESSAGES,)) + tpdu[1:]
    return sha256(tpdu).digest()
