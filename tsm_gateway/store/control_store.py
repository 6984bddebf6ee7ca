"""Key packages on their way over the air and confirmations that came, in the transaction given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.registry.control import ControlState
from tsm_gateway.registry.errors import MoveNotAllowed, NotKnown
from tsm_gateway.relay.interfaces import StoreConflict
from tsm_gateway.store.acts import Act, facts
from tsm_gateway.store.owner_store import known_already
from tsm_gateway.store.provisioning_rows import arrival_row, message_row, read_message
from tsm_gateway.store.provisioning_statements import (
    DELETE_ARRIVAL,
    DELETE_ARRIVALS_UNDER,
    DELETE_CONTROLS_OF,
    FIND_CONTROL,
    INSERT_ARRIVAL,
    INSERT_CONTROL,
    LIST_ARRIVALS_UNDER,
    LIST_MESSAGES_OF,
    UPDATE_CONTROL,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from tsm_gateway.registry.control import ControlArrival, ControlMessage

ENDS = {ControlState.SENT: "key.send", ControlState.FAILED: "key.give-up"}  # what goes on record


def write_arrivals(cursor: sqlite3.Cursor, arrivals: Sequence[ControlArrival]) -> None:
    """Keep confirmations for provisioning, one of each key. Raises StoreConflict for one taken before.

    While one waits to be judged, a further one under the same key is let go: a device says it again if it
    has to, and cannot fill the store while nobody judges.
    """
    for arrival in arrivals:
        waiting = cursor.execute(LIST_ARRIVALS_UNDER, (arrival.kid,)).fetchall()
        if not waiting:
            cursor.execute(INSERT_ARRIVAL, arrival_row(arrival))
        elif (arrival.piv,) in waiting:
            raise StoreConflict


def settle_arrival(cursor: sqlite3.Cursor, kid: bytes, piv: int) -> None:
    """Forget a confirmation; one that is gone already is no error."""
    cursor.execute(DELETE_ARRIVAL, (kid, piv))


def insert_message(cursor: sqlite3.Cursor, message: ControlMessage) -> None:
    """Queue a message. Raises AlreadyKnown for its id."""
    with known_already(what="message", name=message.message_id.hex()):
        cursor.execute(INSERT_CONTROL, message_row(message))


def move_message(
    cursor: sqlite3.Cursor,
    message_id: bytes,
    state: ControlState,
    attempts: int,
    due_at: int,
    reason: str,
    at: int,
) -> Act | None:
    """Write how far a queued message is; what goes on record. Raises NotKnown, MoveNotAllowed."""
    row = cursor.execute(FIND_CONTROL, (message_id,)).fetchone()
    if row is None:
        raise NotKnown(what="message", name=message_id.hex())
    known = read_message(row)
    if known.state is not ControlState.QUEUED:
        raise MoveNotAllowed(name=message_id.hex(), move=state.value, state=known.state.value)
    moved = known._replace(state=state, attempts=attempts, due_at=due_at, changed_at=at, reason=reason)
    _update(cursor, moved)
    if state not in ENDS:
        return None
    return Act(at, ENDS[state], known.device_id, reason, facts(kid=known.kid, attempts=attempts))


def give_up(
    cursor: sqlite3.Cursor, device_id: str, reason: str, at: int, *, kid: bytes | None = None
) -> None:
    """Send no queued message of a device any more, or only not the one that carries the key `kid`."""
    for row in cursor.execute(LIST_MESSAGES_OF, (device_id,)).fetchall():
        message = read_message(row)
        if message.state is ControlState.QUEUED and kid in {None, message.kid}:
            _update(cursor, message._replace(state=ControlState.FAILED, changed_at=at, reason=reason))


def drop_all(cursor: sqlite3.Cursor, device_id: str, kids: Iterable[bytes]) -> None:
    """Forget messages to and from a device with these keys."""
    cursor.execute(DELETE_CONTROLS_OF, (device_id,))
    cursor.executemany(DELETE_ARRIVALS_UNDER, [(kid,) for kid in kids])


def _update(cursor: sqlite3.Cursor, message: ControlMessage) -> None:
    message_id, *_, state, attempts, due_at, _, changed_at, reason, crc = message_row(message)
    cursor.execute(UPDATE_CONTROL, (state, attempts, due_at, changed_at, reason, crc, message_id))
