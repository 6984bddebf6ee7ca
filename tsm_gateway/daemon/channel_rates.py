"""How often a device may do something: a token bucket for each, kept as one number (generic cell rate)."""

from __future__ import annotations

from collections import OrderedDict
from math import ceil

WINDOW_S = 60.0
DEVICES_KNOWN = 65_536  # buckets kept; the one unused longest goes first, and is full again by then


class Rates:
    """So many requests at once, and then as many in each window of time, for every device by itself.

    A bucket is the second at which it will be full again: a request moves that by its share of the window,
    and is refused if it would lie more than a window ahead.
    """

    def __init__(self, per_window: int, *, window_s: float = WINDOW_S, devices: int = DEVICES_KNOWN) -> None:
        """`per_window` requests in `window_s` seconds; `devices`: how many buckets are kept."""
        self._window_s, self._share_s = window_s, window_s / per_window
        self._devices = devices
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, device_id: str, now: float) -> int:
        """Whole seconds to wait before one more request is taken; 0 = this one is. `now` is monotonic."""
        full_at = max(self._full_at.get(device_id, now), now) + self._share_s
        excess = full_at - now - self._window_s
        if excess > 1e-9:  # noqa: PLR2004 - sums of shares are not exact; a nanosecond is no request
            return ceil(excess)
        self._full_at[device_id] = full_at
        self._full_at.move_to_end(device_id)
        if len(self._full_at) > self._devices:
            self._full_at.popitem(last=False)
        return 0

    def give_back(self, device_id: str) -> None:
        """Undo the last `take` of the device: what it was for did not come about."""
        if device_id in self._full_at:
            self._full_at[device_id] -= self._share_s
