"""What each move of a message does to its row, as a table; one guarded statement is made of each line.

| column | meaning |
|---|---|
| due | when it may be claimed: at once, at the time given, or not |
| attempts | kept, one more, one less, or from nought |
| reason | whether an empty reason leaves the last one standing |
| packet | whether the sealed packet is still needed |

The guard is the state table's: a move from a state it does not name changes no row. Nor does a move
that would make a message due whose packet is gone.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import case, null, select, update

from tsm_gateway.relay.states import MOVES, Move
from tsm_gateway.store.dialect import compiled, fixed, given
from tsm_gateway.store.schema import message, outbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement


class Due(Enum):
    """When the message may be claimed after the move."""

    NEVER = "never"
    NOW = "now"
    GIVEN = "given"  # at `Transition.next_attempt_at`


class Attempts(Enum):
    """How many times the message was tried after the move."""

    KEPT = "kept"
    MORE = "more"
    LESS = "less"  # it was not sent after all
    NONE = "none"  # an operator starts anew


class Packet(Enum):
    """What becomes of the sealed packet."""

    KEPT = "kept"
    DELETED = "deleted"
    KEPT_FOR_RECEIPT = "kept_for_receipt"  # deleted unless a receipt was asked for: it may come back failed


class Effect(NamedTuple):
    """One line of the table."""

    due: Due
    attempts: Attempts = Attempts.KEPT
    keeps_reason: bool = True
    packet: Packet = Packet.KEPT


EFFECTS: Final[Mapping[Move, Effect]] = {
    Move.CLAIM: Effect(Due.NEVER, Attempts.MORE),
    Move.RECOVER: Effect(Due.NOW),  # it may have gone out: the attempt counts
    Move.RETURN: Effect(Due.NOW, Attempts.LESS),
    Move.DEFER: Effect(Due.GIVEN),
    Move.GIVE_UP: Effect(Due.NEVER),
    Move.HAND_OVER: Effect(Due.NEVER, keeps_reason=False, packet=Packet.KEPT_FOR_RECEIPT),
    Move.DELIVER: Effect(Due.NEVER, keeps_reason=False, packet=Packet.DELETED),
    Move.HOLD: Effect(Due.NEVER),
    Move.RELEASE: Effect(Due.NOW),
    Move.RETRY: Effect(Due.NOW, Attempts.NONE),
    Move.DROP: Effect(Due.NEVER, packet=Packet.DELETED),
}

_count = message.c.attempts
COUNTS: Final[Mapping[Attempts, ColumnElement[Any]]] = {
    Attempts.KEPT: _count,
    Attempts.MORE: _count + fixed(1),
    Attempts.LESS: case((_count > fixed(0), _count - fixed(1)), else_=fixed(0)),
    Attempts.NONE: fixed(0),
}


def _statement(move: Move) -> str:
    """Parameters: [next_attempt_at,] at, reason [twice when the old one may stand], id."""
    effect, (allowed, target) = EFFECTS[move], MOVES[move]
    dues = {Due.NEVER: null(), Due.NOW: fixed(0), Due.GIVEN: given("next_attempt_at")}
    reason: ColumnElement[Any] = given("reason")
    if effect.keeps_reason:
        reason = case((given("reason") == fixed(""), message.c.reason), else_=given("reason"))
    statement = (
        update(message)
        .values(
            state=fixed(target),
            attempts=COUNTS[effect.attempts],
            due_at=dues[effect.due],
            changed_at=given("at"),
            reason=reason,
        )
        .where(
            message.c.message_id == given("id"),
            message.c.state.in_([fixed(state) for state in sorted(allowed, key=lambda state: state.value)]),
        )
    )
    if effect.due is not Due.NEVER:
        statement = statement.where(
            select(outbox.c.message_id).where(outbox.c.message_id == message.c.message_id).exists()
        )
    order = ["at", "reason", *(["reason"] if effect.keeps_reason else []), "id"]
    return compiled(statement, *(["next_attempt_at"] if effect.due is Due.GIVEN else []), *order)


MOVE_SQL: Final[Mapping[Move, str]] = {move: _statement(move) for move in Move}
