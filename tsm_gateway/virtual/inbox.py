"""Joins short messages into packets: any order, any repetition, references used again and again.

References are 8 bits wide and come round soon, and a lost part leaves its siblings behind. So every body seen
for a part number is a candidate, and only the cipher says which of them belong together.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice, product
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tsm_gateway.virtual.part import Header

BODIES = 4  # kept per part number; the oldest goes first
DONE = 8  # joined messages remembered per reference
ATTEMPTS = 64  # combinations tried for one new part

Key = tuple[int | None, int]  # reference, total
Bodies = tuple[bytes, ...]  # by part number


class Gap(NamedTuple):
    """What never became whole."""

    reference: int | None
    total: int
    missing: tuple[int, ...]


@dataclass(slots=True)
class _Done:
    """A message joined before, and which of its parts came again since."""

    bodies: Bodies
    again: set[int] = field(default_factory=set)


class Inbox:
    """Parts that wait for their siblings."""

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: dict[Key, list[deque[bytes]]] = {}
        self._done: dict[Key, deque[_Done]] = {}

    def offer(self, header: Header, body: bytes) -> list[Bodies]:
        """Every way in which this part completes a message, oldest bodies first.

        A message joined before is offered again when all its parts have come again.
        """
        key = header.reference, header.total
        for done in self._done.get(key, ()):
            if done.bodies[header.number - 1] == body:
                return _repeat(done, header.number)
        slots = self._waiting.setdefault(key, [deque(maxlen=BODIES) for _ in range(header.total)])
        if body not in slots[header.number - 1]:
            slots[header.number - 1].append(body)
        choices = [
            (body,) if number == header.number else tuple(bodies) for number, bodies in enumerate(slots, 1)
        ]
        return list(islice(product(*choices), ATTEMPTS))

    def settle(self, header: Header, bodies: Bodies) -> None:
        """These `bodies` were one message: forget them, but know them when they come again."""
        key = header.reference, header.total
        slots = self._waiting.get(key, [])
        for slot, body in zip(slots, bodies, strict=False):
            if body in slot:
                slot.remove(body)
        if not any(slots):
            self._waiting.pop(key, None)
        done = self._done.setdefault(key, deque(maxlen=DONE))
        if all(message.bodies != bodies for message in done):
            done.append(_Done(bodies))

    def gaps(self) -> list[Gap]:
        """What is not whole yet, and which parts it lacks."""
        return [
            Gap(reference, total, missing)
            for (reference, total), slots in self._waiting.items()
            if (missing := tuple(number for number, slot in enumerate(slots, 1) if not slot))
        ]


def _repeat(done: _Done, number: int) -> list[Bodies]:
    done.again.add(number)
    if len(done.again) < len(done.bodies):
        return []
    done.again.clear()
    return [done.bodies]
