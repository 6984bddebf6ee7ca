"""When and where to bind again. No clock and no randomness inside.

Every address of the peer is tried once, in order, without waiting; after such a round comes a pause that
doubles from round to round up to a cap, shortened at random by up to half so that many gateways do not
come back at the same instant. A bind that held for a while was a good one: everything starts anew, with
the first address. A peer that does not take our password is asked rarely, whatever the address: insisting
locks accounts.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tsm_gateway.radio.smpp.options import Endpoint, SmppOptions


class Ending(Enum):
    """How a connection ended, as far as the next one is concerned."""

    FAILED = "failed"  # no connection, or no bind: try the next address
    REFUSED = "refused"  # bound elsewhere, or the peer is in trouble: back off
    DENIED = "denied"  # wrong password or system_id: ask rarely
    DROPPED = "dropped"  # was bound, but not for long
    LASTED = "lasted"  # was bound for long enough


class Attempt(NamedTuple):
    """What to do next."""

    delay_s: float
    endpoint: Endpoint


class Rebind:
    """The plan of binds of one link."""

    def __init__(self, options: SmppOptions) -> None:
        """Begin with the first address."""
        self._options = options
        self._tries = 0  # since the last good bind

    def first(self) -> Attempt:
        """The very first attempt, at once."""
        return Attempt(0.0, self._options.hosts[0])

    def after(self, ending: Ending, dice: float) -> Attempt:
        """The next attempt; `dice` is uniform in [0, 1)."""
        if ending is Ending.LASTED:
            self._tries = 0
            return Attempt(self._spread(self._options.rebind_min_s, dice), self._options.hosts[0])
        self._tries += 1
        rounds, index = divmod(self._tries, len(self._options.hosts))
        return Attempt(self._delay(ending, rounds, index, dice), self._options.hosts[index])

    def _delay(self, ending: Ending, rounds: int, index: int, dice: float) -> float:
        options = self._options
        if ending is Ending.DENIED:
            return self._spread(options.denied_s, dice)
        if index and ending is Ending.FAILED:
            return 0.0
        doubled = options.rebind_min_s * 2.0 ** min(max(rounds - 1, 0), 30)
        return self._spread(min(options.rebind_max_s, doubled), dice)

    @staticmethod
    def _spread(delay_s: float, dice: float) -> float:
        return delay_s * (1.0 - dice / 2.0)
