"""Delete what nobody needs any more, a bounded slice at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.relay.states import MessageState
from tsm_gateway.store.delivery_statements import DELETE_JOB, LIST_OLD_JOBS
from tsm_gateway.store.statements import (
    DELETE_CTI,
    DELETE_MESSAGE,
    DELETE_OLD_EARLY,
    DELETE_PACKET,
    FORGET_PARTS,
    FORGET_SPELLINGS,
    LIST_DONE,
    LIST_EXPIRED_CTIS,
    LIST_OLD_EARLY,
    WAKE_AFTER_CLOCK_STEP,
)

if TYPE_CHECKING:
    import sqlite3

# FAILED is not among them: an operator retries or drops it.
DONE: Final = (MessageState.HANDED_OVER, MessageState.DELIVERED, MessageState.DROPPED)
OF_A_MESSAGE: Final = (FORGET_SPELLINGS, FORGET_PARTS, DELETE_PACKET, DELETE_MESSAGE)


class PurgeLimits(NamedTuple):
    """What is past its time."""

    done_before: int  # messages that are done and did not change since; Unix seconds
    early_before: int  # unmatched receipts that came before
    jobs_before: int  # jobs that were closed before


def purge(cursor: sqlite3.Cursor, now: int, limits: PurgeLimits, count: int) -> int:
    """Delete at most `count` messages, certificate ids, receipts and jobs; returns how many.

    Also wakes what a clock that went back would have kept waiting.
    """
    cursor.execute(WAKE_AFTER_CLOCK_STEP, (now,))
    left = count
    for state in DONE:
        left -= _purge_messages(cursor, state, limits.done_before, left)
    left -= _purge_rows(cursor, LIST_EXPIRED_CTIS, DELETE_CTI, now, left)
    left -= _purge_rows(cursor, LIST_OLD_EARLY, DELETE_OLD_EARLY, limits.early_before, left)
    left -= _purge_rows(cursor, LIST_OLD_JOBS, DELETE_JOB, limits.jobs_before, left)
    return count - left


def _purge_messages(cursor: sqlite3.Cursor, state: MessageState, before: int, limit: int) -> int:
    ids = cursor.execute(LIST_DONE, (state.value, before, limit)).fetchall()
    for sql in OF_A_MESSAGE:
        cursor.executemany(sql, ids)
    return len(ids)


def _purge_rows(cursor: sqlite3.Cursor, listing: str, deleting: str, before: int, limit: int) -> int:
    keys = cursor.execute(listing, (before, limit)).fetchall()
    cursor.executemany(deleting, keys)
    return len(keys)
