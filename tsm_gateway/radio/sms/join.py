"""Join the parts of messages: any order, doubled, from many senders, over several binds.

Pure and single-threaded; rows and times come in as arguments. A part belongs to the message named by its
`MessageKey` and is told from others by its body. As anybody can spoof a sender, and a sender uses its
references again, several bodies may be held for one part: `offer` names the combinations, the caller
tries which of them is authentic and tells `consume` or `suspect`.

| what happens to a held part | by |
|---|---|
| waits: trusted | `offer` (WAITING, READY), `load` |
| waits: suspect, gives way before others | `suspect`: a combination with it was no message |
| gone: part of a message | `consume` |
| gone: gave way | `offer` of another part, in `evicted` |
| gone: waited too long | `expire` |

When a bound is reached, somebody gives way, or the new part is not kept (OVER_BOUND):

| bound | who gives way, first to last |
|---|---|
| candidates of one part | its oldest suspect; its oldest body, if stale |
| parts of one sender | the sender's oldest suspect; its oldest part, if stale |
| parts in all | the oldest suspect; the oldest part of who holds most, if above `fair`; the oldest part |

In the last line a sender never displaces one that holds no more than itself, unless nobody is above
`fair`. A part that makes its message whole is never refused for the bounds of sender and total, as the
message is about to go: one part more is overlooked, and beyond that only suspects give way to it, none
that its message needs. So while fewer wrong bodies than `candidates` are sent for each part, a genuine
message is found among the combinations (if they number no more than `attempts`); and what an attacker
parks under somebody's number gives way once it failed, or after `stale_s`.

Cost: `offer`, `suspect` and `consume` take O(1) per part, plus at most `candidates` comparisons of
bodies; making combinations takes O(total). Giving way takes O(1) per part that goes, and passes over the
suspects of the message that is made whole. `expire` is O(1) per part given up.
"""

from __future__ import annotations

from itertools import islice, product
from operator import attrgetter
from typing import TYPE_CHECKING

from tsm_gateway.radio.sms.consumed import Consumed
from tsm_gateway.radio.sms.held import Held, JoinLimits, MessageKey, Offered, OfferKind, Waiting
from tsm_gateway.radio.sms.room import Room
from tsm_gateway.radio.sms.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tsm_gateway.messages import Segment

__all__ = ["Held", "JoinLimits", "Joiner", "MessageKey", "OfferKind", "Offered", "Waiting"]

_DUPLICATE, _WAITING = OfferKind.DUPLICATE, OfferKind.WAITING  # an enum's attributes are slow to reach
_READY, _OVER_BOUND = OfferKind.READY, OfferKind.OVER_BOUND


