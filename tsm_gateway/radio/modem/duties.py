"""What a ready modem is there for, in the order of urgency, and when each is due.

| duty | due | then |
|---|---|---|
| arm | an acknowledgement was missed | it is verified, and a sweep follows |
| verify | every few minutes; a hint at a restart | a lost setting: initialise |
| sweep | polling; any indication; more often while messages come | |
| send | a message waits and its pause is over | |
| look | once a minute; registration changed | |

The same duty is never done twice in a row while another is due, so no stream of messages either way
stops the other. An acknowledgement owed to the network is no duty: it goes first, between any two
commands.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.radio.modem.sweep import sweep
from tsm_gateway.radio.modem.upkeep import look, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.radio.modem.acknowledge import Acknowledgements
    from tsm_gateway.radio.modem.sending import Sending
    from tsm_gateway.radio.modem.station import Station
    from tsm_gateway.radio.modem.talk import Talk


class Agenda:
    """When each duty is due next; made anew whenever the modem becomes ready."""

    def __init__(
        self, station: Station, acknowledgements: Acknowledgements, sending: Sending, now: float
    ) -> None:
        """Sweep and look at once: whatever came while nobody listened is in the memories."""
        self.station = station
        self.acknowledgements = acknowledgements
        self.sending = sending
        timing = station.options.timing
        self.times = {"verify": now + timing.verify_s, "sweep": now, "look": now}
        self._begun = dict.fromkeys(self.times, now - timing.verify_gap_s)
        self._last = ""  # the duty begun last

    def next(self, now: float) -> Duty | None:
        """What to do now."""
        due = [duty for duty in DUTIES if (at := duty.at(self)) is not None and at <= now]
        return next((duty for duty in due if duty.name != self._last), due[0] if due else None)

    def next_at(self) -> float:
        """When the first of all is due."""
        return min(at for duty in DUTIES if (at := duty.at(self)) is not None)

    def begin(self, name: str, now: float) -> None:
        """A duty begins; a hint from now on makes it due again."""
        self._last = name
        if name in self.times:
            self.times[name], self._begun[name] = inf, now

    def end(self, name: str, result: object, now: float) -> None:
        """A duty is over: plan the next. After a sweep that found something more is on its way."""
        timing = self.station.options.timing
        busy = name == "sweep" and result != 0
        pauses = {"verify": timing.verify_s, "sweep": timing.poll_s, "look": timing.look_s}
        if name in self.times:
            self.times[name] = min(self.times[name], now + (timing.poll_busy_s if busy else pauses[name]))

    def hint(self, name: str, now: float) -> None:
        """The modem said something that makes a look worth while; at the gap's pace, except for sweeps."""
        gap_s = 0.0 if name == "sweep" else self.station.options.timing.verify_gap_s
        self.times[name] = min(self.times[name], max(now, self._begun[name] + gap_s))


class Duty(NamedTuple):
    """One row."""

    name: str
    at: Callable[[Agenda], float | None]
    talk: Callable[[Agenda], Talk[object]]


DUTIES: Final = (
    Duty("arm", lambda agenda: agenda.acknowledgements.arm_at, lambda agenda: agenda.acknowledgements.arm()),
    Duty("verify", lambda agenda: agenda.times["verify"], lambda agenda: verify(agenda.station)),
    Duty("sweep", lambda agenda: agenda.times["sweep"], lambda agenda: sweep(agenda.station)),
    Duty("send", lambda agenda: agenda.sending.next_at(), lambda agenda: agenda.sending.send()),
    Duty("look", lambda agenda: agenda.times["look"], lambda agenda: look(agenda.station)),
)
