"""Optional parameters: tag, length and value, two octets, two octets and `length` octets (SMPP 3.4 §5.3).

Peers repeat them, invent them, send them with PDUs they do not belong to, write integers in the wrong
size and leave the NUL off strings. So they are kept raw and in order, and read only when asked for. Of a
repeated parameter the last counts, here as in smpplib.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.smpp.faults import FieldInvalid, FieldTooLong
from tsm_gateway.radio.smpp.layouts import Tlv, Tlvs
from tsm_gateway.radio.smpp.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TLVS: Final = 64  # SMPP 3.4 knows fewer than fifty tags; 64 KiB of empty ones is an attack
_MAX_UINT16: Final = 0xFFFF
_MAX_INTEGER_LENGTH: Final = 8  # octets; the longest integer parameter of the specification has four

_HEAD: Final = Struct(">HH")
_HEAD_LENGTH: Final = _HEAD.size


class TlvFault(Exception):
    """The optional part cannot be walked; decoders turn it into BodyMalformed with its `status`."""

    def __init__(self, status: int) -> None:
        """`status` is RINVPARLEN for a length beyond the body, RINVOPTPARSTREAM for everything else."""
        super().__init__()
        self.status = status


def read_tlvs(octets: bytes, start: int) -> Tlvs:
    """Every parameter from offset `start` to the end of `octets`. Raises TlvFault."""
    found: list[Tlv] = []
    end = len(octets)
    while start < end:
        if end - start < _HEAD_LENGTH or len(found) == MAX_TLVS:
            raise TlvFault(Status.RINVOPTPARSTREAM)
        tag, length = _HEAD.unpack_from(octets, start)
        start += _HEAD_LENGTH
        if length > end - start:
            raise TlvFault(Status.RINVPARLEN)
        found.append(Tlv(tag, octets[start : start + length]))
        start += length
    return tuple(found)


def write_tlvs(tlvs: Iterable[Tlv]) -> bytes:
    """The parameters in the order given. Raises FieldInvalid for a tag, FieldTooLong for a value."""
    written = bytearray()
    for tag, value in tlvs:
        if not 0 <= tag <= _MAX_UINT16:
            raise FieldInvalid(field="tlv tag")
        if len(value) > _MAX_UINT16:
            raise FieldTooLong(field=f"tlv 0x{tag:04X}", length=len(value), limit=_MAX_UINT16)
        written += _HEAD.pack(tag, len(value))
        written += value
    return bytes(written)


def find(tlvs: Tlvs, tag: int) -> bytes | None:
    """The value of the last parameter by that tag; None when there is none."""
    for found, value in reversed(tlvs):
        if found == tag:
            return value
    return None


def integer(tlvs: Tlvs, tag: int) -> int | None:
    """An integer of whatever size the peer gave it, big-endian; None when absent, empty or above 8 octets."""
    value = find(tlvs, tag)
    if not value or len(value) > _MAX_INTEGER_LENGTH:
        return None
    return int.from_bytes(value, "big")


def text(tlvs: Tlvs, tag: int) -> str | None:
    """A string up to its NUL or, where the peer left that off, to its end; None when absent."""
    value = find(tlvs, tag)
    return None if value is None else value.partition(b"\0")[0].decode("latin-1")
