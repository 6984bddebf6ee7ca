"""When a message is tried again, and when we give up.

| the bearer says | what we do |
|---|---|
| accepted | hand over |
| busy | the same part again on the same link after its pause; after `BUSY_LIMIT` times defer |
| temporary | defer, back-off |
| unknown (sent, never answered) | defer, back-off from 1 s: a byte-identical repetition is harmless |
| permanent | give up: an operator can redrive it |
| not sent | back to the queue: it costs no attempt |

The back-off doubles from `first_s` to `cap_s` and is spread by up to a quarter, so that a thousand
payments deferred together do not come back together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.messages import Fate
from tsm_gateway.relay.states import Move

if TYPE_CHECKING:
    from collections.abc import Mapping

BUSY_LIMIT = 20  # consecutive refusals of one part while its link paused in between
UNKNOWN_FIRST_S = 1  # most unanswered parts were lost with their link, which is soon back

RESPONSES: Mapping[Fate, Move] = {
    Fate.BUSY: Move.DEFER,
    Fate.TEMPORARY: Move.DEFER,
    Fate.UNKNOWN: Move.DEFER,
    Fate.PERMANENT: Move.GIVE_UP,
    Fate.NOT_SENT: Move.RETURN,
}


class RetryPolicy(NamedTuple):
    """How long to go on."""

    attempts: int  # give up after this many
    first_s: int
    cap_s: int


class Next(NamedTuple):
    """What is to become of a message that was not handed over."""

    move: Move
    delay_s: int  # for DEFER


def next_move(fate: Fate, attempts: int, policy: RetryPolicy, jitter: float) -> Next:
    """Decide after `attempts` tries, this one included; `jitter` is uniform in [0, 1)."""
    move = RESPONSES[fate]
    if move is Move.DEFER and attempts >= policy.attempts:
        move = Move.GIVE_UP
    if move is not Move.DEFER:
        return Next(move, 0)
    first = UNKNOWN_FIRST_S if fate is Fate.UNKNOWN else policy.first_s
    delay = min(policy.cap_s, first << min(attempts - 1, 30))
    return Next(move, max(1, round(delay * (1 + jitter / 4))))
