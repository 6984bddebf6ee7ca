"""Delivery receipts as SMSCs write them (SMPP 3.4 Appendix B), and the two spellings of a message id."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from tsm_gateway.virtual.smpp_octets import RECEIPT, Tlv, c_octets, deliver_body, tlv

_STATES = {"DELIVRD": 2, "EXPIRED": 3, "DELETED": 4, "UNDELIV": 5, "ACCEPTD": 6, "UNKNOWN": 7, "REJECTD": 8}
FINAL = tuple(_STATES)


@dataclass(frozen=True, slots=True)
class ReceiptStyle:
    """How this SMSC treats receipts."""

    state: str = "DELIVRD"  # what becomes of every message
    error: str = "000"
    id_base: int = 10  # 10 or 16: the spelling in receipts
    response_id_base: int = 10  # and in submit_sm_resp
    tlvs: bool = True  # receipted_message_id and message_state
    text: bool = True  # the text of Appendix B; without it the TLVs stand alone
    before_response: bool = False  # the receipt overtakes the response
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for a state or a base no receipt has."""
        if self.state not in _STATES or not {self.id_base, self.response_id_base} <= {10, 16}:
            message = f"states are {', '.join(_STATES)}; bases 10 and 16"
            raise ValueError(message)


def spell(message_number: int, base: int) -> str:
    """A message id in the spelling of `base`."""
    return f"{message_number:X}" if base == 16 else f"{message_number:010d}"  # noqa: PLR2004 - a base


def receipt_text(message_id: str, style: ReceiptStyle, at: float) -> str:
    """The text of a receipt written at `at`, Unix seconds."""
    when = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%y%m%d%H%M")
    delivered = "001" if style.state == "DELIVRD" else "000"
    return (
        f"id:{message_id} sub:001 dlvrd:{delivered} submit date:{when} done date:{when} "
        f"stat:{style.state} err:{style.error} text:"
    )


def receipt_body(source: str, destination: str, message_number: int, style: ReceiptStyle, at: float) -> bytes:
    """The deliver_sm body that tells `destination`, the ESME, what became of a message sent to `source`."""
    message_id = spell(message_number, style.id_base)
    tlvs = tlv(Tlv.RECEIPTED_MESSAGE_ID, c_octets(message_id))
    tlvs += tlv(Tlv.MESSAGE_STATE, bytes((_STATES[style.state],)))
    text = receipt_text(message_id, style, at).encode("ascii") if style.text else b""
    return deliver_body(
        source,
        destination,
        esm_class=RECEIPT,
        protocol_id=0,
        data_coding=0,
        short_message=text,
        tlvs=tlvs if style.tlvs else b"",
    )
