"""A line a second at most for each cause: strangers at the door must not fill the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

EVERY_S = 1.0
CAUSES_KNOWN = 1024


class Quiet:
    """Tells when a cause may be logged again, and how often it came since."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._said: dict[Hashable, tuple[float, int]] = {}  # cause -> when, how many went unsaid since

    def due(self, cause: Hashable, now: float) -> int:
        """How many to tell of in one line now; 0 = none yet, they are kept for the next."""
        said_at, unsaid = self._said.get(cause, (now - EVERY_S, 0))
        if now - said_at < EVERY_S:
            self._said[cause] = (said_at, unsaid + 1)
            return 0
        if len(self._said) >= CAUSES_KNOWN:
            self._said.clear()
        self._said[cause] = (now, 0)
        return unsaid + 1
