"""Octets to values and back: the one way in and the one way out.

What is frequent and regular goes through `fast`, everything else through `reference`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.smpp import fast, reference
from tsm_gateway.radio.smpp.framing import HEADER_LENGTH

if TYPE_CHECKING:
    from tsm_gateway.radio.smpp.pdu import Pdu

_header: Final = reference.HEADER.unpack_from
_reader_of: Final = fast.READERS.get
_writer_of: Final = fast.WRITERS.get


def decode(frame: bytes) -> Pdu:
    """Read one whole PDU as a `Framer` returned it, header included.

    Raises UnknownCommand, BodyMalformed with the status to answer, or FrameLength for octets that are
    not exactly one PDU; anything else is a defect.
    """
    if len(frame) >= HEADER_LENGTH:
        length, command_id, status, sequence = _header(frame)
        read = _reader_of(command_id)
        if read is not None and length == len(frame):
            try:
                return read(frame, status, sequence)
            except fast.IRREGULAR:
                pass  # the reference says what is wrong, or that nothing is
    return reference.decode(frame)


def encode(value: Pdu) -> bytes:
    """Write one whole PDU, header included; see `reference.encode` for error responses.

    Raises FieldTooLong or FieldInvalid; nothing is ever cut to fit; anything else is a defect.
    """
    write = _writer_of(type(value))
    if write is not None:
        try:
            return write(value)
        except fast.UNFIT:
            pass  # the reference names the field
    return reference.encode(value)
