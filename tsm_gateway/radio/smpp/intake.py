"""Messages of the peer that we have not answered yet, bounded and never forgotten.

The relay answers a message once its fate is durable. Until then it stands here with a deadline, because
a peer that gets no answer for five seconds gives the message up or drops the link: what is late is
answered "temporary", the peer keeps the message and sends it again, and the relay's own late answer is
dropped. Nothing is lost that way, and a message the relay took after all is recognised when it returns.

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

from collections import OrderedDict
from typing import NamedTuple

from tsm_gateway.messages import Verdict

HOLD_S = 2.0


class Unanswered(NamedTuple):
    """One request of the peer."""

    sequence: int
    command_id: int


class Intake:
    """Requests without an answer, oldest first."""

    __slots__ = ("_closing", "_full", "_held_at", "_limit", "_open", "_patience_s")

    def __init__(self, limit: int, patience_s: float) -> None:
        """At most `limit` requests, each answered within `patience_s` seconds."""
        self._limit = limit
        self._patience_s = patience_s
        self._open: OrderedDict[int, tuple[float, int]] = OrderedDict()
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
        entry = self._open.pop(sequence, None)
        return entry[1] if entry else None

    def late(self, now: float) -> list[Unanswered]:
        """Take out the requests whose deadline has passed."""
        late = []
        while self._open:
            sequence = next(iter(self._open))
            deadline, command_id = self._open[sequence]
            if deadline > now:
                break
            del self._open[sequence]
            late.append(Unanswered(sequence, command_id))
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
        return unanswered
