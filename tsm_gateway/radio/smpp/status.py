"""What each command_status means to us (SMPP 3.4 §5.1.3), as tables.

`after_submit` says what becomes of a part that was refused and how long its link rests, `after_bind` how
soon a refused bind is worth repeating, `VERDICT_STATUS` what we answer to a short message.

A status the specification does not name (vendors have 0x400 to 0x4FF, and use more) counts as temporary:
the part was refused, so sending it again cannot double it, and the relay's attempts are bounded.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.messages import Fate, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

VENDOR_FIRST: Final = 0x400
VENDOR_LAST: Final = 0x4FF


class Status(IntEnum):
    """Every command_status SMPP 3.4 names, without the ESME_ in front."""

    ROK = 0x00
    RINVMSGLEN = 0x01
    RINVCMDLEN = 0x02
    RINVCMDID = 0x03
    RINVBNDSTS = 0x04
    RALYBND = 0x05
    RINVPRTFLG = 0x06
    RINVREGDLVFLG = 0x07
    RSYSERR = 0x08
    RINVSRCADR = 0x0A
    RINVDSTADR = 0x0B
    RINVMSGID = 0x0C
    RBINDFAIL = 0x0D
    RINVPASWD = 0x0E
    RINVSYSID = 0x0F
    RCANCELFAIL = 0x11
    RREPLACEFAIL = 0x13
    RMSGQFUL = 0x14
    RINVSERTYP = 0x15
    RINVNUMDESTS = 0x33
    RINVDLNAME = 0x34
    RINVDESTFLAG = 0x40
    RINVSUBREP = 0x42
    RINVESMCLASS = 0x43
    RCNTSUBDL = 0x44
    RSUBMITFAIL = 0x45
    RINVSRCTON = 0x48
    RINVSRCNPI = 0x49
    RINVDSTTON = 0x50
    RINVDSTNPI = 0x51
    RINVSYSTYP = 0x53
    RINVREPFLAG = 0x54
    RINVNUMMSGS = 0x55
    RTHROTTLED = 0x58
    RINVSCHED = 0x61
    RINVEXPIRY = 0x62
    RINVDFTMSGID = 0x63
    RX_T_APPN = 0x64
    RX_P_APPN = 0x65
    RX_R_APPN = 0x66
    RQUERYFAIL = 0x67
    RINVOPTPARSTREAM = 0xC0
    ROPTPARNOTALLWD = 0xC1
    RINVPARLEN = 0xC2
    RMISSINGOPTPARAM = 0xC3
    RINVOPTPARAMVAL = 0xC4
    RDELIVERYFAILURE = 0xFE
    RUNKNOWNERR = 0xFF


class Refusal(NamedTuple):
    """What a refused submit_sm means."""

    fate: Fate
    pause_s: float = 0.0  # seconds for which the link submits nothing more


class BindAdvice(Enum):
    """How to go on after a refused bind."""

    BACK_OFF = "back_off"  # the peer's trouble, or our last session not yet forgotten: it passes by itself
    ALARM = "alarm"  # somebody must change a configuration: try rarely, and say so loudly


# A named status says that these very octets will be refused again, except where this table knows better.
# Pauses: a rate is limited per second, so a second heals it; a queue or a system takes longer.
_SUBMIT: Final[Mapping[int, Refusal]] = MappingProxyType(
    {
        **dict.fromkeys(map(int, Status), Refusal(Fate.PERMANENT)),
        Status.ROK: Refusal(Fate.ACCEPTED),
        Status.RTHROTTLED: Refusal(Fate.BUSY, 1.0),
        Status.RMSGQFUL: Refusal(Fate.BUSY, 5.0),
        Status.RSYSERR: Refusal(Fate.TEMPORARY, 5.0),
        Status.RINVBNDSTS: Refusal(Fate.TEMPORARY, 1.0),  # the peer forgot our bind; the session finds out
        Status.RALYBND: Refusal(Fate.TEMPORARY),  # this and the next three speak of binds, not of parts
        Status.RBINDFAIL: Refusal(Fate.TEMPORARY),
        Status.RINVPASWD: Refusal(Fate.TEMPORARY),
        Status.RINVSYSID: Refusal(Fate.TEMPORARY),
        Status.RSUBMITFAIL: Refusal(Fate.TEMPORARY),  # says that it failed and not why
        Status.RX_T_APPN: Refusal(Fate.TEMPORARY),
        Status.RDELIVERYFAILURE: Refusal(Fate.TEMPORARY),  # transaction mode: the phone was not there
        Status.RUNKNOWNERR: Refusal(Fate.TEMPORARY),
    },
)
_UNNAMED: Final = Refusal(Fate.TEMPORARY)

_BIND_ALARMS: Final = frozenset(
    {
        Status.RINVPASWD,
        Status.RINVSYSID,
        Status.RINVSYSTYP,
        Status.RINVCMDID,  # this kind of bind is not offered here
        Status.RINVCMDLEN,
        Status.RINVPARLEN,
    },
)

# RMSGQFUL and RX_T_APPN both make the SMSC keep the message and try again; they differ for its operator.
VERDICT_STATUS: Final[Mapping[Verdict, int]] = MappingProxyType(
    {Verdict.TAKEN: Status.ROK, Verdict.FULL: Status.RMSGQFUL, Verdict.BUSY: Status.RX_T_APPN},
)


def after_submit(status: int) -> Refusal:
    """What the command_status of a submit_sm_resp or generic_nack does to the part."""
    return _SUBMIT.get(status, _UNNAMED)


def after_bind(status: int) -> BindAdvice:
    """How to go on after a bind answered with `status`, anything but ROK."""
    return BindAdvice.ALARM if status in _BIND_ALARMS else BindAdvice.BACK_OFF


def name_of(status: int) -> str:
    """The status as an operator reads it: ESME_RTHROTTLED, vendor 0x0412, reserved 0x0009."""
    if status in _SUBMIT:
        return f"ESME_{Status(status).name}"
    kind = "vendor" if VENDOR_FIRST <= status <= VENDOR_LAST else "reserved"
    return f"{kind} 0x{status:04X}"
