"""The codec that follows the tables row by row: slow, complete, and the judge over `fast`.

It reads and writes every command, and names what is wrong with octets or values which `fast` declined.
Every read is bounded by the row's length and by the body, whatever the octets say.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from tsm_gateway.radio.smpp import commands, pdu
from tsm_gateway.radio.smpp.faults import (
    BodyMalformed,
    FieldInvalid,
    FieldTooLong,
    FrameLength,
    UnknownCommand,
)
from tsm_gateway.radio.smpp.framing import HEADER_LENGTH
from tsm_gateway.radio.smpp.status import Status
from tsm_gateway.radio.smpp.tables import LAYOUTS, PDUS, UNREAD, Kind, Row, status_when_cut
from tsm_gateway.radio.smpp.tlv import TlvFault, read_tlvs, write_tlvs
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEADER: Final = Struct(">IIII")  # command_length, command_id, command_status, sequence_number
MAX_UINT8: Final = 0xFF
MAX_UINT32: Final = 0xFFFFFFFF
TIME_LENGTH: Final = 16


class _FieldFault(Exception):
    """A field cannot be read; `status` is the command_status to answer with."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


def decode(frame: bytes) -> pdu.Pdu:
    """Read one whole PDU, header included.

    Raises FrameLength when `frame` is not exactly one PDU, UnknownCommand, or BodyMalformed with the
    status to answer; anything else is a defect.
    """
    if len(frame) < HEADER_LENGTH:
        raise FrameLength(length=len(frame))
    length, command_id, status, sequence = HEADER.unpack_from(frame)
    if length != len(frame):
        raise FrameLength(length=length)
    kind = PDUS.get(command_id)
    if kind is None:
        raise UnknownCommand(command_id=command_id, sequence=sequence)
    return _assemble(kind, frame, sequence, status)


def _assemble(kind: type[pdu.Pdu], frame: bytes, sequence: int, status: int) -> pdu.Pdu:
    """Read the body of a PDU of known kind. Raises BodyMalformed."""
    fields: dict[str, Any] = {"sequence": sequence}
    answers = commands.is_response(kind.command_id)
    if answers or kind in UNREAD:
        fields["status"] = status
    if kind in UNREAD:
        return kind(**fields, body=frame[HEADER_LENGTH:])
    if answers and len(frame) == HEADER_LENGTH:
        return kind(**fields)  # many peers leave the body off, and not of errors alone
    try:
        return kind(**fields, **_read_body(kind, frame))
    except (_FieldFault, TlvFault) as fault:
        if answers and status != Status.ROK:
            return kind(**fields)  # an error is an error, whatever stands behind it
        raise BodyMalformed(
            command_id=kind.command_id,
            sequence=sequence,
            status=fault.status,
            command_status=status,
        ) from None


def _read_body(kind: type[pdu.Pdu], frame: bytes) -> dict[str, Any]:
    """The fields of `kind` behind the header, optional ones in `tlvs`. Raises _FieldFault, TlvFault."""
    fields: dict[str, Any] = {}
    at = HEADER_LENGTH
    for row in LAYOUTS[kind]:
        if at >= len(frame):
            raise _FieldFault(status_when_cut(kind.command_id))
        fields[row.name], at = _READERS[row.kind](frame, at, row)
    tlvs = read_tlvs(frame, at)
    if "tlvs" in kind._fields:
        fields["tlvs"] = tlvs
    if "password" in fields:
        fields["password"] = Secret(fields["password"].encode("latin-1"))
    return fields


def _read_integer(frame: bytes, at: int, _row: Row) -> tuple[int, int]:
    """One octet."""
    return frame[at], at + 1


def _read_string(frame: bytes, at: int, row: Row) -> tuple[str, int]:
    """Up to the NUL, which must come within `row.longest` octets and within the body."""
    end = frame.find(0, at, at + row.longest)
    if end < 0:
        raise _FieldFault(row.status)
    return frame[at:end].decode("latin-1"), end + 1


def _read_counted(frame: bytes, at: int, row: Row) -> tuple[bytes, int]:
    """A length octet and that many octets, all of which must be there."""
    start = at + 1
    end = start + frame[at]
    if frame[at] > row.longest or end > len(frame):
        raise _FieldFault(row.status)
    return frame[start:end], end


_READERS: Final[Mapping[Kind, Callable[[bytes, int, Row], tuple[Any, int]]]] = {
    Kind.INTEGER: _read_integer,
    Kind.STRING: _read_string,
    Kind.TIME: _read_string,  # of a peer's times nothing is asked but that they end
    Kind.COUNTED: _read_counted,
}


def encode(value: pdu.Pdu) -> bytes:
    """Write one whole PDU, header included.

    An error response is its header alone (SMPP 3.4 §4.1.2, §4.4.2) unless it has something to say, but
    deliver_sm_resp always has its message_id, which §4.6.2 wants as a NUL. Raises FieldTooLong or
    FieldInvalid; anything else is a defect.
    """
    status = getattr(value, "status", 0)
    body = _write_body(value, status)
    return write_header(HEADER_LENGTH + len(body), value.command_id, status, value.sequence) + body


def write_header(length: int, command_id: int, status: int, sequence: int) -> bytes:
    """The sixteen octets ahead of a body. Raises FieldInvalid for a number which does not fit."""
    for name, number in (("command_status", status), ("sequence_number", sequence)):
        if not 0 <= number <= MAX_UINT32:
            raise FieldInvalid(field=name)
    return HEADER.pack(length, command_id, status, sequence)


def _write_body(value: pdu.Pdu, status: int) -> bytes:
    """Everything behind the header."""
    if isinstance(value, UNREAD):
        return value.body
    tlvs = write_tlvs(getattr(value, "tlvs", ()))
    fields = {row: getattr(value, row.name) for row in LAYOUTS[type(value)]}
    silent = status != Status.ROK and not tlvs and not any(fields.values())
    if silent and not isinstance(value, pdu.DeliverSmResp):
        return b""
    return b"".join(_WRITERS[row.kind](row, field) for row, field in fields.items()) + tlvs


def _write_integer(row: Row, number: int) -> bytes:
    """One octet."""
    if not 0 <= number <= MAX_UINT8:
        raise FieldInvalid(field=row.name)
    return bytes((number,))


def _write_string(row: Row, text: str | Secret) -> bytes:
    """Latin-1 and its NUL; a password stays out of the error as every value does."""
    try:
        octets = text.reveal() if isinstance(text, Secret) else text.encode("latin-1")
    except UnicodeEncodeError:
        raise FieldInvalid(field=row.name) from None
    if len(octets) >= row.longest:
        raise FieldTooLong(field=row.name, length=len(octets), limit=row.longest - 1)
    if 0 in octets:
        raise FieldInvalid(field=row.name)
    return octets + b"\0"


def _write_time(row: Row, text: str) -> bytes:
    """Empty or 16 characters: a peer cannot read anything between."""
    octets = _write_string(row, text)
    if len(text) not in {0, TIME_LENGTH}:
        raise FieldInvalid(field=row.name)
    return octets


def _write_counted(row: Row, octets: bytes) -> bytes:
    """The length octet and the octets."""
    if len(octets) > row.longest:
        raise FieldTooLong(field=row.name, length=len(octets), limit=row.longest)
    return bytes((len(octets),)) + octets


_WRITERS: Final[Mapping[Kind, Callable[[Row, Any], bytes]]] = {
    Kind.INTEGER: _write_integer,
    Kind.STRING: _write_string,
    Kind.TIME: _write_time,
    Kind.COUNTED: _write_counted,
}
