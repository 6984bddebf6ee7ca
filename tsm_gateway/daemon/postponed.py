"""What failed and is tried again later: each time after twice as long, up to a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

FIRST_S: Final = 30.0
CAP_S: Final = 600.0


class Postponed:
    """Things that wait for another try; forgotten at the end of the process."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic`: seconds."""
        self._monotonic = monotonic
        self._waiting: dict[Hashable, tuple[float, float]] = {}  # thing -> (not before, next pause)

    def waits(self, thing: Hashable) -> bool:
        """Whether it is too early for `thing`."""
        return thing in self._waiting and self._monotonic() < self._waiting[thing][0]

    def again(self, thing: Hashable, first_s: float = FIRST_S) -> float:
        """Seconds until `thing`, which failed once more, may be tried again; `first_s` the first time."""
        _, pause = self._waiting.get(thing, (0.0, first_s))
        self._waiting[thing] = (self._monotonic() + pause, min(2 * pause, CAP_S))
        return pause

    def keep(self, things: set[Hashable]) -> None:
        """Forget all but `things`: the others are done or gone."""
        self._waiting = {thing: when for thing, when in self._waiting.items() if thing in things}

    def __len__(self) -> int:
        """How many are known, whether their time has come or not."""
        return len(self._waiting)
