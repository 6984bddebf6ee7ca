"""Claim what is due, oldest first, and recover what was active when a process died."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.relay.interfaces import Outgoing, Transition
from tsm_gateway.relay.states import Move
from tsm_gateway.store.checksum import packet_crc
from tsm_gateway.store.move_store import move_messages
from tsm_gateway.store.statements import READ_DUE, READ_QUEUED, RECOVER, REDRIVE, WAKE_AFTER_CLOCK_STEP

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

DAMAGED = "damaged"  # the reason of a message whose packet is not what was stored


class _Candidate(NamedTuple):
    """A message that may be claimed."""

    received_at: int
    outgoing: Outgoing
    sound: bool  # its packet is what was stored


def claim_due(cursor: sqlite3.Cursor, now: int, limit: int, providers: Sequence[str]) -> list[Outgoing]:
    """Mark up to `limit` messages active, those of all `providers` merged by age.

    A message whose checksum does not hold is given up, never sent; an operator sees it as failed.
    """
    candidates = [
        found for name in dict.fromkeys(providers) for found in _candidates(cursor, now, limit, name)
    ]
    candidates.sort(key=lambda found: found.received_at)  # stable: in one second, the order of acceptance
    chosen = candidates[:limit]
    claims = [Transition(found.outgoing.message_id, Move.CLAIM, now) for found in chosen]
    lost = {move.message_id for move in move_messages(cursor, claims).ignored}
    damaged = [found.outgoing.message_id for found in chosen if not found.sound]
    move_messages(cursor, [Transition(message_id, Move.GIVE_UP, now, DAMAGED) for message_id in damaged])
    lost.update(damaged)
    return [found.outgoing for found in chosen if found.outgoing.message_id not in lost]


def _candidates(cursor: sqlite3.Cursor, now: int, limit: int, provider: str) -> list[_Candidate]:
    queued = cursor.execute(READ_QUEUED, (provider, limit)).fetchall()
    due = cursor.execute(READ_DUE, (provider, now, limit)).fetchall()
    return list(_read(provider, (*queued, *due)))


def _read(
    provider: str, rows: Iterable[tuple[bytes, bytes, int, int, int, int, int]]
) -> Iterable[_Candidate]:
    for message_id, packet, reference, receipt, attempts, received_at, crc in rows:
        outgoing = Outgoing(message_id, provider, packet, reference, bool(receipt), attempts + 1, received_at)
        found = packet_crc(message_id, provider, reference, received_at, packet, receipt=bool(receipt))
        yield _Candidate(received_at, outgoing, sound=found == crc)


def recover(cursor: sqlite3.Cursor, now: int) -> int:
    """Queue every active message again, and those of which a part failed; returns how many there were."""
    cursor.execute(WAKE_AFTER_CLOCK_STEP, (now,))
    return sum(cursor.execute(sql, (now,)).rowcount for sql in (RECOVER, REDRIVE))
