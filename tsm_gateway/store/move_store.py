"""Make moves of messages, in order, and say which of them the state table did not allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.relay.states import Move
from tsm_gateway.store.moves import EFFECTS, MOVE_SQL, Due, Packet
from tsm_gateway.store.statements import (
    DELETE_PACKET,
    DELETE_PACKET_WITHOUT_RECEIPT,
    FORGET_PARTS,
    FORGET_SPELLINGS,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from tsm_gateway.relay.interfaces import Transition


class Moved(NamedTuple):
    """What came of a list of moves."""

    ignored: list[Transition]  # not allowed from the state the message was in
    awaiting: list[Transition]  # hand-overs whose receipts are asked for


def move_messages(cursor: sqlite3.Cursor, transitions: Iterable[Transition]) -> Moved:
    """Apply each move to its message and packet."""
    moved = Moved([], [])
    for transition in transitions:
        if not _apply(cursor, transition):
            moved.ignored.append(transition)
            continue
        message_id = (transition.message_id,)
        if transition.move is Move.CLAIM:
            cursor.execute(FORGET_SPELLINGS, message_id)
            cursor.execute(FORGET_PARTS, message_id)
        packet = EFFECTS[transition.move].packet
        if packet is Packet.DELETED:
            cursor.execute(DELETE_PACKET, message_id)
        elif (
            packet is Packet.KEPT_FOR_RECEIPT
            and not cursor.execute(DELETE_PACKET_WITHOUT_RECEIPT, message_id).rowcount
        ):
            moved.awaiting.append(transition)
    return moved


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
