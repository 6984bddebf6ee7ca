"""The messages consumed lately, so that a part delivered once more is known for what it is.

An SMSC that lost our answer delivers a part again, often after the message was whole and gone. Without
this memory that part would wait for partners that never come. Forgetting is harmless: the part then
waits, and is given up at its time limit.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsm_gateway.radio.sms.held import MessageKey

# A shorter body does not tell one message from another. With its reference used again, the few octets at
# the end of a new payment, or the fixed ones at its front, would be taken for an earlier payment's, and
# the new one never be whole. So many octets reach from a packet's front into what is never the same twice.
TELLING_OCTETS = 24
SAME_KEY = 4  # messages remembered of one key, for peers that write the same reference on all


class Consumed:
    """The bodies of the last messages, up to a number of parts; the oldest message goes first.

    `remember` and `knows` are O(1); a message of n parts costs O(n) once.
    """

    __slots__ = ("_bound", "_parts", "messages")

    def __init__(self, bound: int) -> None:
        """Remember at most `bound` parts, or the very last message."""
        self._bound = bound
        self._parts = 0
        self.messages: OrderedDict[MessageKey, tuple[tuple[bytes, ...], ...]] = OrderedDict()

    def __len__(self) -> int:
        """How many parts are remembered."""
        return self._parts

    def clear(self) -> None:
        """Forget everything."""
        self.messages.clear()
        self._parts = 0

    def remember(self, key: MessageKey, bodies: tuple[bytes, ...]) -> None:
        """Note a message's bodies, those of part 1 to the last in order."""
        messages = self.messages
        earlier = messages.get(key)
        if earlier is None:
            messages[key] = (bodies,)
            self._parts += len(bodies)
        else:
            messages[key] = (*earlier, bodies)[-SAME_KEY:]
            messages.move_to_end(key)
            self._parts += len(bodies) * (len(messages[key]) - len(earlier))
        while self._parts > self._bound and len(messages) > 1:
            _, oldest = messages.popitem(last=False)
            self._parts -= sum(map(len, oldest))

    def knows(self, key: MessageKey, number: int, body: bytes) -> bool:
        """Whether this body was part `number` of a message consumed lately."""
        known = self.messages.get(key)
        if known is None or len(body) < TELLING_OCTETS:
            return False
        return any(bodies[number - 1] == body for bodies in known)
