"""What one device may do to what is kept for ever, and to the relay, however often it asks.

A device that authenticated is not a friend yet: the audit log is append-only, and a change of an active
device's certificate makes the relay read it anew. Neither may grow as fast as requests come.

| what | of one device, at most |
|---|---|
| changes of its certificates, registrations that confirm no key | 4 at once, then 4 an hour |
| entries in the audit log on the same cause of a refusal | one an hour; the log and the figures have all |
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tsm_gateway.daemon.channel_rates import Rates
from tsm_gateway.daemon.provisioning_answers import TooManyChanges
from tsm_gateway.errors import TsmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOUR_S: Final = 3600
CHANGES: Final = 4  # within an hour: a certificate is renewed once in years
NOTED: Final = 1


class Moderation:
    """Counts per device; in memory, bounded, and forgotten at the end of the process."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic`: seconds."""
        self._monotonic = monotonic
        self._changes = Rates(CHANGES, window_s=HOUR_S)
        self._noted = Rates(NOTED, window_s=HOUR_S)

    @contextmanager
    def change(self, device_id: str) -> Iterator[None]:
        """Count a change that the device makes of what is stored, unless it fails. Raises TooManyChanges."""
        wait_s = self._changes.take(device_id, self._monotonic())
        if wait_s:
            raise TooManyChanges(wait_s)
        try:
            yield
        except TsmError:  # the store is busy, say
            self._changes.give_back(device_id)
            raise

    @contextmanager
    def news(self, device_id: str, error: TsmError) -> Iterator[bool]:
        """Whether a refusal of the device is to go on record: none for the same cause did of late.

        What then cannot be recorded is news again.
        """
        cause = f"{device_id} {error.code}"
        is_news = not self._noted.take(cause, self._monotonic())
        try:
            yield is_news
        except TsmError:  # the store is busy, say
            if is_news:
                self._noted.give_back(cause)
            raise
