"""Checksums of stored rows: CRC-32 finds every single flipped bit and every burst up to 32 bits.

SQLite keeps none of its own for the pages of a database. This is against nature, not against people:
who can write the file can compute a CRC.
"""

from __future__ import annotations

from struct import Struct
from typing import Final
from zlib import crc32

WINDOW: Final = Struct(">4sqq")  # kid, highest, bitmap as a signed number
COUNTER: Final = Struct(">4sq")  # kid, next PIV
ROUTE: Final = Struct(">H?q")  # reference, receipt, received at


def row_crc(*values: bytes | str | int | None) -> int:
    """Over a row's values in order, each with its length ahead; 0..2^32-1."""
    crc = 0
    for value in values:
        octets = value if isinstance(value, bytes) else b"" if value is None else str(value).encode()
        crc = crc32(octets, crc32(b"%d:" % len(octets), crc))
    return crc


def window_crc(kid: bytes, highest: int, bitmap: int) -> int:
    """Over a replay window; `bitmap` as stored, signed."""
    return crc32(WINDOW.pack(kid, highest, bitmap))


def counter_crc(kid: bytes, next_piv: int) -> int:
    """Over a provider key's counter."""
    return crc32(COUNTER.pack(kid, next_piv))


def packet_crc(
    message_id: bytes, provider: str, reference: int, received_at: int, packet: bytes, *, receipt: bool
) -> int:
    """Over a packet, its message and where it goes."""
    crc = crc32(packet, crc32(message_id))
    return crc32(provider.encode(), crc32(ROUTE.pack(reference, receipt, received_at), crc))
