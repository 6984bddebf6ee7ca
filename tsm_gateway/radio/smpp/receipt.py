"""Delivery receipts: what the network says became of a part, in TLVs and in text.

A receipt is known by its esm_class before anything of its content is looked at (SMPP 3.4 §5.2.12):

| esm_class bits 5-2 | what it is | here |
|---|---|---|
| 0x00 | a message | not a receipt, unless the SMSC put receipted_message_id (§5.3.2.12) beside it |
| 0x04 | SMSC delivery receipt | receipt |
| 0x20 | intermediate notification | receipt, never more than "on its way" |
| 0x08, 0x10 | acknowledgement by the receiving SME or its user | neither a receipt nor a payment |
| 0x18 and the rest | conversation abort, reserved | neither a receipt nor a payment |

Text alone never makes a receipt: whoever can send a message can write `id:… stat:DELIVRD` into it.

The id and the state come from the TLVs where there are any, else from the text of SMPP 3.4 appendix B,
`id:… sub:… dlvrd:… submit date:… done date:… stat:… err:… text:…`, whose fields may be missing, empty or
in any case. The dates are not read: peers write seconds, no seconds, or `YYMMDDhhmm` itself.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tsm_gateway.messages import Receipt, ReceiptState, Ticket
from tsm_gateway.radio.smpp import commands, tlv
from tsm_gateway.radio.smpp.options import IdBase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tsm_gateway.radio.smpp.layouts import Tlvs

TYPE_MASK: Final = 0x3C
MESSAGE: Final = 0x00
DELIVERY_RECEIPT: Final = 0x04
INTERMEDIATE: Final = 0x20
UDHI: Final = 0x40  # the user data begins with its header (§5.2.12)

_LONGEST_TEXT: Final = 512  # octets looked at; the fields before text: take about 120
_LONGEST_ID: Final = 64
_LONGEST_ERROR: Final = 16
_LONGEST_HEXADECIMAL: Final = 16  # digits: message centres count in 64 bits at most
_NETWORK_ERROR_LENGTH: Final = 3  # octets: network type, error code in two

_STATES: Final[Mapping[int, ReceiptState]] = MappingProxyType(  # message_state, §5.2.28
    {
        0: ReceiptState.PENDING,  # scheduled, SMPP 5.0
        1: ReceiptState.PENDING,  # en route
        2: ReceiptState.DELIVERED,
        3: ReceiptState.FAILED,  # expired
        4: ReceiptState.FAILED,  # deleted
        5: ReceiptState.FAILED,  # undeliverable
        6: ReceiptState.PENDING,  # accepted by somebody on the receiver's behalf
        7: ReceiptState.UNKNOWN,
        8: ReceiptState.FAILED,  # rejected
        9: ReceiptState.FAILED,  # skipped, SMPP 5.0
    },
)
_WORDS: Final[Mapping[str, ReceiptState]] = MappingProxyType(  # stat:, appendix B and what peers make of it
    {
        "delivrd": ReceiptState.DELIVERED,
        "delivered": ReceiptState.DELIVERED,
        "expired": ReceiptState.FAILED,
        "deleted": ReceiptState.FAILED,
        "undeliv": ReceiptState.FAILED,
        "undelivered": ReceiptState.FAILED,
        "undeliverable": ReceiptState.FAILED,
        "rejectd": ReceiptState.FAILED,
        "rejected": ReceiptState.FAILED,
        "failed": ReceiptState.FAILED,
        "enroute": ReceiptState.PENDING,
        "acceptd": ReceiptState.PENDING,
        "accepted": ReceiptState.PENDING,
        "buffred": ReceiptState.PENDING,
        "buffered": ReceiptState.PENDING,
        "unknown": ReceiptState.UNKNOWN,
    },
)
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]+(?:-[0-9a-f]+)*")
_DECIMAL: Final = re.compile(r"[0-9]+")
_ERROR: Final = re.compile(r"[0-9A-Za-z]+")


def is_receipt(esm_class: int, tlvs: Tlvs = ()) -> bool:
    """Whether a deliver_sm or data_sm is a receipt, by the table above.

    A message with a user data header is none, whatever TLV hangs on it: no receipt carries one, and a
    payment taken for a receipt would be answered and lost.
    """
    kind = esm_class & TYPE_MASK
    if kind == MESSAGE:
        if esm_class & UDHI:
            return False
        return bool(tlvs) and bool(tlv.text(tlvs, commands.TAG_RECEIPTED_MESSAGE_ID))
    return kind in {DELIVERY_RECEIPT, INTERMEDIATE}


def read_receipt(
    ticket: Ticket,
    esm_class: int,
    tlvs: Tlvs,
    text: bytes,
    base: IdBase = IdBase.AUTO,
) -> Receipt | None:
    """What a receipt says; None when it names no message, so that nobody can use it.

    `text` is short_message or message_payload, any octets; `base` is how the peer spells ids in receipts.
    """
    fields = read_text(text)
    named = (tlv.text(tlvs, commands.TAG_RECEIPTED_MESSAGE_ID) or "", fields.get("id", ""))
    ids = dict.fromkeys(spelling for name in named for spelling in spellings(name, base))
    if not ids:
        return None
    state = _state(tlvs, fields)
    if esm_class & TYPE_MASK == INTERMEDIATE and state is not ReceiptState.UNKNOWN:
        state = ReceiptState.PENDING  # a failed attempt is not the last one
    return Receipt(ticket, tuple(ids), state, _error(tlvs, fields))


def _state(tlvs: Tlvs, fields: Mapping[str, str]) -> ReceiptState:
    """message_state if it is a known one, else stat:."""
    number = tlv.integer(tlvs, commands.TAG_MESSAGE_STATE)
    if number is not None and number in _STATES:
        return _STATES[number]
    return _WORDS.get(fields.get("stat", "").lower(), ReceiptState.UNKNOWN)


def _error(tlvs: Tlvs, fields: Mapping[str, str]) -> str:
    """network_error_code as "type:code" in decimal (§5.3.2.31), else err:, else ""."""
    value = tlv.find(tlvs, commands.TAG_NETWORK_ERROR_CODE)
    if value is not None and len(value) == _NETWORK_ERROR_LENGTH:
        return f"{value[0]}:{int.from_bytes(value[1:], 'big')}"
    error = fields.get("err", "")
    return error if len(error) <= _LONGEST_ERROR and _ERROR.fullmatch(error) else ""


def read_text(text: bytes) -> dict[str, str]:
    """The fields of a receipt's text ahead of `text:`, by lower-case name; of a repeated one the first.

    Dates come under "date". Never raises: what is no field is passed over.
    """
    fields: dict[str, str] = {}
    words = iter(text[:_LONGEST_TEXT].decode("latin-1").split())
    name = ""  # of a field whose value has not come yet
    for word in words:
        key, colon, value = word.partition(":")
        if not colon:
            if name:
                fields.setdefault(name, word)
            name = ""
            continue
        name = key.lower()
        if name == "text":
            break
        if value:
            fields.setdefault(name, value)
            name = ""
    return fields


def spellings(message_id: str, base: IdBase) -> tuple[str, ...]:
    """Every spelling under which to store, or look for, the id of a part; best first, () for none.

    Peers give a part's id in hexadecimal and name it in decimal in its receipt, or the other way round,
    with or without leading zeros, dashes and capitals. Two ids mean the same part when they have one
    spelling in common. `base` tells how this id is written:

    - DECIMAL, HEXADECIMAL: the number in decimal, and nothing else;
    - AUTO: the id in lower case without leading zeros and dashes, then, if it can be one, the
      hexadecimal number in decimal: enough, since of two ids that name one number at most one is
      hexadecimal;
    - TEXT, and ids that are no number in `base`: the id in lower case, of hexadecimal digits without
      leading zeros and dashes except in TEXT.
    """
    plain = message_id.strip(" \t\r\n\0").lower()
    if not plain or len(plain) > _LONGEST_ID:
        return ()
    if base is IdBase.TEXT or not _HEXADECIMAL.fullmatch(plain):
        return (plain,)
    digits = plain.replace("-", "").lstrip("0") or "0"
    return tuple(dict.fromkeys(_readings(digits, base)))


def _readings(digits: str, base: IdBase) -> Iterator[str]:
    """The numbers which hexadecimal digits, without leading zeros, may stand for."""
    number = len(digits) <= _LONGEST_HEXADECIMAL
    if base is not IdBase.HEXADECIMAL or not number:
        yield digits
    if number and base in {IdBase.HEXADECIMAL, IdBase.AUTO}:
        yield str(int(digits, 16))
