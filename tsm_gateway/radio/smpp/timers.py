"""The timers of a connection, without a clock (SMPP 3.4 §7.2).

Every call is told the monotonic time in seconds; `tick` is asked a few times a second and says what is
due. While we ourselves do not read, nothing the peer owes us can arrive, so those timers stand still.

| timer | starts | stops | then |
|---|---|---|---|
| bind | the bind leaves | its response | give up |
| enquire | the last PDU heard | the next PDU | enquire_link |
| answer | enquire_link leaves | its response | give up |
| pdu read | a PDU's first octet | its last | give up |
| stall | the peer stops reading | it reads again | give up |
| inactivity | the last message either way | the next one | unbind |
| unbind | our unbind leaves | its response | give up |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.radio.smpp.options import SmppOptions


class Due(Enum):
    """What a tick may find due; the value is the reason in events."""

    NOTHING = "nothing"
    PROBE = "probe"  # send enquire_link
    UNBIND = "inactivity"  # send unbind
    BIND_LATE = "bind_timeout"  # from here on: give the connection up
    ANSWER_LATE = "enquire_timeout"
    PDU_LATE = "pdu_timeout"
    STALLED = "stalled"
    UNBIND_LATE = "unbind_timeout"


GIVE_UP = frozenset({Due.BIND_LATE, Due.ANSWER_LATE, Due.PDU_LATE, Due.STALLED, Due.UNBIND_LATE})


@dataclass(slots=True)
class Timers:
    """When each thing began; None = it is not running. All of it monotonic seconds."""

    options: SmppOptions
    heard_at: float
    active_at: float
    binding_at: float | None = None
    probed_at: float | None = None
    partial_at: float | None = None
    stalled_at: float | None = None
    unbinding_at: float | None = None
    paused_at: float | None = None  # we do not read
    bound: bool = False

    def heard(self, now: float, *, complete: bool, partial: bool) -> None:
        """Octets came: a whole PDU ended with them or not, the beginning of another one is left or not."""
        if complete:
            self.heard_at = now
        if not partial:
            self.partial_at = None
        elif complete or self.partial_at is None:
            self.partial_at = now

    def message(self, now: float) -> None:
        """A message went either way."""
        self.active_at = now

    def paused(self, now: float) -> None:
        """We stopped reading."""
        if self.paused_at is None:
            self.paused_at = now

    def resumed(self, now: float) -> float:
        """We read again; every timer the peer runs against gets the lost time back, which is returned."""
        if self.paused_at is None:
            return 0.0
        lost, self.paused_at = now - self.paused_at, None
        self.heard_at += lost
        for name in ("binding_at", "probed_at", "partial_at", "unbinding_at"):
            began = getattr(self, name)
            if began is not None:
                setattr(self, name, min(now, began + lost))
        return lost

    def tick(self, now: float) -> Due:
        """The most urgent thing due at `now`."""
        return next(self._due(now), Due.NOTHING)

    def _due(self, now: float) -> Iterator[Due]:
        options = self.options
        if _over(self.stalled_at, options.stall_s, now):
            yield Due.STALLED
        if self.paused_at is not None:
            return
        for due, began, limit_s in (
            (Due.BIND_LATE, self.binding_at, options.bind_s),
            (Due.UNBIND_LATE, self.unbinding_at, options.unbind_s),
            (Due.PDU_LATE, self.partial_at, options.pdu_read_s),
            (Due.ANSWER_LATE, self.probed_at, options.answer_s),
        ):
            if _over(began, limit_s, now):
                yield due
        if not self.bound or self.unbinding_at is not None:
            return
        if options.inactivity_s and now - self.active_at >= options.inactivity_s:
            yield Due.UNBIND
        if self.probed_at is None and now - self.heard_at >= options.enquire_s:
            yield Due.PROBE


def _over(began: float | None, limit_s: float, now: float) -> bool:
    return began is not None and now - began >= limit_s
