"""SMPP 3.4 from the SMSC's side: framing, the requests an ESME sends, the requests an SMSC sends.

Written from the specification's tables, and on purpose not from the gateway's codec, which this checks.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from tsm_gateway.virtual.errors import FormatMalformed

HEADER = struct.Struct(">IIII")  # command_length, command_id, command_status, sequence_number (§3.2)
MAX_PDU = 0x10000
MAX_SEQUENCE = 0x7FFFFFFF
UDHI = 0x40  # esm_class: a user data header is there (§5.2.12)
RECEIPT = 0x04  # esm_class: a delivery receipt (§5.2.12)
WANTS_RECEIPT = 0x01  # registered_delivery (§5.2.17)
RESPONSE = 0x80000000


class Command(IntEnum):
    """command_id (§5.1.2.1)."""

    GENERIC_NACK = 0x80000000
    BIND_RECEIVER = 0x00000001
    BIND_TRANSMITTER = 0x00000002
    SUBMIT_SM = 0x00000004
    DELIVER_SM = 0x00000005
    UNBIND = 0x00000006
    BIND_TRANSCEIVER = 0x00000009
    ENQUIRE_LINK = 0x00000015
    DATA_SM = 0x00000103


class Status(IntEnum):
    """command_status (§5.1.3)."""

    ROK = 0x00
    RINVMSGLEN = 0x01
    RINVCMDLEN = 0x02
    RINVCMDID = 0x03
    RINVBNDSTS = 0x04
    RALYBND = 0x05
    RSYSERR = 0x08
    RINVDSTADR = 0x0B
    RBINDFAIL = 0x0D
    RINVPASWD = 0x0E
    RINVSYSID = 0x0F
    RMSGQFUL = 0x14
    RTHROTTLED = 0x58
    RX_T_APPN = 0x64
    VENDOR = 0x0480  # of the range left to vendors, 0x400 to 0x4FF


class Tlv(IntEnum):
    """Tags of the optional parameters used here (§5.3.2)."""

    RECEIPTED_MESSAGE_ID = 0x001E
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427


class Pdu(NamedTuple):
    """One frame, its header read."""

    command: int
    status: int
    sequence: int
    body: bytes


class Bind(NamedTuple):
    """What a bind request says; the password is compared and forgotten."""

    system_id: str
    password: bytes

    def __repr__(self) -> str:
        """Name the account, never the password."""
        return f"Bind({self.system_id})"


class SubmitSm(NamedTuple):
    """A submit_sm (§4.4.1) as the SMSC needs it."""

    source: str  # "+" and digits when international
    destination: str
    esm_class: int
    protocol_id: int
    data_coding: int
    validity_period: str
    registered_delivery: int
    user_data: bytes  # short_message, or message_payload


def frames(buffer: bytearray) -> list[Pdu]:
    """Take every whole PDU off the front of `buffer`. Raises FormatMalformed: the stream is lost."""
    taken: list[Pdu] = []
    at, end = 0, len(buffer)
    while end - at >= HEADER.size:
        length, command, status, sequence = HEADER.unpack_from(buffer, at)
        if not HEADER.size <= length <= MAX_PDU:
            raise FormatMalformed(what="command_length", length=length)
        if end - at < length:
            break
        taken.append(Pdu(command, status, sequence, bytes(buffer[at + HEADER.size : at + length])))
        at += length
    del buffer[:at]
    return taken


def pdu(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    """One whole PDU."""
    return HEADER.pack(HEADER.size + len(body), command, status, sequence) + body


def c_octets(text: str) -> bytes:
    """A C-octet string."""
    return text.encode("latin-1") + b"\0"


def tlv(tag: int, value: bytes) -> bytes:
    """An optional parameter."""
    return struct.pack(">HH", tag, len(value)) + value


def read_bind(body: bytes) -> Bind:
    """Read any of the three bind requests (§4.1). Raises FormatMalformed."""
    fields = body.split(b"\0", 3)
    if len(fields) < 4 or len(fields[0]) > 15 or len(fields[1]) > 8:  # noqa: PLR2004 - §4.1.1
        raise FormatMalformed(what="bind")
    return Bind(fields[0].decode("latin-1"), fields[1])


def read_submit(body: bytes) -> SubmitSm:
    """Read a submit_sm. Raises FormatMalformed."""
    try:
        at = body.index(0) + 1  # service_type is of no interest
        source, at = _read_address(body, at)
        destination, at = _read_address(body, at)
        esm_class, protocol_id, _priority = body[at : at + 3]
        at = body.index(0, at + 3) + 1  # schedule_delivery_time likewise
        end = body.index(0, at)
        validity_period = body[at:end].decode("latin-1")
        registered, _replace, data_coding, _default, length = body[end + 1 : end + 6]
    except ValueError:
        raise FormatMalformed(what="submit_sm cut short") from None
    at = end + 6
    user_data = body[at : at + length]
    if len(user_data) != length:
        raise FormatMalformed(what="sm_length")
    payload = _read_tlvs(body, at + length).get(Tlv.MESSAGE_PAYLOAD)
    if payload is not None:
        user_data = payload
    return SubmitSm(
        source, destination, esm_class, protocol_id, data_coding, validity_period, registered, user_data
    )


def _read_address(body: bytes, at: int) -> tuple[str, int]:
    """(address, end) of ton, npi and a C-octet string at `at`. Raises ValueError when cut short."""
    end = body.index(0, at + 2)
    digits = body[at + 2 : end].decode("latin-1")
    return f"+{digits}" if body[at] == 1 and not digits.startswith("+") else digits, end + 1


def _read_tlvs(body: bytes, at: int) -> dict[int, bytes]:
    values: dict[int, bytes] = {}
    while at < len(body):
        tag, length = int.from_bytes(body[at : at + 2], "big"), int.from_bytes(body[at + 2 : at + 4], "big")
        at += 4 + length
        if at > len(body):
            raise FormatMalformed(what="optional parameter cut short")
        values[tag] = body[at - length : at]
    return values


def address(number: str) -> bytes:
    """ton, npi and digits: international with "+", alphanumeric with letters, else unknown (§5.2.5)."""
    if number.startswith("+"):
        return b"\x01\x01" + c_octets(number[1:])
    return (b"\x00\x01" if number.isdigit() else b"\x05\x00") + c_octets(number)


def deliver_body(  # one argument a field of §4.6.1 that is not zero
    source: str,
    destination: str,
    *,
    esm_class: int,
    protocol_id: int,
    data_coding: int,
    short_message: bytes,
    tlvs: bytes = b"",
) -> bytes:
    """The body of a deliver_sm (§4.6.1)."""
    return b"".join(
        (
            b"\0",
            address(source),
            address(destination),
            bytes((esm_class, protocol_id, 0, 0, 0, 0, 0, data_coding, 0, len(short_message))),
            short_message,
            tlvs,
        )
    )
