"""Final results: the lines that end a command, and what the numbers in them mean for us.

| class | for a message to send | examples |
|---|---|---|
| BUSY | the same again after a pause, a bounded number of times | 515, CME 14 |
| TEMPORARY | not now: the relay decides when | no network, congestion, no SIM |
| PERMANENT | never: number or content is refused | 1, 21, 50, 96, 304 |
| UNCERTAIN | it may have gone out | 332, 500 |

Numbers of +CMS ERROR: 0..127 are causes of the network (3GPP TS 24.011 annex E), 128..255 failures of
TS 23.040 §9.2.3.22, from 300 the modem's (TS 27.005 §3.2.5), from 512 its maker's. Those of +CME ERROR:
TS 27.007 §9.2. A number in no row is TEMPORARY: the relay bounds its tries by time.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Family(Enum):
    """Which table the number of a final result is from."""

    OK = "OK"
    ERROR = "ERROR"  # no number: all failures without one
    CME = "+CME ERROR"
    CMS = "+CMS ERROR"


class Result(NamedTuple):
    """One final result."""

    family: Family
    number: int = 0  # 0 = none, or text instead
    text: str = ""  # as received, at most 64 characters


class Blame(Enum):
    """What a failed send means."""

    BUSY = "busy"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    UNCERTAIN = "uncertain"


SIM_MISSING, PIN_WANTED, PUK_WANTED, SIM_FAILED, SIM_BUSY, PIN_WRONG = 10, 11, 12, 13, 14, 16  # +CME ERROR
NO_ACKNOWLEDGEMENT_EXPECTED = 340  # +CMS ERROR

_PLAIN: Final = frozenset({"ERROR", "NO CARRIER", "NO DIALTONE", "NO DIAL TONE", "BUSY", "NO ANSWER"})
_MAKERS: Final = frozenset({"COMMAND NOT SUPPORT", "TOO MANY PARAMETERS"})  # Huawei's own spelling
_DIGITS: Final[Mapping[str, Family]] = {"0": Family.OK, "4": Family.ERROR}  # results while ATV0 holds
_NUMBERED: Final = re.compile(r"(\+CM[ES] ERROR) ?: ?(.*)", re.IGNORECASE)
_LONGEST_NUMBER: Final = 5
_LONGEST_TEXT: Final = 64

_BUSY_TEXTS: Final = ("sim busy", "(u)sim busy", "please wait")
_CMS: Final[Mapping[int, Blame]] = {
    **dict.fromkeys((1, 8, 10, 11, 21, 28, 29, 30, 50, 69, 81, 95, 96, 97, 99, 127), Blame.PERMANENT),
    **dict.fromkeys((128, 129, 130, 143, 144, 145, 159, 176), Blame.PERMANENT),
    **dict.fromkeys((302, 303, 304, 305), Blame.PERMANENT),
    **dict.fromkeys((314, 512, 515), Blame.BUSY),  # SIM busy; the makers' "wait" and "please wait"
    **dict.fromkeys((332, 500), Blame.UNCERTAIN),  # network timeout; unknown error, after the body was read
}
_CME: Final[Mapping[int, Blame]] = {
    SIM_BUSY: Blame.BUSY,
    **dict.fromkeys((4, 24, 25, 26, 27), Blame.PERMANENT),  # text or dial string too long, invalid characters
    **dict.fromkeys((31, 100), Blame.UNCERTAIN),
}


def read_final(line: str, *, numeric: bool = False) -> Result | None:
    """The final result that `line` is, or None; single digits count only while `numeric`."""
    if line == "OK":
        return Result(Family.OK)
    if line in _PLAIN or line in _MAKERS:
        return Result(Family.ERROR, text=line)
    if numeric and line in _DIGITS:
        return Result(_DIGITS[line])
    match = _NUMBERED.fullmatch(line)
    if match is None:
        return None
    text = match[2].strip()
    number = int(text) if text.isdecimal() and len(text) <= _LONGEST_NUMBER else 0
    return Result(Family(match[1].upper()), number, text[:_LONGEST_TEXT])


def blame(final: Result) -> Blame:
    """What a final result other than OK, got for a message to send, means."""
    if final.text.lower() in _BUSY_TEXTS:
        return Blame.BUSY
    if final.family is Family.CMS:
        return _CMS.get(final.number, Blame.TEMPORARY)
    if final.family is Family.CME:
        return _CME.get(final.number, Blame.TEMPORARY)
    return Blame.TEMPORARY
