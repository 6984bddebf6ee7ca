"""How the virtual SMSC packs a part into deliver_sm: as carriers do, who do not agree on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.virtual.part import read_header
from tsm_gateway.virtual.smpp_octets import UDHI, Tlv, deliver_body, tlv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.virtual.part import Part


def in_short_message(part: Part) -> bytes:
    """Header and body in short_message: the usual way."""
    return _body(part, part.udh + part.data)


def in_message_payload(part: Part) -> bytes:
    """Header and body in the TLV message_payload, short_message empty."""
    return _body(part, b"", tlv(Tlv.MESSAGE_PAYLOAD, part.udh + part.data), header=bool(part.udh))


def in_sar_parameters(part: Part) -> bytes:
    """Concatenation in the three sar_* TLVs, only the ports left in the header. Raises FormatMalformed."""
    header = read_header(part.udh)
    ports = b"\x06\x05\x04" + header.port.to_bytes(2, "big") * 2 if header.port is not None else b""
    if header.reference is None:
        return _body(part, ports + part.data, header=bool(ports))
    sar = (
        tlv(Tlv.SAR_MSG_REF_NUM, header.reference.to_bytes(2, "big"))
        + tlv(Tlv.SAR_TOTAL_SEGMENTS, bytes((header.total,)))
        + tlv(Tlv.SAR_SEGMENT_SEQNUM, bytes((header.number,)))
    )
    return _body(part, ports + part.data, sar, header=bool(ports))


CARRIAGES: Mapping[str, Callable[[Part], bytes]] = {
    "udh": in_short_message,
    "payload": in_message_payload,
    "sar": in_sar_parameters,
}


def _body(part: Part, short_message: bytes, tlvs: bytes = b"", *, header: bool | None = None) -> bytes:
    """The deliver_sm body; `header`: whether user data begins with one, by default as in `part`."""
    has_header = bool(part.udh) if header is None else header
    return deliver_body(
        part.source,
        part.destination,
        esm_class=UDHI if has_header else 0,
        protocol_id=part.pid,
        data_coding=part.dcs,
        short_message=short_message,
        tlvs=tlvs,
    )
