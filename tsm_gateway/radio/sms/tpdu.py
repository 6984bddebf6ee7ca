"""Values of the octets around the user data: data coding scheme and protocol identifier.

Data coding schemes with an 8-bit alphabet, uncompressed (3GPP TS 23.038 §4):

| bits 7..0 | group | octets |
|---|---|---|
| `00 0x 01 xx` | general data coding | 04 to 07, 14 to 17 |
| `01 0x 01 xx` | the same, deleted after reading | 44 to 47, 54 to 57 |
| `1111 01 xx` | data coding and message class | F4 to F7 |

SMPP 3.4 §5.2.19 gives 05 to 07 to alphabets of its own. They are taken for octets all the same: whether
a message is a payment is decided by its port and its tag, not by this hint.
"""

from __future__ import annotations

from enum import IntEnum

EIGHT_BIT = 0x04  # what we send: general data coding, 8-bit data, no message class
_GENERAL = range(0x80)
_ALPHABET = 0b0010_1100  # of the general groups: the compression bit and the alphabet's two
_WITH_CLASS = range(0xF4, 0xF8)

_EIGHT_BIT = frozenset([dcs for dcs in _GENERAL if dcs & _ALPHABET == EIGHT_BIT] + list(_WITH_CLASS))


class ProtocolId(IntEnum):
    """TP-Protocol-Identifier, the values that concern us (3GPP TS 23.040 §9.2.3.9)."""

    SHORT_MESSAGE = 0x00  # from one phone to another: what we send
    TYPE_0 = 0x40  # acknowledged by the phone, then thrown away
    SIM_DATA_DOWNLOAD = 0x7F  # handed to the card


def is_eight_bit(data_coding: int) -> bool:
    """Whether a data coding scheme, 0..255, promises octets."""
    return data_coding in _EIGHT_BIT
