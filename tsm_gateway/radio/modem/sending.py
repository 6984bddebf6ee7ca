"""Messages on their way out, one at a time: AT+CMGS, the prompt, body and Ctrl-Z in one write.

| the modem | the message |
|---|---|
| answers +CMGS | ACCEPTED, with its TP-MR; also when that came late |
| is busy (515, CME 14) | again from a new AT+CMGS, after a pause that doubles; a bounded number of times |
| refuses | TEMPORARY or PERMANENT, by the table in `final_code` |
| does not prompt | NOT_SENT: without its body nothing can have gone out |
| says nothing after the body, or that it does not know | UNKNOWN |

UNKNOWN is never sent again from here. The relay may do so: it sends stored octets, byte-identical each
time, and the provider knows a double by its key and packet counter, so a repetition costs an SMS and
nothing else. Where a status report was asked for it tells more.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tsm_gateway.messages import Fate
from tsm_gateway.radio.modem import at_command
from tsm_gateway.radio.modem.at_values import numbers
from tsm_gateway.radio.modem.final_code import Blame, blame
from tsm_gateway.radio.modem.modem_value import Sent
from tsm_gateway.radio.modem.talk import Outcome, Reply, Talk, Trouble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.radio.modem.at_command import Command
    from tsm_gateway.radio.modem.station import Station

_UNANSWERED: Final = 3  # one message may be lost in the network, three in a row are the modem's doing
_FATES: Final[Mapping[Blame, Fate]] = {
    Blame.BUSY: Fate.BUSY,
    Blame.TEMPORARY: Fate.TEMPORARY,
    Blame.PERMANENT: Fate.PERMANENT,
    Blame.UNCERTAIN: Fate.UNKNOWN,
}


@dataclass(slots=True, eq=False)
class Outgoing:
    """One message that waits."""

    key: object
    command: Command
    at: float  # not before
    tries: int = 0


class Sending:
    """The messages of one modem that wait to go out, oldest first."""

    def __init__(self, station: Station) -> None:
        """None yet."""
        self._station = station
        self._queue: deque[Outgoing] = deque()
        self._under_way: Outgoing | None = None
        self.unanswered = 0  # in a row

    @property
    def room(self) -> int:
        """How many more may be queued."""
        return max(0, self._station.options.queue - len(self._queue) - bool(self._under_way))

    def put(self, key: object, tpdu: bytes, now: float) -> None:
        """Queue an SMS-SUBMIT TPDU. Raises CommandInvalid when it is empty or too long."""
        self._queue.append(Outgoing(key, at_command.send(tpdu), now))

    def due(self, now: float) -> bool:
        """Whether the oldest may go out now."""
        return bool(self._queue) and now >= self._queue[0].at

    def next_at(self) -> float | None:
        """When the oldest may go out."""
        return self._queue[0].at if self._queue else None

    def send(self) -> Talk[Trouble | None]:
        """Send the oldest."""
        outgoing = self._under_way = self._queue.popleft()
        outgoing.tries += 1
        reply = yield outgoing.command
        self._under_way = None
        self.unanswered = 0 if reply.outcome in (Outcome.OK, Outcome.ERROR) else self.unanswered + 1
        self._settle(outgoing, reply)
        if self.unanswered >= _UNANSWERED:
            self.unanswered = 0
            return Trouble.MUTE
        return Trouble(reply.outcome.value) if reply.outcome in (Outcome.DEAF, Outcome.CUT) else None

    def flush(self) -> None:
        """The modem is not ready any more: what waits was not sent, what is under way may have been."""
        if self._under_way:
            self._tell(self._under_way, Fate.UNKNOWN)
            self._under_way = None
        while self._queue:
            self._tell(self._queue.popleft(), Fate.NOT_SENT)

    def _settle(self, outgoing: Outgoing, reply: Reply) -> None:
        reference = _reference(reply)
        if reference is not None or reply.ok:
            self._tell(outgoing, Fate.ACCEPTED, reference=reference)
            return
        if reply.outcome is not Outcome.ERROR:
            self._tell(outgoing, Fate.UNKNOWN if reply.body_written else Fate.NOT_SENT)
            return
        fate = _FATES[blame(reply.result)]
        if fate is Fate.UNKNOWN and not reply.body_written:
            fate = Fate.TEMPORARY
        if fate is Fate.BUSY and outgoing.tries < self._station.options.tries:
            self._again(outgoing)
        else:
            self._tell(outgoing, fate, status=reply.result.number)

    def _again(self, outgoing: Outgoing) -> None:
        self._station.counters.send_retries += 1
        outgoing.at = self._station.now + self._station.options.timing.retry_s * 2.0 ** (outgoing.tries - 1)
        self._queue.appendleft(outgoing)  # a busy modem is busy for the others, too

    def _tell(self, outgoing: Outgoing, fate: Fate, *, status: int = 0, reference: int | None = None) -> None:
        counters = self._station.counters
        counters.sent += fate is Fate.ACCEPTED
        counters.send_unknown += fate is Fate.UNKNOWN
        counters.send_refused += fate in (Fate.BUSY, Fate.TEMPORARY, Fate.PERMANENT)
        if fate is Fate.UNKNOWN:
            self._station.tell("modem.send_unknown", status=status)
        self._station.values.append(Sent(outgoing.key, fate, status, reference))


def _reference(reply: Reply) -> int | None:
    """TP-MR of '+CMGS: reference[,ackpdu]', 0..255; None when it is not there or no reference."""
    first = next(iter(numbers(reply.lines[-1])), None) if reply.lines else None
    return first if first is not None and first <= 0xFF else None  # noqa: PLR2004 -- one octet
