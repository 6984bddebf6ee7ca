"""Whether every loop still gets on: what feeds the watchdog."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Loop(NamedTuple):
    """One loop under watch."""

    name: str
    busy: Callable[[], bool]  # has it anything to do?
    done: Callable[[], int]  # moves whenever it did something


class Progress:
    """Compares each loop with itself a moment ago."""

    def __init__(self, loops: list[Loop], patience_s: float) -> None:
        """A busy loop that does nothing for `patience_s` seconds is stuck."""
        self._loops, self._patience_s = loops, patience_s
        self._seen: dict[str, tuple[int, float]] = {}

    def stuck(self, now: float) -> list[str]:
        """Names of the loops that are stuck at `now`, monotonic seconds."""
        found = []
        for loop in self._loops:
            count = loop.done()
            seen = self._seen.get(loop.name)
            if seen is None or seen[0] != count or not loop.busy():
                self._seen[loop.name] = (count, now)
            elif now - seen[1] > self._patience_s:
                found.append(loop.name)
        return found
