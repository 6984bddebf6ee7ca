"""The sending half of a connection: what may leave, what waits for its answer, what became of it.

Each part given to a link leads to exactly one `Submitted`, at once or later:

| when | fate |
|---|---|
| there is no room, or no bind | not sent (`session`) |
| it cannot be written as submit_sm | permanent |
| the peer answers | what `status` says of the answer |
| the peer does not answer within `response_s` | unknown |
| the connection is lost before the answer | unknown: its octets had been given to the network |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.messages import Fate, Submitted
from tsm_gateway.radio.smpp import codec
from tsm_gateway.radio.smpp.faults import FieldInvalid, FieldTooLong
from tsm_gateway.radio.smpp.pacing import Bucket, Throttle
from tsm_gateway.radio.smpp.receipt import spellings
from tsm_gateway.radio.smpp.status import Status, after_submit
from tsm_gateway.radio.smpp.submission import Mould
from tsm_gateway.radio.smpp.window import Window
from tsm_gateway.radio.sms.address import AddressError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.messages import PartId, Submission
    from tsm_gateway.radio.smpp.link_event import LinkCounters
    from tsm_gateway.radio.smpp.options import SmppOptions


class Answered(NamedTuple):
    """What one response of the peer led to."""

    submitted: Submitted
    pause_s: float  # a pause of the link that begins with it; 0.0 = none


class Submitter:
    """Window, rate and pauses of one connection."""

    __slots__ = ("_bucket", "_counters", "_mould", "_options", "_throttle", "window")

    def __init__(self, options: SmppOptions, counters: LinkCounters, throttle: Throttle, now: float) -> None:
        """Begin with an empty window; `throttle` outlives the connection, as the peer's patience does."""
        self._options = options
        self._counters = counters
        self._throttle = throttle
        self._bucket = Bucket(options.rate_per_s, now)
        self._mould = Mould(options)
        self.window = Window(options.window)

    def room(self, now: float) -> int:
        """How many parts may leave now."""
        if self._throttle.wait_s(now):
            return 0
        return self._bucket.room(now, max(0, self.window.free()))

    def wait_s(self, now: float) -> float:
        """How long until rate and pause allow the next part; 0.0 = they do now."""
        return self._throttle.wait_s(now) or self._bucket.wait_s(now)

    def submit(self, parts: Sequence[Submission], now: float, out: list[bytes]) -> list[Submitted]:
        """Write parts, at most `room` of them, to `out`; return those that cannot be written."""
        unfit = []
        deadline = now + self._options.response_s
        for part in parts:
            sequence = self.window.number()
            try:
                octets = codec.encode(self._mould.cast(sequence, part))
            except (AddressError, FieldTooLong, FieldInvalid) as fault:
                status = Status.RINVDSTADR if isinstance(fault, AddressError) else Status.RINVMSGLEN
                unfit.append(Submitted(part.part, Fate.PERMANENT, status, ()))
                continue
            out.append(octets)
            self.window.sent(sequence, part.part, deadline)
            self._bucket.take(1)
            self._counters.submits += 1
        return unfit

    def answered(self, sequence: int, status: int, message_id: str, now: float) -> Answered | None:
        """The peer's response to a submit_sm, or its generic_nack; None when nothing waits for it."""
        part = self.window.answered(sequence)
        if part is None:
            return None
        fate, first_s = after_submit(status)  # a pause in units of the shortest one
        pause_s = 0.0
        if fate is Fate.ACCEPTED:
            self._counters.submits_accepted += 1
            self._throttle.accepted(now)
        else:
            self._counters.submits_refused += 1
            if first_s:
                self._counters.submits_throttled += 1
                pause_s = self._throttle.refused(now, first_s * self._options.throttle_min_s)
        ids = spellings(message_id, self._options.response_id_base) if message_id else ()
        return Answered(Submitted(part, fate, status, ids), pause_s)

    def late(self, now: float) -> list[Submitted]:
        """The parts whose answer is overdue."""
        parts = self.window.late(now)
        self._counters.submits_unanswered += len(parts)
        return _unknown(parts)

    def lost(self) -> list[Submitted]:
        """The connection is gone."""
        parts = self.window.empty()
        self._counters.submits_cut_off += len(parts)
        return _unknown(parts)


def _unknown(parts: list[PartId]) -> list[Submitted]:
    return [Submitted(part, Fate.UNKNOWN, 0, ()) for part in parts]
