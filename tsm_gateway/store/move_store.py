"""Make moves of messages, in order, and say which of them the state table did not allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.relay.states import Move
from tsm_gateway.store.dialect import in_chunks
from tsm_gateway.store.moves import EFFECTS, MOVE_SQL, Due, Packet
from tsm_gateway.store.statements import (
    DELETE_PACKET,
    FIND_ASKING,
    FORGET_PARTS,
    FORGET_SPELLINGS,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from tsm_gateway.relay.interfaces import Transition


class Moved(NamedTuple):
    """What came of a list of moves."""

    ignored: list[Transition]  # not allowed from the state the message was in
    awaiting: list[Transition]  # hand-overs whose receipts are asked for


def move_messages(cursor: sqlite3.Cursor, transitions: Iterable[Transition]) -> Moved:
    """Apply each move to its message and packet."""
    moved = Moved([], [])
    made = list(transitions)
    asking = asking_for_receipts(cursor, [one.message_id for one in made if one.move is Move.HAND_OVER])
    for transition in made:
        message_id, move, *_ = transition
        packet = EFFECTS[move].packet
        if not _apply(cursor, transition):
            moved.ignored.append(transition)
        elif move is Move.CLAIM:
            cursor.execute(FORGET_SPELLINGS, (message_id,))
            cursor.execute(FORGET_PARTS, (message_id,))
        elif packet is Packet.KEPT_FOR_RECEIPT and message_id in asking:
            moved.awaiting.append(transition)
        elif packet is not Packet.KEPT:
            cursor.execute(DELETE_PACKET, (message_id,))
    return moved


def asking_for_receipts(cursor: sqlite3.Cursor, message_ids: Sequence[bytes]) -> set[bytes]:
    """Those of the messages that ask for delivery receipts."""
    return {message_id for (message_id,) in in_chunks(cursor.execute, FIND_ASKING, message_ids)}


def _apply(cursor: sqlite3.Cursor, transition: Transition) -> bool:
    """Change the row if its state allows the move."""
    message_id, move, at, reason, next_attempt_at = transition
    effect = EFFECTS[move]
    values: tuple[object, ...] = (at, reason, message_id)
    if effect.keeps_reason:
        values = (at, reason, reason, message_id)
    if effect.due is Due.GIVEN:
        values = (next_attempt_at, *values)
    return bool(cursor.execute(MOVE_SQL[move], values).rowcount)
