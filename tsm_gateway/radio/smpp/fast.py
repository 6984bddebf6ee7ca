"""The PDUs of the hot path, packed and unpacked by hand.

What is regular is done here in one pass; whatever is not goes to `reference`, which alone decides what a
peer or a caller did wrong. So both answer alike for every input, and the rules stand in one place.
Measured on one core: a deliver_sm of 140 octets is read in 2.1 µs, where smpplib takes 48; a submit_sm is
written in 1.6 µs, a submit_sm_resp read in 1.0 µs, a deliver_sm_resp written in 0.2 µs.
"""

from __future__ import annotations

import struct
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tsm_gateway.radio.smpp import commands, pdu
from tsm_gateway.radio.smpp.faults import FieldInvalid, FieldTooLong
from tsm_gateway.radio.smpp.tlv import TlvFault, read_tlvs, write_tlvs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_Message = TypeVar("_Message", pdu.SubmitSm, pdu.DeliverSm)
_Answer = TypeVar("_Answer", pdu.SubmitSmResp, pdu.DeliverSmResp)

_HEAD: Final = Struct(">IIII").pack
_HEAD_NUL: Final = Struct(">IIIIx").pack
_BODY: Final = 16  # offset of the body
_SERVICE_TYPE_STOP: Final = _BODY + 6  # behind the last octet its NUL may be
_MESSAGE_ID_STOP: Final = _BODY + 65
_MAX_SHORT_MESSAGE: Final = 254
_MAX_SERVICE_TYPE: Final = 5
_MAX_ADDRESS: Final = 20
_MAX_MESSAGE_ID: Final = 64
_TIME_LENGTHS: Final = (0, 16)
_MESSAGE_BODY: Final = b"%b\0%c%c%b\0%c%c%b\0%c%c%c%b\0%b\0%c%c%c%c%c%b%b"

# Named tuples are made without their generated constructor: it costs as much as finding all the fields.
_new = tuple.__new__


def read_message(kind: type[_Message], frame: bytes, _status: int, sequence: int) -> _Message:
    """A submit_sm or deliver_sm (§4.4.1, §4.6.1). Raises ValueError, IndexError or TlvFault if irregular."""
    index = frame.index
    a = index(0, _BODY, _SERVICE_TYPE_STOP)  # the NUL behind service_type
    b = index(0, a + 3, a + 24)  # behind source_addr
    c = index(0, b + 3, b + 24)  # behind destination_addr
    if frame[c + 4] == 0 == frame[c + 5]:  # neither schedule nor validity: as always in deliver_sm
        schedule = validity = ""
        at = c + 6
    else:
        d = index(0, c + 4, c + 21)
        e = index(0, d + 1, d + 18)
        schedule, validity = frame[c + 4 : d].decode("latin-1"), frame[d + 1 : e].decode("latin-1")
        at = e + 1
    start = at + 5
    end = start + frame[at + 4]
    if end > len(frame) or end - start > _MAX_SHORT_MESSAGE:
        raise ValueError
    return _new(
        kind,
        (
            sequence,
            frame[_BODY:a].decode("latin-1") if a > _BODY else "",
            frame[a + 1],
            frame[a + 2],
            frame[a + 3 : b].decode("latin-1"),
            frame[b + 1],
            frame[b + 2],
            frame[b + 3 : c].decode("latin-1"),
            frame[c + 1],
            frame[c + 2],
            frame[c + 3],
            schedule,
            validity,
            frame[at],
            frame[at + 1],
            frame[at + 2],
            frame[at + 3],
            frame[start:end],
            read_tlvs(frame, end) if end < len(frame) else (),
        ),
    )


def read_answer(kind: type[_Answer], frame: bytes, status: int, sequence: int) -> _Answer:
    """A submit_sm_resp or deliver_sm_resp: header, perhaps a message_id. Raises ValueError if irregular."""
    length = len(frame)
    if length == _BODY:  # no body: every error, and some successes
        return _new(kind, (sequence, status, "", ()))
    end = frame.index(0, _BODY, _MESSAGE_ID_STOP)
    if end + 1 != length:
        raise ValueError
    return _new(kind, (sequence, status, frame[_BODY:end].decode("latin-1"), ()))


def read_enquire_link(frame: bytes, _status: int, sequence: int) -> pdu.EnquireLink:
    """Header alone. Raises ValueError if there is more."""
    if len(frame) != _BODY:
        raise ValueError
    return pdu.EnquireLink(sequence)


def read_enquire_link_resp(frame: bytes, status: int, sequence: int) -> pdu.EnquireLinkResp:
    """Header alone. Raises ValueError if there is more."""
    if len(frame) != _BODY:
        raise ValueError
    return pdu.EnquireLinkResp(sequence, status)


