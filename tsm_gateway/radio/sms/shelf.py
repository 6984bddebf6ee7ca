"""Where waiting parts lie: one set of parts, found by row, by message, by sender, by suspicion.

| question | index |
|---|---|
| which parts of this message are here | `messages`: key → number → bodies, oldest first |
| what is the oldest of all; which part has this row | `rows`, in order of arrival |
| what does this sender hold, its oldest first | `trusted` and `suspected`, by source |
| which suspect is the oldest | `suspects`, in order of suspicion |
| who holds the most | `crowds`: number of trusted parts → senders, for more than `fair` parts |

Every operation is O(1), amortised: `crowds` moves a sender by one level per part. Parts that do not
crowd stay out of `crowds`, so the usual two-part message pays nothing for it.

Queues from whose front much is taken are `OrderedDict`: the first key of a plain dict is found by
walking over the holes that earlier deletions left. A sender's own queue is too short for that to matter.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsm_gateway.radio.sms.held import Held, MessageKey


class Shelf:
    """The waiting parts and their indexes; knows no limits."""

    __slots__ = ("_fair", "_top", "crowds", "messages", "rows", "suspected", "suspects", "trusted")

    def __init__(self, fair: int) -> None:
        """Senders of up to `fair` parts never stand in `crowds`."""
        self.messages: dict[MessageKey, dict[int, list[Held]]] = {}
        self.rows: OrderedDict[int, Held] = OrderedDict()
        self.trusted: dict[str, dict[int, Held]] = {}
        self.suspected: dict[str, dict[int, Held]] = {}
        self.suspects: OrderedDict[int, Held] = OrderedDict()
        self.crowds: defaultdict[int, OrderedDict[str, None]] = defaultdict(OrderedDict)
        self._fair = fair
        self._top = fair  # no level of `crowds` above it is taken

    def clear(self) -> None:
        """Forget everything."""
        for index in (self.messages, self.rows, self.trusted, self.suspected, self.suspects, self.crowds):
            index.clear()
        self._top = self._fair

    def put(self, held: Held) -> None:
        """Take in a part that is no suspect; its row is new."""
        row, key, number = held.row, held.key, held.segment.number
        self.rows[row] = held
        bodies = self.messages.get(key)
        if bodies is None:
            self.messages[key] = {number: [held]}
        elif number in bodies:
            bodies[number].append(held)
        else:
            bodies[number] = [held]
        source = key[0]
        parts = self.trusted.get(source)
        if parts is None:
            self.trusted[source] = {row: held}
        else:
            parts[row] = held
            if len(parts) > self._fair:
                self._crowd(source, len(parts) - 1, len(parts))

    def take(self, held: Held) -> None:
        """Give up a part; nothing happens when it does not lie here any more."""
        row, key, number = held.row, held.key, held.segment.number
        if self.rows.get(row) is not held:
            return
        del self.rows[row]
        bodies = self.messages[key]
        same = bodies[number]
        if len(same) > 1:
            same.remove(held)
        elif len(bodies) > 1:
            del bodies[number]
        else:
            del self.messages[key]
        if held.suspect:
            self._leave_suspected(held)
        else:
            self._leave_trusted(held)

    def suspect(self, held: Held) -> None:
        """Put a trusted part behind all earlier suspects; nothing happens when it is one, or not here."""
        if held.suspect or self.rows.get(held.row) is not held:
            return
        held.suspect = True
        self._leave_trusted(held)
        self.suspects[held.row] = held
        self.suspected.setdefault(held.key[0], {})[held.row] = held

    def count_of(self, source: str) -> int:
        """How many parts a sender holds."""
        trusted = self.trusted.get(source)
        count = 0 if trusted is None else len(trusted)
        if self.suspected and source in self.suspected:
            count += len(self.suspected[source])
        return count

    def biggest_crowd(self) -> tuple[int, OrderedDict[str, None]] | None:
        """The most trusted parts a sender holds, and who does; None when nobody exceeds the fair share."""
        return (self._top, self.crowds[self._top]) if self._top > self._fair else None

    def _leave_trusted(self, held: Held) -> None:
        source = held.key[0]
        parts = self.trusted[source]
        del parts[held.row]
        left = len(parts)
        if not left:
            del self.trusted[source]
        if left >= self._fair:
            self._crowd(source, left + 1, left)

    def _leave_suspected(self, held: Held) -> None:
        source = held.key[0]
        parts = self.suspected[source]
        del self.suspects[held.row], parts[held.row]
        if not parts:
            del self.suspected[source]

    def _crowd(self, source: str, old: int, new: int) -> None:
        """A sender's trusted parts went from `old` to `new`, one more or one less."""
        if old > self._fair:
            level = self.crowds[old]
            del level[source]
            if not level:
                del self.crowds[old]
        if new > self._fair:
            self.crowds[new][source] = None
        # one step is enough: the sender that left the top level stands one below it, unless at fair
        if new > self._top or (old == self._top and old not in self.crowds):
            self._top = new
