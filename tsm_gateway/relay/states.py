"""The states of a message that an operator can say, and the table of moves between them.

| state | what is on disk | what comes next |
|---|---|---|
| incoming | journalled segments | the missing parts, or the time limit |
| queued | message, packet | a lane claims it |
| active | message, packet | the bearer's answers; after a crash: queued again, same octets |
| deferred | message, packet, time | its time comes |
| held | message, packet | an operator releases it |
| handed_over | message, part ids, packet if a receipt was asked for | the receipt |
| delivered | message | nothing: the packet is gone |
| failed | message, packet, reason | an operator retries or drops it |
| refused | nothing | nothing: counted and logged only |

A message is acknowledged to the radio after the commit that made its row `queued` or `active`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class MessageState(Enum):
    """A message's state as stored and shown."""

    QUEUED = "queued"
    ACTIVE = "active"
    DEFERRED = "deferred"
    HELD = "held"
    HANDED_OVER = "handed_over"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"


class Move(Enum):
    """What moves a message."""

    CLAIM = "claim"  # a lane takes it to send
    RECOVER = "recover"  # the daemon started and found it active
    RETURN = "return"  # its link went away before it was sent
    DEFER = "defer"  # temporary failure
    GIVE_UP = "give_up"  # permanent failure, or too many attempts
    HAND_OVER = "hand_over"  # every part answered 0
    DELIVER = "deliver"  # every part's receipt says delivered
    HOLD = "hold"
    RELEASE = "release"
    RETRY = "retry"
    DROP = "drop"


S = MessageState
MOVES: Mapping[Move, tuple[frozenset[MessageState], MessageState]] = {
    Move.CLAIM: (frozenset({S.QUEUED, S.DEFERRED}), S.ACTIVE),
    Move.RECOVER: (frozenset({S.ACTIVE}), S.QUEUED),
    Move.RETURN: (frozenset({S.ACTIVE}), S.QUEUED),
    Move.DEFER: (frozenset({S.ACTIVE, S.HANDED_OVER}), S.DEFERRED),
    Move.GIVE_UP: (frozenset({S.ACTIVE, S.HANDED_OVER}), S.FAILED),
    Move.HAND_OVER: (frozenset({S.ACTIVE}), S.HANDED_OVER),
    Move.DELIVER: (frozenset({S.HANDED_OVER}), S.DELIVERED),
    Move.HOLD: (frozenset({S.QUEUED, S.DEFERRED}), S.HELD),
    Move.RELEASE: (frozenset({S.HELD}), S.QUEUED),
    Move.RETRY: (frozenset({S.FAILED, S.DEFERRED}), S.QUEUED),
    Move.DROP: (frozenset({S.QUEUED, S.DEFERRED, S.HELD, S.FAILED}), S.DROPPED),
}
