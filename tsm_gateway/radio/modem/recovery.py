"""What to do about a modem in trouble, and how long to wait: values only.

| trouble in a row | cure | wait |
|---|---|---|
| 1st | initialise | none |
| 2nd | open the port again | short |
| 3rd | AT+CFUN=1,1, then open the port again | until it is up |
| 4th and on | open, every other time after a reset; an alarm | doubles up to a cap |

A modem that does not answer at all starts at the second row; a foreign one is only opened again, at the
cap's pace, and never reset. Ready for a while: the next trouble is the first again. A port that is gone is
no trouble of the modem's: it is looked for at a pace of its own, and its coming back is a fresh start.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.radio.modem.talk import Trouble

if TYPE_CHECKING:
    from tsm_gateway.radio.modem.options import Timing

MISSING_ALARM: Final = 5  # times in a row that a port could not be opened


class Cure(Enum):
    """What is done; the value stands in events."""

    INITIALISE = "initialise"
    REOPEN = "reopen"
    RESET = "reset"


class Treatment(NamedTuple):
    """A cure, when, and whether a person should look."""

    cure: Cure
    after_s: float
    alarm: bool = False


_FIRST: Final = (Cure.INITIALISE, Cure.REOPEN, Cure.RESET)


class Recovery:
    """The troubles of one modem."""

    def __init__(self, timing: Timing) -> None:
        """None so far."""
        self._timing = timing
        self._troubles = 0
        self._missing = 0
        self._ready_at: float | None = None

    @property
    def missing(self) -> int:
        """How often in a row the port was not there."""
        return self._missing

    def opened(self) -> None:
        """The port is there."""
        self._missing = 0

    def ready(self, now: float) -> None:
        """The modem is ready."""
        if self._ready_at is None:
            self._ready_at = now

    def trouble(self, trouble: Trouble, now: float) -> Treatment:
        """The next cure."""
        self._forgive(now)
        if trouble is Trouble.FOREIGN:
            return Treatment(Cure.REOPEN, self._timing.backoff_min_s)
        self._troubles += 1
        if trouble is Trouble.DEAF:
            self._troubles = max(self._troubles, _FIRST.index(Cure.REOPEN) + 1)
        if self._troubles <= len(_FIRST):
            cure = _FIRST[self._troubles - 1]
            return Treatment(cure, self._wait(cure, self._timing.reopen_min_s))
        beyond = self._troubles - len(_FIRST) - 1
        cure = Cure.RESET if beyond % 2 else Cure.REOPEN
        doubled = self._timing.backoff_min_s * 2.0 ** min(beyond, 16)
        return Treatment(cure, min(self._timing.backoff_max_s, doubled), alarm=True)

    def port_missing(self, now: float) -> float:
        """How long to wait before the port is looked for again."""
        self._forgive(now)
        self._missing += 1
        doubled = self._timing.reopen_min_s * 2.0 ** min(self._missing - 1, 16)
        return min(self._timing.reopen_max_s, doubled)

    def _wait(self, cure: Cure, shortest: float) -> float:
        return {Cure.INITIALISE: 0.0, Cure.REOPEN: shortest, Cure.RESET: self._timing.reset_s}[cure]

    def _forgive(self, now: float) -> None:
        if self._ready_at is not None and now - self._ready_at >= self._timing.stable_s:
            self._troubles = 0
        self._ready_at = None