class Joiner:
    """The parts that wait for others."""

    def __init__(self, limits: JoinLimits | None = None) -> None:
        """Hold nothing yet."""
        self._limits = limits or JoinLimits()
        self._shelf = Shelf(self._limits.fair)
        self._room = Room(self._shelf, self._limits)
        self._consumed = Consumed(self._limits.remembered)

    def offer(self, row: int, segment: Segment, received_at: int) -> Offered:
        """Take in a part; `row` is new, `received_at` in Unix seconds, `segment.number` 1..`total`.

        For READY the caller tries the combinations in turn, then calls `consume` for the one that is a
        message, or `suspect` for the parts of those that are not.
        """
        _, source, destination, _, _, port, reference, total, number, body = segment
        key = (source, destination, port, reference, total)
        bodies = self._shelf.messages.get(key)
        same = None if bodies is None else bodies.get(number)
        if same is not None:
            for held in same:
                if held.segment.body == body:
                    return Offered(_DUPLICATE, held, (), ())
        if key in self._consumed.messages and self._consumed.knows(key, number, body):
            return Offered(_DUPLICATE, None, (), ())
        others = 0 if bodies is None else len(bodies) - (same is not None)
        completes = others + 1 == total
        evicted: list[Held] = []
        if same is not None and not self._has_room_among(same, received_at, evicted):
            return Offered(_OVER_BOUND, None, (), ())
        if not completes:
            if not self._has_room(source, received_at, evicted):
                return Offered(_OVER_BOUND, None, (), evicted)
        elif self._shelf.suspects:
            self._make_room_to_complete(key, number, evicted)
        held = Held(row, key, segment, received_at, durable=False)
        self._shelf.put(held)
        if not completes:
            return Offered(_WAITING, held, (), evicted)
        return Offered(_READY, held, self._combinations(held), evicted)

    def consume(self, parts: Sequence[Held]) -> None:
        """A combination, as offered, is a message: let its parts go, and know them when they come again.

        They are known until `load`, or until `remembered` parts were consumed since.
        """
        for held in parts:
            self._shelf.take(held)
        self._consumed.remember(parts[0].key, tuple([held.segment.body for held in parts]))

    def withdraw(self, held: Held) -> None:
        """A part is not taken after all: the radio keeps it and sends it again."""
        self._shelf.take(held)

    def suspect(self, parts: Iterable[Held]) -> None:
        """A combination is no message: its parts stay, as they may belong to another, but give way first."""
        for held in sorted(parts, key=_row):
            self._shelf.suspect(held)

    def expire(self, now: int) -> list[Held]:
        """Give up every part that has waited longer than `wait_s`; `now` in Unix seconds.

        A part from the future (the clock was set back) counts as received now, so that a clock once wrong
        by years holds nothing up for years.
        """
        rows, given_up = self._shelf.rows, []
        while rows:
            held = next(iter(rows.values()))
            if held.received_at > now:
                held.received_at = now
                rows.move_to_end(held.row)
            elif now - held.received_at > self._limits.wait_s:
                self._shelf.take(held)
                given_up.append(held)
            else:
                break
        return given_up

    def next_expiry(self) -> int | None:
        """When `expire` next has something to give up, in Unix seconds; None while nothing waits."""
        for held in self._shelf.rows.values():
            return held.received_at + self._limits.wait_s + 1
        return None

    def load(self, stored: Iterable[tuple[int, Segment, int]]) -> None:
        """Hold exactly these durable parts (row, segment, received_at), oldest first; O(parts).

        For the start and for a batch that was not stored: what was consumed since the last commit may
        not have been, so all memory of it goes too. Limits are not applied: more than they allow gives
        way when new parts come.
        """
        self._shelf.clear()
        self._consumed.clear()
        for row, segment, received_at in stored:
            key = (segment.source, segment.destination, segment.port, segment.reference, segment.total)
            self._shelf.put(Held(row, key, segment, received_at, durable=True))

    def mark_durable(self, rows: Iterable[int]) -> None:
        """The journal rows of these parts are committed; rows of parts no longer held are passed over."""
        held = self._shelf.rows
        for row in rows:
            if row in held:
                held[row].durable = True

    def __len__(self) -> int:
        """How many parts wait."""
        return len(self._shelf.rows)

    def waiting(self) -> Waiting:
        """How much waits, for metrics."""
        shelf = self._shelf
        senders = len(shelf.trusted.keys() | shelf.suspected.keys())
        return Waiting(len(shelf.rows), len(shelf.messages), senders, len(shelf.suspects))

    def _has_room_among(self, same: list[Held], now: int, evicted: list[Held]) -> bool:
        """Whether one more body of a part fits, after another gave way (into `evicted`) if need be."""
        full = len(same) >= self._limits.candidates
        return not full or self._give_way(self._room.among_bodies(same, now), evicted)

    def _has_room(self, source: str, now: int, evicted: list[Held]) -> bool:
        """Whether one more part fits, after others gave way (into `evicted`) if need be."""
        limits, shelf = self._limits, self._shelf
        while shelf.count_of(source) >= limits.per_sender:
            if not self._give_way(self._room.of_sender(source, now), evicted):
                return False
        while len(shelf.rows) >= limits.in_all:
            if not self._give_way(self._room.of_all(source, now), evicted):
                return False
        return True

    def _make_room_to_complete(self, key: MessageKey, number: int, evicted: list[Held]) -> None:
        """Let suspects give way (into `evicted`) to a part that makes its message whole.

        One part more than each bound is overlooked, as the message is about to go. When it is none, its
        parts are suspects, and give way to the next such part.
        """
        limits, shelf, room = self._limits, self._shelf, self._room
        while shelf.count_of(key[0]) > limits.per_sender:
            if not self._give_way(room.beside(key, number, shelf.suspected.get(key[0], {})), evicted):
                break
        while len(shelf.rows) > limits.in_all:
            if not self._give_way(room.beside(key, number, shelf.suspects), evicted):
                break

    def _give_way(self, held: Held | None, evicted: list[Held]) -> bool:
        """Take a part away, into `evicted`; False when there is none to take."""
        if held is None:
            return False
        self._shelf.take(held)
        evicted.append(held)
        return True

    def _combinations(self, new: Held) -> Iterable[tuple[Held, ...]]:
        """Every combination with the part `new`: trusted bodies ahead of suspects, each oldest first."""
        bodies = self._shelf.messages[new.key]
        number = new.segment.number
        if len(bodies) == _PAIR and len(bodies[_PAIR + 1 - number]) == 1:  # nearly always
            other = bodies[_PAIR + 1 - number][0]
            return ((new, other) if number == 1 else (other, new),)
        choices = [
            (new,) if each == number else sorted(bodies[each], key=_suspect)
            for each in range(1, new.segment.total + 1)
        ]
        return islice(product(*choices), self._limits.attempts)


_PAIR = 2
_row = attrgetter("row")
_suspect = attrgetter("suspect")  # False sorts ahead of True
