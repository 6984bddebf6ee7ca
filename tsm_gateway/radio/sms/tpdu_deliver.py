"""SMS-DELIVER, a message on its way to the phone (3GPP TS 23.040 §9.2.2.1).

```
1 first octet | originating address (2 to 12) | 1 PID | 1 DCS | 7 SCTS | 1 UDL | user data
```
First octet: bits 1-0 are TP-MTI 00; bit 2 TP-MMS, 0 when more messages wait; bit 5 TP-SRI; bit 6 TP-UDHI;
bit 7 TP-RP. TP-MTI 11 is reserved and read as SMS-DELIVER, as §9.2.3.1 demands.

Neither a time stamp that is no date nor an address that cannot be read stops a message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.sms.address_octets import shown_address
from tsm_gateway.radio.sms.timestamp import timestamp_octets
from tsm_gateway.radio.sms.tpdu import EIGHT_BIT, ProtocolId
from tsm_gateway.radio.sms.tpdu_errors import Flaw, TpduMalformed
from tsm_gateway.radio.sms.tpdu_kind import KIND_MASK, Kind, kind_of
from tsm_gateway.radio.sms.tpdu_reader import TpduReader
from tsm_gateway.radio.sms.user_data import read_user_data, user_data_octets

if TYPE_CHECKING:
    from tsm_gateway.radio.sms.timestamp import Timestamp

NO_MORE: Final = 0x04
REPORT: Final = 0x20
HEADER: Final = 0x40
REPLY_PATH: Final = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """A message for the phone."""

    originator: bytes = field(repr=False)  # TP-OA as it came, 2 to 12 octets
    user_data: bytes = field(repr=False)  # header and body, at most 140 octets
    has_header: bool = False  # the user data starts with UDHL: see `header.read_header`
    data_coding: int = EIGHT_BIT  # 0..255: see `data_coding.classify`
    protocol_id: int = ProtocolId.SHORT_MESSAGE  # 0..255
    sent: Timestamp | None = None  # when the service centre got it; None when its octets are no date
    characters: int = 0  # of 7 bits in the user data, when that is text of those
    more_wait: bool = False  # at the service centre
    report_returned: bool = False  # the sender is told what becomes of it
    reply_path: bool = False

    @property
    def source(self) -> str:
        """Who sent it, as `address.normalise` gives it; empty when that cannot be read."""
        return shown_address(self.originator)


def read_deliver(tpdu: bytes) -> Deliver:
    """Read an SMS-DELIVER. Raises TpduMalformed and nothing else, whatever the octets."""
    fields = TpduReader(tpdu)
    first = fields.octet()
    if kind_of(first) is not Kind.DELIVER:
        raise TpduMalformed(Flaw.OTHER_KIND, kind=first & KIND_MASK)
    originator = fields.address()
    protocol_id, data_coding = fields.octets(2)
    sent = fields.timestamp()
    user_data, characters = read_user_data(fields, data_coding)
    return Deliver(
        originator=originator,
        user_data=user_data,
        has_header=bool(first & HEADER),
        data_coding=data_coding,
        protocol_id=protocol_id,
        sent=sent,
        characters=characters,
        more_wait=not first & NO_MORE,
        report_returned=bool(first & REPORT),
        reply_path=bool(first & REPLY_PATH),
    )


def deliver_octets(message: Deliver) -> bytes:
    """The TPDU of `message`. Raises TpduOverflow, and ValueError for what no field can hold."""
    flags = (
        (NO_MORE, not message.more_wait),
        (REPORT, message.report_returned),
        (HEADER, message.has_header),
        (REPLY_PATH, message.reply_path),
    )
    first = Kind.DELIVER | sum(bit for bit, is_set in flags if is_set)
    return (
        bytes((first,))
        + message.originator
        + bytes((message.protocol_id, message.data_coding))
        + timestamp_octets(message.sent)
        + user_data_octets(message.user_data, message.data_coding, message.characters)
    )
