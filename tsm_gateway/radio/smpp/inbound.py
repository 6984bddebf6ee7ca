"""What a deliver_sm or data_sm is to the gateway: part of a payment, a receipt, or nothing of ours.

| in this order | becomes |
|---|---|
| short_message and message_payload in one PDU | refused with RINVMSGLEN, nothing is forwarded |
| a receipt (see `receipt`) which names a message | `Receipt` |
| a receipt which names none, a broken header, an address that is none | `Unusable`, malformed |
| another message type, data that is not 8-bit | `Unusable`, not_for_us |
| everything else | `Segment`; whether its port is ours the relay knows |

Ports and concatenation are those of the user data header; where that has none, the TLVs destination_port
and sar_* count. A concatenation with total 0, number 0 or a number above the total is none, whichever way
it came. The user data header may stand in message_payload as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.messages import Arrival, Segment, Ticket, Unusable
from tsm_gateway.radio.smpp import commands, tlv
from tsm_gateway.radio.smpp.faults import BodyMalformed
from tsm_gateway.radio.smpp.options import IdBase
from tsm_gateway.radio.smpp.receipt import MESSAGE, TYPE_MASK, UDHI, is_receipt, read_receipt
from tsm_gateway.radio.smpp.status import Status
from tsm_gateway.radio.sms.address import AddressError, normalise
from tsm_gateway.radio.sms.header import HeaderMalformed, read_header
from tsm_gateway.radio.sms.tpdu import is_eight_bit

if TYPE_CHECKING:
    from tsm_gateway.radio.smpp.layouts import Tlvs
    from tsm_gateway.radio.smpp.pdu import DataSm, DeliverSm

MALFORMED: Final = "malformed"  # the relay's refusal reasons
NOT_FOR_US: Final = "not_for_us"

_OCTET_UNSPECIFIED: Final = 0x02  # 8-bit binary to SMPP (§5.2.19), though not to 3GPP TS 23.038


class _Carriage(NamedTuple):
    """How a body was addressed and cut, whichever way it was said."""

    port: int | None
    reference: int | None
    total: int
    number: int
    body: bytes


def to_arrival(message: DeliverSm | DataSm, ticket: Ticket, base: IdBase = IdBase.AUTO) -> Arrival:
    """What `message` is, to be answered by `ticket`; `base` is how the peer spells ids in receipts.

    Raises BodyMalformed with the status to answer when the message is said twice; nothing else.
    """
    esm_class, coding, tlvs = message.esm_class, message.data_coding, message.tlvs
    user_data = _user_data(message)
    if is_receipt(esm_class, tlvs):
        receipt = read_receipt(ticket, esm_class, tlvs, _text(user_data, esm_class), base)
        return receipt or _unusable(message, ticket, MALFORMED)
    if esm_class & TYPE_MASK != MESSAGE or not (coding == _OCTET_UNSPECIFIED or is_eight_bit(coding)):
        return _unusable(message, ticket, NOT_FOR_US)
    try:
        return Segment(
            ticket,
            normalise(message.source_addr, message.source_addr_ton),
            normalise(message.destination_addr, message.dest_addr_ton),
            getattr(message, "protocol_id", 0),  # data_sm has none
            coding,
            *_carriage(user_data, tlvs, has_header=bool(esm_class & UDHI)),
        )
    except (AddressError, HeaderMalformed):
        return _unusable(message, ticket, MALFORMED)


def _unusable(message: DeliverSm | DataSm, ticket: Ticket, reason: str) -> Unusable:
    """Nothing of ours, with its source if that is an address at all: anything else may not reach a log."""
    try:
        source = normalise(message.source_addr, message.source_addr_ton)
    except AddressError:
        source = ""
    return Unusable(ticket, source, reason)


def _text(user_data: bytes, esm_class: int) -> bytes:
    """A receipt's text without the header it may have; peers set the indicator with no header there, too."""
    if not esm_class & UDHI:
        return user_data
    try:
        return read_header(user_data).body
    except HeaderMalformed:
        return user_data


def _user_data(message: DeliverSm | DataSm) -> bytes:
    """short_message or message_payload, header included. Raises BodyMalformed when both are there.

    SMPP 3.4 §5.3.2.32 wants sm_length 0 beside a message_payload; choosing one of two would be guessing.
    """
    short: bytes = getattr(message, "short_message", b"")
    payload = tlv.find(message.tlvs, commands.TAG_MESSAGE_PAYLOAD) if message.tlvs else None
    if payload is None:
        return short
    if short:
        raise BodyMalformed(
            command_id=message.command_id,
            sequence=message.sequence,
            status=Status.RINVMSGLEN,
        )
    return payload


def _carriage(user_data: bytes, tlvs: Tlvs, *, has_header: bool) -> _Carriage:
    """Read the header, then the TLVs for what it left open. Raises HeaderMalformed."""
    header = read_header(user_data) if has_header else None
    ports = header.ports if header else None
    part = header.concatenation if header else None
    body = header.body if header else user_data
    port = ports[0] if ports else None
    if part is not None:
        reference, total, number = part.reference, part.total, part.number
    else:
        reference, total, number = None, 1, 1
    if tlvs:
        port = tlv.integer(tlvs, commands.TAG_DESTINATION_PORT) if port is None else port
        if part is None:
            reference, total, number = _sar(tlvs)
    return _Carriage(port, reference, total, number, body)


def _sar(tlvs: Tlvs) -> tuple[int | None, int, int]:
    """(reference, total, number) of the sar_* parameters (§5.3.2.22 to 24); (None, 1, 1) for no such part."""
    reference = tlv.integer(tlvs, commands.TAG_SAR_MSG_REF_NUM)
    total = tlv.integer(tlvs, commands.TAG_SAR_TOTAL_SEGMENTS)
    number = tlv.integer(tlvs, commands.TAG_SAR_SEGMENT_SEQNUM)
    if reference is None or total is None or number is None:
        return None, 1, 1
    if not (0 < number <= total <= 0xFF and reference <= 0xFFFF):  # noqa: PLR2004 - one octet, two octets
        return None, 1, 1
    return reference, total, number
