"""SMS-STATUS-REPORT, what became of a message we submitted (3GPP TS 23.040 §9.2.2.3).

```
1 first octet | 1 MR | recipient address (2 to 12) | 7 SCTS | 7 discharge time | 1 status | PI and more
```
First octet: bits 1-0 are TP-MTI 10; bit 2 TP-MMS, 0 when more messages wait; bit 5 TP-SRQ; bit 6 TP-UDHI.
TP-PI, and the PID, DCS and user data it may announce, are optional and tell nothing about the message
reported on. They are kept as they came and not read: a broken tail must not hide the status.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.sms.address_octets import shown_address
from tsm_gateway.radio.sms.delivery_status import StatusClass, status_class
from tsm_gateway.radio.sms.timestamp import timestamp_octets
from tsm_gateway.radio.sms.tpdu_errors import Flaw, TpduMalformed
from tsm_gateway.radio.sms.tpdu_kind import KIND_MASK, Kind, kind_of
from tsm_gateway.radio.sms.tpdu_reader import TpduReader

if TYPE_CHECKING:
    from tsm_gateway.radio.sms.timestamp import Timestamp

NO_MORE: Final = 0x04
OF_COMMAND: Final = 0x20
HEADER: Final = 0x40


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """A report on a message we submitted; it is known by `reference` and `recipient`."""

    reference: int  # TP-MR of that message, 0..255
    recipient: bytes = field(repr=False)  # TP-RA as it came, 2 to 12 octets
    status: int  # TP-ST, 0..255
    sent: Timestamp | None = None  # when the service centre got that message; None when no date
    discharged: Timestamp | None = None  # when it was delivered or last tried; None when no date
    more_wait: bool = False  # at the service centre
    of_command: bool = False  # on an SMS-COMMAND, which we never send
    has_header: bool = False  # the user data in `rest` starts with UDHL
    rest: bytes = field(default=b"", repr=False)  # TP-PI and what is behind it, as it came

    @property
    def destination(self) -> str:
        """Whom that message was for, as `address.normalise` gives it; empty when it cannot be read."""
        return shown_address(self.recipient)

    @property
    def verdict(self) -> StatusClass:
        """What the status means for that message."""
        return status_class(self.status)


def read_status_report(tpdu: bytes) -> StatusReport:
    """Read an SMS-STATUS-REPORT. Raises TpduMalformed and nothing else, whatever the octets."""
    fields = TpduReader(tpdu)
    first = fields.octet()
    if kind_of(first) is not Kind.STATUS_REPORT:
        raise TpduMalformed(Flaw.OTHER_KIND, kind=first & KIND_MASK)
    return StatusReport(
        reference=fields.octet(),
        recipient=fields.address(),
        sent=fields.timestamp(),
        discharged=fields.timestamp(),
        status=fields.octet(),
        more_wait=not first & NO_MORE,
        of_command=bool(first & OF_COMMAND),
        has_header=bool(first & HEADER),
        rest=fields.rest(),
    )


def status_report_octets(report: StatusReport) -> bytes:
    """The TPDU of `report`. Raises ValueError for what no field can hold."""
    flags = (
        (NO_MORE, not report.more_wait),
        (OF_COMMAND, report.of_command),
        (HEADER, report.has_header),
    )
    first = Kind.STATUS_REPORT | sum(bit for bit, is_set in flags if is_set)
    return (
        bytes((first, report.reference))
        + report.recipient
        + timestamp_octets(report.sent)
        + timestamp_octets(report.discharged)
        + bytes((report.status,))
        + report.rest
    )
