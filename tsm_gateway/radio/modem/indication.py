"""Unsolicited lines: what a modem says without being asked (URC), by how they begin.

They are hints, never the truth: whatever one says, its effect is only to look, earlier than planned, at
the memory or the setting it is about. The exception are messages handed over, whose PDU is their second
line. Forms of the makers stand beside those of TS 27.005 and 27.007.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """What an indication makes us do."""

    STORED = "stored"  # sweep
    FULL = "full"  # sweep, and say so
    MESSAGE = "message"  # its PDU is the next line
    REPORT = "report"  # the same
    BROADCAST = "broadcast"  # the same; nobody wants it
    REGISTRATION = "registration"  # look
    BOOTED = "booted"  # verify every setting
    CARD = "card"  # the same
    OTHER = "other"  # nothing


TWO_LINES: Final = frozenset({Kind.MESSAGE, Kind.REPORT, Kind.BROADCAST})

_BEGINNINGS: Final[Mapping[str, Kind]] = {
    "+CMTI:": Kind.STORED,  # also '"SM",1,"MMS PUSH",2,1' and ',-1': no index is ever taken from it
    "+CDSI:": Kind.STORED,
    "+CBMI:": Kind.OTHER,
    "^SMMEMFULL": Kind.FULL,
    "SMS FULL": Kind.FULL,
    "+SMSFULL": Kind.FULL,
    '+QIND: "SMSFULL"': Kind.FULL,
    "+CMT:": Kind.MESSAGE,
    "+CDS:": Kind.REPORT,
    "+CBM:": Kind.BROADCAST,
    "+CREG:": Kind.REGISTRATION,
    "+CGREG:": Kind.REGISTRATION,
    "+CEREG:": Kind.REGISTRATION,
    "^BOOT": Kind.BOOTED,
    "^SYSSTART": Kind.BOOTED,
    "*PSREADY": Kind.BOOTED,
    "RDY": Kind.BOOTED,
    "CALL READY": Kind.BOOTED,
    "SMS READY": Kind.BOOTED,
    "SMS DONE": Kind.BOOTED,
    "PB DONE": Kind.BOOTED,
    "+QIND: SMS DONE": Kind.BOOTED,
    "NORMAL POWER DOWN": Kind.BOOTED,
    "POWERED DOWN": Kind.BOOTED,
    "UNDER-VOLTAGE": Kind.BOOTED,
    "OVER-VOLTAGE": Kind.BOOTED,
    "+CPIN:": Kind.CARD,
    "+SIM": Kind.CARD,
    "^SIMST": Kind.CARD,
    "+QSIMSTAT": Kind.CARD,
    "+QUSIM": Kind.CARD,
    "#QSS:": Kind.CARD,
    "#SIMPR:": Kind.CARD,
    "^SCKS:": Kind.CARD,
    **dict.fromkeys(
        (
            *("RING", "+CRING:", "+CLIP:", "+CCWA:", "+CSSU:", "+CSSI:", "+CUSD:", "+CCWV:", "+CIEV:"),
            *("+CTZV:", "+CTZE:", "+CTZDST:", "*PSUTTZ:", "DST:", "+CGEV:", "+CALV:", "+CFUN:", "+PSUTTZ:"),
            *("^RSSI:", "^HCSQ:", "^MODE:", "^SRVST:", "^DSFLOWRPT:", "^DSDORMANT:", "^CSNR:", "^STIN:"),
            *("^CEND:", "^CONN:", "^ORIG:", "^NWTIME:", "^RFSWITCH:", "^DATACLASS:", "^LOCCHD:", "^ANLEVEL:"),
            *("+QIND:", "+QUSMS:", "#NITZ:", "#PSNT:", "#CTZV:", "^SBC:", "+CSQN:", "+COPN:", "MO RING"),
            *("VOICE CALL:", "MISSED_CALL:", "+STIN:", "+CPSI:", "+ZDONR:", "+ZPASR:", "+ZUSIMR:"),
        ),
        Kind.OTHER,
    ),
}
_LONGEST_FIRST: Final = tuple(sorted(_BEGINNINGS.items(), key=lambda row: -len(row[0])))
_MAKERS_MARKS: Final = "+^*#$%&!"


def kind_of(line: str) -> Kind | None:
    """What indication a line is, None when it is none we know."""
    upper = line.upper()
    for beginning, kind in _LONGEST_FIRST:
        if upper.startswith(beginning):
            return kind
    return None


def looks_like_one(line: str) -> bool:
    """Whether an unknown line has the form of an indication: a mark and capitals. No PDU has."""
    return line[:1] in _MAKERS_MARKS and line[1:2].isalpha()
