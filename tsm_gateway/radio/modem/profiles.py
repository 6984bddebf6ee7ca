"""What differs between makers, as data. A modem nobody knows is `generic`: the rows only save tries.

Every value is a preference: what the modem's own answers to `=?` do not allow is never said, and what it
refuses nevertheless gives way to the next.

| column | meaning |
|---|---|
| marks | parts of maker and model, in small letters: the first row of which one is found is taken |
| receives | memory for new messages, best first |
| store, direct | arguments of AT+CNMI for the two modes, best first; the last number follows `=?` |
| card | commands that tell the ICCID |
| first | said right after the PIN |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.modem.at_command import HUSH_HUAWEI, Indications, Memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.radio.modem.at_command import Command

_STORED: Final = tuple(
    Indications(mode, 1, 0, ds, 0)
    for mode, ds in ((2, 1), (2, 2), (2, 0), (1, 1), (1, 2), (1, 0), (3, 1), (3, 0))
)
_STORED_REPORTS_LAST: Final = tuple(sorted(_STORED, key=lambda row: row.ds == 2))  # noqa: PLR2004 -- the value
_HANDED: Final = tuple(
    Indications(mode, 2, 0, ds, 0)
    for mode, ds in ((2, 1), (1, 1), (3, 1), (2, 2), (1, 2), (2, 0), (1, 0), (3, 0))
)
_HANDED_ONLINE: Final = tuple(sorted(_HANDED, key=lambda row: row.mode == 2))  # noqa: PLR2004 -- the value
_CARD: Final = ("+CCID", "+ICCID", "+CICCID", "^ICCID?")


@dataclass(frozen=True, slots=True)
class Profile:
    """One family of modems."""

    name: str
    marks: tuple[str, ...] = ()
    receives: tuple[Memory, ...] = (Memory.SIM, Memory.PHONE, Memory.BOTH)
    store: tuple[Indications, ...] = _STORED
    direct: tuple[Indications, ...] = _HANDED
    card: tuple[str, ...] = _CARD
    first: tuple[Command, ...] = ()
    guesses_speed: bool = False
    network_timer_s: float = 20.0  # after it a message nobody acknowledged is refused; 24.011: 12 to 20 s


GENERIC: Final = Profile("generic")
_ROWS: Final = (
    Profile(
        "huawei",
        ("huawei",),
        direct=_HANDED_ONLINE,  # EM770W takes 2 and 3 for messages only with mode 1
        card=("^ICCID?", "+CCID", "+ICCID"),
        first=(HUSH_HUAWEI,),
    ),
    Profile("sim7600", ("sim7600", "sim7500"), card=("+CICCID", "+ICCID", "+CCID")),
    Profile(
        "sim800",
        ("sim800", "sim900", "sim868"),
        store=_STORED_REPORTS_LAST,
        card=("+CCID",),
        guesses_speed=True,
    ),
    # EC25 stores reports in SR yet announces them as SM: with 1 they are handed over instead
    Profile(
        "ec25", ("quectel", "ec25", "ec21", "ec20"), store=_STORED_REPORTS_LAST, card=("+QCCID", "+CCID")
    ),
    Profile("telit", ("telit",), card=("#CCID", "+CCID"), network_timer_s=17.0),
    Profile(
        "cinterion",
        ("cinterion", "siemens", "thales"),
        card=("+CCID", "^SCID"),
        receives=(Memory.SIM, Memory.BOTH),
    ),
)
PROFILES: Final[Mapping[str, Profile]] = {row.name: row for row in (*_ROWS, GENERIC)}


def profile_of(maker: str, model: str) -> Profile:
    """The profile of a modem by its answers to AT+CGMI and AT+CGMM."""
    told = f"{maker} {model}".lower()
    return next((row for row in _ROWS if any(mark in told for mark in row.marks)), GENERIC)
