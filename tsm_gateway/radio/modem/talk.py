"""A talk: one thing done with a modem from its first command to its last, as a generator.

It yields what it wants and is sent a `Reply`. Nothing of another talk comes between two of its yields,
with one exception: an acknowledgement the network waits for (`acknowledge`), which touches no memory and
no setting. So what one talk selects stays selected. After a reply that says DEAF or CUT a talk has to
return: whatever it yields then is not done.

| yields | is sent |
|---|---|
| Command | its answer |
| Resync | LATE when the modem answers again, DEAF when it does not |
| Pause | OK, after that long |
| Await | OK with the numbers that are durable, when all are answered or the time is over |
"""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tsm_gateway.radio.modem.at_command import Command
from tsm_gateway.radio.modem.final_code import Family, Result

if TYPE_CHECKING:
    from tsm_gateway.radio.modem.at_reply import Entry


class Outcome(Enum):
    """How an exchange ended."""

    OK = "ok"
    ERROR = "error"  # another final result
    OUT_OF_STEP = "out_of_step"  # OK without the information asked for: it answered something else
    LATE = "late"  # no result in time; the modem answers again
    DEAF = "deaf"  # no result in time, and no answer to AT
    CUT = "cut"  # the port is gone


class Reply(NamedTuple):
    """An answer."""

    outcome: Outcome
    result: Result = Result(Family.OK)
    lines: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    body_written: bool = False
    durable: frozenset[int] = frozenset()
    waited_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.outcome is Outcome.OK

    @property
    def line(self) -> str:
        """The last line of information, "" when it failed or there is none."""
        return self.lines[-1] if self.lines and self.ok else ""


class Resync(NamedTuple):
    """Throw away whatever is late, until the modem answers AT."""


class Pause(NamedTuple):
    """Say nothing for a while."""

    seconds: float


class Await(NamedTuple):
    """Wait until the caller said of every number that it is durable, or refused."""

    numbers: tuple[int, ...]
    limit_s: float


Ask = Command | Resync | Pause | Await
_T = TypeVar("_T")
Talk = Generator[Ask, Reply, _T]


class Trouble(Enum):
    """Why a talk did not do what it was for; the value is the reason in events."""

    DEAF = "deaf"
    CUT = "cut"
    LATE = "late"
    MUTE = "mute"  # it answers AT, but tells of no message what became of it
    REFUSED = "refused"  # the modem cannot do what we cannot do without
    LOCKED = "locked"  # the SIM
    FOREIGN = "foreign"  # another modem or SIM than configured
    REBOOTED = "rebooted"