READERS: Final[Mapping[int, Callable[[bytes, int, int], pdu.Pdu]]] = {
    commands.DELIVER_SM: partial(read_message, pdu.DeliverSm),
    commands.SUBMIT_SM: partial(read_message, pdu.SubmitSm),
    commands.SUBMIT_SM_RESP: partial(read_answer, pdu.SubmitSmResp),
    commands.DELIVER_SM_RESP: partial(read_answer, pdu.DeliverSmResp),
    commands.ENQUIRE_LINK: read_enquire_link,
    commands.ENQUIRE_LINK_RESP: read_enquire_link_resp,
}
IRREGULAR: Final = (ValueError, IndexError, TlvFault)  # what a reader raises to pass a frame on


def write_message(value: pdu.SubmitSm | pdu.DeliverSm) -> bytes:
    """A submit_sm or deliver_sm. Raises ValueError or OverflowError if a field does not fit."""
    (
        sequence,
        service_type,
        source_ton,
        source_npi,
        source,
        destination_ton,
        destination_npi,
        destination,
        esm_class,
        protocol_id,
        priority,
        schedule,
        validity,
        registered,
        replace,
        data_coding,
        default_message,
        short_message,
        tlvs,
    ) = value
    if (
        len(service_type) > _MAX_SERVICE_TYPE
        or len(source) > _MAX_ADDRESS
        or len(destination) > _MAX_ADDRESS
        or len(schedule) not in _TIME_LENGTHS
        or len(validity) not in _TIME_LENGTHS
        or len(short_message) > _MAX_SHORT_MESSAGE
        or "\0" in f"{service_type}{source}{destination}{schedule}{validity}"
    ):
        raise ValueError
    body = _MESSAGE_BODY % (
        service_type.encode("latin-1"),
        source_ton,
        source_npi,
        source.encode("latin-1"),
        destination_ton,
        destination_npi,
        destination.encode("latin-1"),
        esm_class,
        protocol_id,
        priority,
        schedule.encode("latin-1"),
        validity.encode("latin-1"),
        registered,
        replace,
        data_coding,
        default_message,
        len(short_message),
        short_message,
        write_tlvs(tlvs) if tlvs else b"",
    )
    return _HEAD(_BODY + len(body), value.command_id, 0, sequence) + body


def write_answer(value: pdu.SubmitSmResp | pdu.DeliverSmResp) -> bytes:
    """A response with a message_id and no error, the only one worth speed. Raises ValueError otherwise."""
    sequence, status, message_id, tlvs = value
    if status or tlvs or len(message_id) > _MAX_MESSAGE_ID or "\0" in message_id:
        raise ValueError
    octets = message_id.encode("latin-1")
    return _HEAD(_BODY + 1 + len(octets), value.command_id, 0, sequence) + octets + b"\0"


WRITERS: Final[Mapping[type[pdu.Pdu], Callable[[Any], bytes]]] = {
    pdu.SubmitSm: write_message,
    pdu.DeliverSm: write_message,
    pdu.SubmitSmResp: write_answer,
    pdu.DeliverSmResp: write_answer,
}
UNFIT: Final = (ValueError, OverflowError, struct.error, FieldInvalid, FieldTooLong)  # reasons to pass it on


def deliver_sm_resp(sequence: int, status: int = 0) -> bytes:
    """The answer to a deliver_sm, 17 octets; `sequence` and `status` as a decoder or `Status` gave them."""
    return _HEAD_NUL(_BODY + 1, commands.DELIVER_SM_RESP, status, sequence)


def enquire_link(sequence: int) -> bytes:
    """16 octets."""
    return _HEAD(_BODY, commands.ENQUIRE_LINK, 0, sequence)


def enquire_link_resp(sequence: int) -> bytes:
    """16 octets."""
    return _HEAD(_BODY, commands.ENQUIRE_LINK_RESP, 0, sequence)


def generic_nack(sequence: int, status: int) -> bytes:
    """16 octets; `sequence` 0 when the request's own could not be read (§4.3.1)."""
    return _HEAD(_BODY, commands.GENERIC_NACK, status, sequence)


def error_response(command_id: int, sequence: int, status: int) -> bytes:
    """The refusal of the request `command_id`: 16 octets, but 17 for deliver_sm (see `reference.encode`)."""
    if command_id == commands.DELIVER_SM:
        return deliver_sm_resp(sequence, status)
    return _HEAD(_BODY, command_id | commands.RESPONSE_BIT, status, sequence)
