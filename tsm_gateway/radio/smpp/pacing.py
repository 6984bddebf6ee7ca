"""How fast a link may send: a rate, and pauses when the peer says "slow down". No clock inside.

`Bucket` is a token bucket: one token per part. It holds a tenth of a second's worth, so that in any
second at most 1.1 times the rate leaves, and an idle link does not save up a burst.

`Throttle` is the answer to ESME_RTHROTTLED and ESME_RMSGQFUL (SMPP 3.4 §5.1.3): the link pauses, twice as
long each time it is told so again, up to a cap; once parts are taken again for as long as the last pause
was, the next pause is half as long. Refusals on their way when a pause began do not lengthen it.
"""

from __future__ import annotations

BURST_S = 0.1  # a bucket's depth
SOONEST_S = 0.01  # nobody needs waking more often for a token


class Bucket:
    """Tokens for parts, filled at `rate_per_s`; 0 = no limit."""

    __slots__ = ("_depth", "_filled_at", "_rate", "_tokens")

    def __init__(self, rate_per_s: float, now: float) -> None:
        """Start full at `now` (monotonic seconds)."""
        self._rate = rate_per_s
        self._depth = max(1.0, rate_per_s * BURST_S)
        self._tokens = self._depth
        self._filled_at = now

    def room(self, now: float, wanted: int) -> int:
        """How many of `wanted` parts may leave now."""
        if not self._rate:
            return wanted
        self._fill(now)
        return min(wanted, int(self._tokens))

    def take(self, parts: int) -> None:
        """Spend `parts` tokens found by `room`."""
        if self._rate:
            self._tokens -= parts

    def wait_s(self, now: float) -> float:
        """How long until the next token, at least SOONEST_S; 0.0 when there is one."""
        if not self._rate:
            return 0.0
        self._fill(now)
        missing = 1.0 - self._tokens
        return max(SOONEST_S, missing / self._rate) if missing > 0 else 0.0

    def _fill(self, now: float) -> None:
        self._tokens = min(self._depth, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now


class Throttle:
    """Pauses that grow while the peer refuses and shrink while it accepts."""

    __slots__ = ("_first_s", "_longest_s", "_pause_s", "_until")

    def __init__(self, longest_s: float) -> None:
        """No pause is longer than `longest_s`."""
        self._longest_s = longest_s
        self._first_s = 0.0
        self._pause_s = 0.0  # the last pause's length; 0.0 = none in memory
        self._until = 0.0

    def refused(self, now: float, first_s: float) -> float:
        """The peer said "slow down", a first pause lasts `first_s`; the pause that begins, 0.0 = one runs."""
        if now < self._until:
            return 0.0
        self._first_s = first_s
        self._pause_s = min(self._longest_s, max(first_s, self._pause_s * 2))
        self._until = now + self._pause_s
        return self._pause_s

    def accepted(self, now: float) -> None:
        """The peer took a part: after a pause's length of that the next pause is halved, then forgotten."""
        if self._pause_s and now - self._until >= self._pause_s:
            self._pause_s = self._pause_s / 2 if self._pause_s > self._first_s else 0.0
            self._until = now

    def wait_s(self, now: float) -> float:
        """How long the pause still lasts; 0.0 when there is none."""
        return max(0.0, self._until - now)
