"""The joiner told as plainly as possible: one list of parts, every rule a walk over it.

Slow and obvious, to hold the real one against. It shares nothing with it but the names of its answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from tsm_gateway.radio.sms.join import JoinLimits, OfferKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tsm_gateway.messages import Segment

Key = tuple[str, str, int | None, int | None, int]


@dataclass(eq=False)
class Part:
    row: int
    segment: Segment
    received_at: int
    durable: bool = False
    suspected: int = 0  # 0: trusted; otherwise when it came under suspicion
    turn: int = 0  # when it comes to be the oldest of all: on arrival, or set back by a clock set back

    @property
    def key(self) -> Key:
        each = self.segment
        return (each.source, each.destination, each.port, each.reference, each.total)


@dataclass
class Answer:
    kind: OfferKind
    row: int | None = None
    combinations: list[list[int]] = field(default_factory=list)
    evicted: list[int] = field(default_factory=list)


class Model:
    def __init__(self, limits: JoinLimits) -> None:
        self.limits = limits
        self.parts: list[Part] = []  # in order of arrival
        self.consumed: list[tuple[Key, tuple[bytes, ...]]] = []  # oldest first
        self.moved: dict[str, int] = {}  # when a sender's number of trusted parts last changed
        self.tick = 0

    def offer(self, row: int, segment: Segment, now: int) -> Answer:
        part = Part(row, segment, now)
        message = [each for each in self.parts if each.key == part.key]
        same = [each for each in message if each.segment.number == segment.number]
        for each in same:
            if each.segment.body == segment.body:
                return Answer(OfferKind.DUPLICATE, each.row)
        if self.was_consumed(part):
            return Answer(OfferKind.DUPLICATE)
        others = {each.segment.number for each in message} - {segment.number}
        whole = len(others) + 1 == segment.total
        evicted: list[int] = []
        if not self.make_room(part, same, whole, evicted):
            return Answer(OfferKind.OVER_BOUND, evicted=evicted)
        self.put(part)
        kind = OfferKind.READY if whole else OfferKind.WAITING
        return Answer(kind, row, self.combinations(part) if whole else [], evicted)

    def make_room(self, part: Part, same: list[Part], whole: bool, evicted: list[int]) -> bool:
        limits, source, now = self.limits, part.segment.source, part.received_at
        if len(same) >= limits.candidates and not self.evict(self.weakest_body(same, now), evicted):
            return False
        if whole:
            self.make_room_to_complete(part, evicted)
            return True
        while len(own := self.of(source)) >= limits.per_sender:
            if not self.evict(self.weakest(own, now), evicted):
                return False
        while len(self.parts) >= limits.in_all:
            if not self.evict(self.weakest_of_all(source, now), evicted):
                return False
        return True

    def make_room_to_complete(self, part: Part, evicted: list[int]) -> None:
        while len(own := self.of(part.segment.source)) > self.limits.per_sender:
            if not self.evict(self.spare(part, own), evicted):
                break
        while len(self.parts) > self.limits.in_all:
            if not self.evict(self.spare(part, self.parts), evicted):
                break

    def spare(self, part: Part, parts: list[Part]) -> Part | None:
        """What the message of `part` can do without: suspects of others, or other bodies of this part."""
        suspects = [each for each in parts if each.suspected]
        others = [each for each in suspects if each.key != part.key]
        same = [e for e in suspects if e.key == part.key and e.segment.number == part.segment.number]
        return min(others, key=lambda each: each.suspected) if others else (same[0] if same else None)

    def weakest_body(self, same: list[Part], now: int) -> Part | None:
        suspects = [each for each in same if each.suspected]
        return suspects[0] if suspects else self.stale(same[0], now)

    def weakest(self, own: list[Part], now: int) -> Part | None:
        suspects = [each for each in own if each.suspected]
        return min(suspects, key=lambda each: each.suspected) if suspects else self.stale(own[0], now)

    def stale(self, part: Part, now: int) -> Part | None:
        return part if now - part.received_at > self.limits.stale_s else None

    def weakest_of_all(self, source: str, now: int) -> Part | None:
        suspects = [each for each in self.parts if each.suspected]
        if suspects:
            return min(suspects, key=lambda each: each.suspected)
        senders = {each.segment.source for each in self.parts}
        biggest = min(senders, key=lambda each: (-len(self.of(each)), self.moved[each]))
        if len(self.of(biggest)) <= self.limits.fair:
            return min(self.parts, key=lambda each: each.turn)
        if len(self.of(source)) >= len(self.of(biggest)):
            return self.weakest(self.of(source), now)
        return self.of(biggest)[0]

    def evict(self, part: Part | None, evicted: list[int]) -> bool:
        if part is None:
            return False
        self.remove(part)
        evicted.append(part.row)
        return True

    def put(self, part: Part) -> None:
        self.change(part.segment.source)
        part.turn = self.tick
        self.parts.append(part)

    def remove(self, part: Part) -> None:
        self.parts.remove(part)
        if not part.suspected:
            self.change(part.segment.source)

    def of(self, source: str) -> list[Part]:
        return [each for each in self.parts if each.segment.source == source]

    def change(self, source: str) -> None:
        self.tick += 1
        self.moved[source] = self.tick

    def combinations(self, new: Part) -> list[list[int]]:
        choices: list[list[int]] = []
        for number in range(1, new.segment.total + 1):
            bodies = [p for p in self.parts if p.key == new.key and p.segment.number == number]
            trusted = [p.row for p in bodies if not p.suspected]
            suspects = [p.row for p in bodies if p.suspected]
            choices.append([new.row] if number == new.segment.number else trusted + suspects)
        return [list(rows) for rows in product(*choices)][: self.limits.attempts]

    def was_consumed(self, part: Part) -> bool:
        number, body = part.segment.number, part.segment.body
        return len(body) >= 24 and any(
            key == part.key and bodies[number - 1] == body for key, bodies in self.consumed
        )

    def consume(self, segments: Sequence[Segment], rows: Iterable[int]) -> None:
        for part in [each for each in self.parts if each.row in set(rows)]:
            self.remove(part)
        key = Part(0, segments[0], 0).key
        own = [each for each in self.consumed if each[0] == key]
        rest = [each for each in self.consumed if each[0] != key]
        self.consumed = rest + [*own, (key, tuple(each.body for each in segments))][-4:]
        while self.remembered() > self.limits.remembered and len({each[0] for each in self.consumed}) > 1:
            oldest = self.consumed[0][0]
            self.consumed = [each for each in self.consumed if each[0] != oldest]

    def remembered(self) -> int:
        return sum(len(bodies) for _, bodies in self.consumed)

    def withdraw(self, row: int) -> None:
        for part in [each for each in self.parts if each.row == row]:
            self.remove(part)

    def suspect(self, rows: Iterable[int]) -> None:
        for row in sorted(rows):
            for part in self.parts:
                if part.row == row and not part.suspected:
                    self.change(part.segment.source)
                    part.suspected = self.tick

    def expire(self, now: int) -> list[int]:
        given_up = []
        while self.parts:
            oldest = min(self.parts, key=lambda each: each.turn)
            if oldest.received_at > now:
                self.tick += 1
                oldest.received_at, oldest.turn = now, self.tick
            elif now - oldest.received_at > self.limits.wait_s:
                self.remove(oldest)
                given_up.append(oldest.row)
            else:
                break
        return given_up

    def load(self, stored: Iterable[tuple[int, Segment, int]]) -> None:
        self.parts, self.consumed = [], []
        for row, segment, at in stored:
            self.put(Part(row, segment, at, durable=True))
