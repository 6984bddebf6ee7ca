"""SMS-SUBMIT, a message on its way from the phone (3GPP TS 23.040 §9.2.2.2).

```
1 first octet | 1 MR | destination address (2 to 12) | 1 PID | 1 DCS | 0, 1 or 7 VP | 1 UDL | user data
```
First octet: bits 1-0 are TP-MTI 01; bit 2 TP-RD; bits 4-3 TP-VPF; bit 5 TP-SRR; bit 6 TP-UDHI; bit 7 TP-RP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tsm_gateway.radio.sms.address import AddressError, split
from tsm_gateway.radio.sms.address_octets import (
    AddressOctetsMalformed,
    address_octets,
    read_address_octets,
)
from tsm_gateway.radio.sms.tpdu import EIGHT_BIT, ProtocolId
from tsm_gateway.radio.sms.tpdu_errors import Flaw, TpduMalformed
from tsm_gateway.radio.sms.tpdu_kind import KIND_MASK, Kind, kind_of
from tsm_gateway.radio.sms.tpdu_reader import TpduReader
from tsm_gateway.radio.sms.user_data import read_user_data, user_data_octets
from tsm_gateway.radio.sms.validity import NO_VALIDITY, Validity, ValidityForm

REJECT_DUPLICATES: Final = 0x04
VALIDITY_SHIFT: Final = 3
REPORT: Final = 0x20
HEADER: Final = 0x40
REPLY_PATH: Final = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """A message from the phone."""

    destination: str = field(repr=False)  # as `address.normalise` gives it
    user_data: bytes = field(repr=False)  # header and body, at most 140 octets
    has_header: bool = False  # the user data starts with UDHL
    reference: int = 0  # TP-MR, 0..255; most modems put in their own and tell it in +CMGS
    data_coding: int = EIGHT_BIT  # 0..255
    protocol_id: int = ProtocolId.SHORT_MESSAGE  # 0..255
    validity: Validity = NO_VALIDITY
    characters: int = 0  # of 7 bits in the user data, when that is text of those
    report_wanted: bool = False
    reject_duplicates: bool = False  # the centre refuses one it holds from us, with the same MR, for the same
    reply_path: bool = False


def read_submit(tpdu: bytes) -> Submit:
    """Read an SMS-SUBMIT. Raises TpduMalformed and nothing else, whatever the octets."""
    fields = TpduReader(tpdu)
    first = fields.octet()
    if kind_of(first) is not Kind.SUBMIT:
        raise TpduMalformed(Flaw.OTHER_KIND, kind=first & KIND_MASK)
    reference = fields.octet()
    destination = _destination(fields.address())
    protocol_id, data_coding = fields.octets(2)
    form = ValidityForm(first >> VALIDITY_SHIFT & 3)
    validity = Validity(form, fields.octets(form.octets))
    user_data, characters = read_user_data(fields, data_coding)
    return Submit(
        destination=destination,
        user_data=user_data,
        has_header=bool(first & HEADER),
        reference=reference,
        data_coding=data_coding,
        protocol_id=protocol_id,
        validity=validity,
        characters=characters,
        report_wanted=bool(first & REPORT),
        reject_duplicates=bool(first & REJECT_DUPLICATES),
        reply_path=bool(first & REPLY_PATH),
    )


def _destination(octets: bytes) -> str:
    """Whom an address names: unlike a sender's, it has to be one that a message can be sent to."""
    try:
        destination, _ = read_address_octets(octets)
        split(destination)
    except (AddressOctetsMalformed, AddressError) as error:
        raise TpduMalformed(Flaw.ADDRESS, octets=len(octets)) from error
    return destination


def submit_octets(message: Submit) -> bytes:
    """The TPDU of `message`.

    Raises AddressError for a destination no TPDU can carry, TpduOverflow for more user data than fits,
    and ValueError for what no field can hold.
    """
    flags = (
        (REJECT_DUPLICATES, message.reject_duplicates),
        (REPORT, message.report_wanted),
        (HEADER, message.has_header),
        (REPLY_PATH, message.reply_path),
    )
    form = message.validity.form << VALIDITY_SHIFT
    first = Kind.SUBMIT | form | sum(bit for bit, is_set in flags if is_set)
    return (
        bytes((first, message.reference))
        + address_octets(message.destination)
        + bytes((message.protocol_id, message.data_coding))
        + message.validity.octets
        + user_data_octets(message.user_data, message.data_coding, message.characters)
    )
