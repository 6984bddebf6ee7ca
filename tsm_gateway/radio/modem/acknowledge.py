"""Messages handed over (direct mode): each is owed an acknowledgement, in the order they came.

| the oldest message owed is | then |
|---|---|
| open: the caller has not answered | wait; at the network's timer it is missed |
| durable | AT+CNMA; a modem that refuses it has missed it |
| refused, or damaged on the line | missed at the network's timer: the network sends it again |

The modem acknowledges the oldest, whatever we mean, so nothing younger may go first. After a miss the
modem has set AT+CNMI to silence (TS 27.005 §3.4.1) and everything owed is void: arm it again, then sweep,
for some messages go to the SIM even here. A message that was made durable nevertheless comes again and is
known by its digest.

A damaged PDU that comes again just as it was is not the line's fault: it is acknowledged once the caller
has it in quarantine.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.modem import at_command
from tsm_gateway.radio.modem.talk import Outcome, Talk, Trouble

if TYPE_CHECKING:
    from tsm_gateway.radio.modem.modem_value import Incoming
    from tsm_gateway.radio.modem.station import Station

MOST_OWED: Final = 64  # the network waits for each acknowledgement, so a second one is rare already
_REMEMBERED: Final = 16  # damaged PDUs


@dataclass(slots=True)
class Owed:
    """One message handed over."""

    number: int
    until: float  # the network's timer
    damaged: bool


class Acknowledgements:
    """What is owed to the network on one opened port."""

    def __init__(self, station: Station) -> None:
        """Nothing yet."""
        self.arm_at: float | None = None  # when the modem has to be armed again
        self._station = station
        self._owed: deque[Owed] = deque()
        self._damaged: deque[bytes] = deque(maxlen=_REMEMBERED)

    def arrived(self, told: Incoming, now: float) -> None:
        """A message was handed over and told to the caller."""
        damaged = bool(told.fault) and told.digest not in self._damaged
        if damaged:
            self._damaged.append(told.digest)
        self._owe(told.number, now, damaged=damaged)

    def arrived_without_pdu(self, now: float) -> None:
        """A message was handed over and its PDU lost on the line: nothing to tell, and never acknowledged."""
        self._owe(self._station.number(), now, damaged=True)

    @property
    def due(self) -> bool:
        """Whether the oldest may be acknowledged now."""
        return bool(self._owed) and not self._owed[0].damaged and self._fate(self._owed[0]) is True

    def next_at(self) -> float | None:
        """When `tick` has something to do."""
        return self._owed[0].until if self._owed else None

    def tick(self, now: float) -> None:
        """Look at the network's timer."""
        if self._owed and now >= self._owed[0].until:
            self.missed(self._why(self._owed[0]), now)

    def missed(self, why: str, now: float) -> None:
        """The modem fell silent: what is owed is void."""
        self._station.counters.acknowledgements_missed += len(self._owed)
        self._station.tell("modem.acknowledgement_missed", why=why, count=len(self._owed))
        for owed in self._owed:
            self._station.fates.pop(owed.number, None)
        self._owed.clear()
        self.arm_at = now

    def acknowledge(self) -> Talk[Trouble | None]:
        """Acknowledge what is durable, oldest first."""
        while self.due:
            reply = yield at_command.ACKNOWLEDGE
            if not reply.ok:
                self.missed("refused", self._station.now)
                return None if reply.outcome is Outcome.ERROR else _trouble(reply.outcome)
            self._station.fates.pop(self._owed.popleft().number, None)
            self._station.counters.acknowledged += 1
        return None

    def arm(self) -> Talk[Trouble | None]:
        """Have messages handed over again."""
        self.arm_at = None
        wanted = self._station.setting.indications
        if wanted is None:
            return None
        reply = yield at_command.set_indications(wanted)
        return None if reply.ok else _trouble(reply.outcome) or Trouble.REBOOTED

    def _owe(self, number: int, now: float, *, damaged: bool) -> None:
        if len(self._owed) == MOST_OWED:
            self.missed("too_many", now)
        self._owed.append(Owed(number, now + self._station.setting.profile.network_timer_s, damaged))

    def _fate(self, owed: Owed) -> bool | None:
        return self._station.fates.get(owed.number)

    def _why(self, owed: Owed) -> str:
        if owed.damaged:
            return "damaged"
        return "not_durable" if self._fate(owed) is None else "refused_by_us"


def _trouble(outcome: Outcome) -> Trouble | None:
    return Trouble(outcome.value) if outcome in (Outcome.LATE, Outcome.DEAF, Outcome.CUT) else None
