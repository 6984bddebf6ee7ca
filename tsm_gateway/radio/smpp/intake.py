"""Messages of the peer that we have not answered yet, bounded and never forgotten.

The relay answers a message once its fate is durable. Until then it stands here with a deadline, because
a peer that gets no answer for five seconds gives the message up or drops the link: what is late is
answered "temporary", the peer keeps the message and sends it again, and the relay's own late answer is
dropped. Nothing is lost that way, and a message the relay took after all is recognised when it returns.
The peer may use the number again before that late answer comes: as the relay answers each message once, in
the order they came, so many of its answers under a number are dropped as were given in its stead.

Two messages under one sequence number cannot be told apart by their answers. Both are answered
"temporary"; the peer sends them again one by one.

| intake | reading | new messages |
|---|---|---|
| open | yes | to the relay |
| full (`limit` unanswered, until half of them are answered) | no | wait in the network |
| held by the relay, for HOLD_S at most | no | wait in the network |
| held for longer: the peer's enquire_link must be heard | yes | "queue full" at once |
| closing | yes | "temporary" at once |
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import NamedTuple

from tsm_gateway.messages import Verdict

HOLD_S = 2.0


class Unanswered(NamedTuple):
    """One request of the peer."""

    sequence: int
    command_id: int


class Intake:
    """Requests without an answer, oldest first."""

    __slots__ = ("_closing", "_forestalled", "_full", "_held_at", "_limit", "_open", "_patience_s")

    def __init__(self, limit: int, patience_s: float) -> None:
        """At most `limit` requests, each answered within `patience_s` seconds."""
        self._limit = limit
        self._patience_s = patience_s
        self._open: OrderedDict[int, tuple[float, int]] = OrderedDict()
        self._forestalled: Counter[int] = Counter()  # answers of the relay, by number, that come too late
        self._full = False
        self._held_at: float | None = None
        self._closing = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._open)

    def take(self, sequence: int, command_id: int, now: float) -> bool:
        """Note a request; False when another one waits under this number (see `twin`)."""
        if sequence in self._open:
            return False
        self._open[sequence] = (now + self._patience_s, command_id)
        return True

    def answered(self, sequence: int) -> int | None:
        """The relay answers: the request's command_id, None when it was answered already."""
        if sequence in self._forestalled:
            if self._forestalled[sequence] == 1:
                del self._forestalled[sequence]
            else:
                self._forestalled[sequence] -= 1
            return None
        entry = self._open.pop(sequence, None)
        return entry[1] if entry else None

    def forestall(self, sequence: int) -> int:
        """We answer in the relay's stead: the request's command_id. Raises KeyError when none waits."""
        _, command_id = self._open.pop(sequence)
        self._forestalled[sequence] += 1
        return command_id

    def late(self, now: float) -> list[Unanswered]:
        """Take out the requests whose deadline has passed."""
        late = []
        while self._open:
            sequence = next(iter(self._open))
            if self._open[sequence][0] > now:
                break
            late.append(Unanswered(sequence, self.forestall(sequence)))
        return late

    def hold(self, now: float) -> None:
        """The relay has enough for now."""
        if self._held_at is None:
            self._held_at = now

    def release(self) -> None:
        """The relay wants messages again."""
        self._held_at = None

    def close(self) -> None:
        """No message is taken any more."""
        self._closing = True

    def refusal(self, now: float) -> Verdict | None:
        """What to answer at once to a message that comes now; None when it may be taken."""
        if self._closing:
            return Verdict.BUSY
        if self._held_at is not None and now - self._held_at >= HOLD_S:
            return Verdict.FULL
        return None

    def reads(self, now: float) -> bool:
        """Whether more octets are wanted."""
        waiting = len(self._open)
        if waiting >= self._limit:
            self._full = True
        elif waiting <= self._limit // 2:
            self._full = False
        held = self._held_at is not None and self.refusal(now) is None
        return not (self._full or held)

    def empty(self) -> int:
        """Forget everything, the connection is gone; how many stay unanswered."""
        unanswered = len(self._open)
        self._open.clear()
        self._forestalled.clear()
        return unanswered
