"""What the air does to short messages: delay, loss, doubling and reordering, planned ahead by a seed.

A plan is a pure function of (how many, weather, seed): a failing run is repeated by its seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Weather:
    """How rough the air is; every chance is 0.0 to 1.0 for each short message."""

    delay_s: tuple[float, float] = (0.0, 0.0)  # shortest and longest time on the way
    loss: float = 0.0  # chance never to arrive
    doubling: float = 0.0  # chance to arrive twice
    reordering: float = 0.0  # chance to be held back behind some that follow
    hold_back: int = 8  # how many may overtake one that is held back

    def __post_init__(self) -> None:
        """Raise ValueError for a chance or a delay that is none."""
        chances = (self.loss, self.doubling, self.reordering)
        if not all(0.0 <= chance <= 1.0 for chance in chances):
            message = f"chances lie between 0 and 1: {chances}"
            raise ValueError(message)
        if not 0.0 <= self.delay_s[0] <= self.delay_s[1] or self.hold_back < 1:
            message = f"not a delay, or nobody may overtake: {self.delay_s}, {self.hold_back}"
            raise ValueError(message)


CALM = Weather()


class Flight(NamedTuple):
    """One arrival."""

    at_s: float  # seconds after sending began
    sent: int  # which short message, in the order of sending


def plan(count: int, weather: Weather, seed: int) -> list[Flight]:
    """When and in which order `count` short messages arrive; a lost one is absent, a doubled one twice."""
    chance = random.Random(seed)  # noqa: S311 - repeatable weather, not a key
    copies = [copy for index in range(count) for copy in _copies(index, weather, chance)]
    flights: list[Flight] = []
    at_s = 0.0
    for _, sent, delay_s in sorted(copies):
        at_s = max(at_s, delay_s)  # nobody overtakes but those whose rank says so
        flights.append(Flight(at_s, sent))
    return flights


def _copies(sent: int, weather: Weather, chance: random.Random) -> list[tuple[float, int, float]]:
    """(rank, which, delay) of each copy of one short message that arrives."""
    if chance.random() < weather.loss:
        return []
    copies = 2 if chance.random() < weather.doubling else 1
    return [(_rank(sent, weather, chance), sent, chance.uniform(*weather.delay_s)) for _ in range(copies)]


def _rank(sent: int, weather: Weather, chance: random.Random) -> float:
    """Where in the order of arrival this one stands."""
    held_back = chance.random() < weather.reordering
    return sent + chance.randint(1, weather.hold_back) + 0.5 if held_back else float(sent)


def blow(items: Iterable[T], weather: Weather, seed: int) -> list[T]:
    """`items` as they arrive in `weather`: some missing, some twice, some late."""
    messages: Sequence[T] = tuple(items)
    return [messages[flight.sent] for flight in plan(len(messages), weather, seed)]
