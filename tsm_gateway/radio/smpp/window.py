"""Requests of ours that wait for their answer: the window of submit_sm, and the few control requests.

One counter numbers them all, 1 to 0x7FFFFFFF and round again (SMPP 3.4 §3.2); a number still waiting is
skipped. Submissions wait in the order sent, which is the order of their deadlines, so looking for late
ones touches late ones only.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tsm_gateway.messages import PartId

LAST_SEQUENCE = 0x7FFFFFFF


class Control(Enum):
    """A request of ours that is no message."""

    BIND = "bind"
    PROBE = "enquire_link"
    UNBIND = "unbind"


class Waiting(NamedTuple):
    """One submit_sm without an answer."""

    part: PartId
    deadline: float  # monotonic seconds


class Window:
    """At most `size` submit_sm without an answer."""

    __slots__ = ("_controls", "_last", "_size", "_waiting")

    def __init__(self, size: int, last: int = 0) -> None:
        """`last` is the sequence number given out last."""
        self._size = size
        self._last = last
        self._waiting: OrderedDict[int, Waiting] = OrderedDict()
        self._controls: dict[int, Control] = {}

    def __len__(self) -> int:
        """How many submissions wait."""
        return len(self._waiting)

    def free(self) -> int:
        """How many more may be sent."""
        return self._size - len(self._waiting)

    def number(self) -> int:
        """The next sequence number, not one that still waits."""
        while True:
            self._last = self._last % LAST_SEQUENCE + 1
            if self._last not in self._waiting and self._last not in self._controls:
                return self._last

    def sent(self, sequence: int, part: PartId, deadline: float) -> None:
        """A submit_sm left; deadlines never go back."""
        self._waiting[sequence] = Waiting(part, deadline)

    def answered(self, sequence: int) -> PartId | None:
        """The part whose answer came; None when no submit_sm waits under this number."""
        waiting = self._waiting.pop(sequence, None)
        return waiting.part if waiting else None

    def ask(self, control: Control) -> int:
        """The number for a control request that is about to leave."""
        sequence = self.number()
        self._controls[sequence] = control
        return sequence

    def asked(self, sequence: int) -> Control | None:
        """Which control request waits under this number."""
        return self._controls.get(sequence)

    def settle(self, sequence: int) -> None:
        """A control request got its answer."""
        self._controls.pop(sequence, None)

    def late(self, now: float) -> list[PartId]:
        """Take out the submissions whose deadline has passed, oldest first."""
        late = []
        while self._waiting:
            sequence = next(iter(self._waiting))
            waiting = self._waiting[sequence]
            if waiting.deadline > now:
                break
            del self._waiting[sequence]
            late.append(waiting.part)
        return late

    def postpone(self, by_s: float) -> None:
        """Every deadline moves: for `by_s` seconds no answer could be read."""
        for sequence, waiting in self._waiting.items():
            self._waiting[sequence] = Waiting(waiting.part, waiting.deadline + by_s)

    def empty(self) -> list[PartId]:
        """Take out everything, oldest first: the connection is gone."""
        parts = [waiting.part for waiting in self._waiting.values()]
        self._waiting.clear()
        self._controls.clear()
        return parts
