"""How often a device may ask: a token bucket for each, kept as one number (the generic cell rate)."""

from __future__ import annotations

from collections import OrderedDict
from math import ceil

WINDOW_S = 60.0
DEVICES_KNOWN = 65_536  # buckets kept; the one unused longest goes first, and is full again by then


class Rates:
    """`per_minute` requests at once, and then as many a minute, for every device by itself.

    A bucket is the second at which it will be full again: a request moves that by its share of the minute,
    and is refused if it would lie more than a minute ahead.
    """

    def __init__(self, per_minute: int, *, devices: int = DEVICES_KNOWN) -> None:
        """`devices`: how many buckets are kept."""
        self._share_s = WINDOW_S / per_minute
        self._devices = devices
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, device_id: str, now: float) -> int:
        """Whole seconds to wait before one more request is taken; 0 = this one is. `now` is monotonic."""
        full_at = max(self._full_at.get(device_id, now), now) + self._share_s
        excess = full_at - now - WINDOW_S
        if excess > 1e-9:  # noqa: PLR2004 - sums of shares are not exact; a nanosecond is no request
            return ceil(excess)
        self._full_at[device_id] = full_at
        self._full_at.move_to_end(device_id)
        if len(self._full_at) > self._devices:
            self._full_at.popitem(last=False)
        return 0
