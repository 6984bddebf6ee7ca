"""A packet cut into the user data of short messages (3GPP TS 23.040 §9.2.3.24).

One short message has 140 octets. Beside a header with ports alone there is room for 133, beside ports
and 8-bit concatenation for 128; a packet that needs more than one part is cut into 128s.
"""

from __future__ import annotations

from typing import Final

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.radio.sms.header import payment_header

ONE_PART: Final = 133  # octets beside a header of 7
EACH_PART: Final = 128  # octets beside a header of 12
MAX_PARTS: Final = 255


class PacketTooLong(TsmError):
    """A packet is empty or does not fit into 255 short messages."""

    code, side, temporary = "packet-too-long", Side.OURS, False


def parts_of(packet: bytes, *, port: int, reference: int) -> list[bytes]:
    """The user data of each part in order, header and body, at most 140 octets each.

    `port` (0..65535) is both destination and source; `reference` (0..255) is kept with the message, so
    that sending it again gives the same octets. Raises PacketTooLong.
    """
    total = -(-len(packet) // EACH_PART) if len(packet) > ONE_PART else 1
    if not packet or total > MAX_PARTS:
        raise PacketTooLong(octets=len(packet))
    return [
        payment_header(port, port, reference, total, number) + packet[start : start + _size(total)]
        for number, start in enumerate(range(0, len(packet), _size(total)), start=1)
    ]


def _size(total: int) -> int:
    return ONE_PART if total == 1 else EACH_PART
