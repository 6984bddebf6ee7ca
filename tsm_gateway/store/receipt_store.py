"""Parts that went out and the receipts that come back for them, in either order.

| what happens | what is kept | what is found out |
|---|---|---|
| a part is taken by the peer | the part and every spelling of its id | receipts that overtook this answer |
| a receipt matches no part | the receipt, when it is final | nothing yet |
| "delivered" | with the part | the message is DELIVERED when it was the last part |
| "failed" | with the part | the message has failed, once it is handed over; said once per attempt |
| the message is claimed again | nothing of the earlier attempt | |

Ids may repeat (a peer's counter wraps; two peers count alike): a receipt belongs to the part that was
taken last among those not reported yet.

An id may also be read in two ways (hexadecimal in the response, decimal in the receipt), and one part's
other reading may be another's id. So a receipt meets a part by the best spelling of both; only one that met
none for `OTHER_READINGS_S` is tried by the others (`settle_aged`).
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from tsm_gateway.messages import Receipt, ReceiptState, Ticket
from tsm_gateway.relay.interfaces import ReceiptOutcome, Transition
from tsm_gateway.relay.states import MessageState, Move
from tsm_gateway.store.dialect import in_chunks
from tsm_gateway.store.move_store import asking_for_receipts, move_messages
from tsm_gateway.store.statements import (
    ANY_EARLY,
    DELETE_EARLY,
    FIND_EARLY,
    FIND_PARTS,
    INSERT_EARLY,
    INSERT_SPELLING,
    LIST_AGED_EARLY,
    MARK_PART,
    PUT_PART,
    READ_EARLY,
    READ_PROGRESS,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from tsm_gateway.relay.interfaces import SubmittedPart

OTHER_READINGS_S: Final = 3  # how long a receipt waits for a part of the very same id
OTHER_READINGS_END_S: Final = 900  # how long the other readings are tried
AGED: Final = 500  # receipts tried at a time
FINAL: Final = (ReceiptState.DELIVERED, ReceiptState.FAILED)


class _Part:
    """A stored part that a receipt may mean."""

    __slots__ = ("attempts", "message_id", "number", "provider", "reported", "smsc_id", "state")

    def __init__(self, row: Sequence[Any]) -> None:
        self.smsc_id, self.message_id, self.number, self.reported, *rest = row
        self.provider, self.attempts, self.state = rest


def write_parts(cursor: sqlite3.Cursor, submitted: Sequence[SubmittedPart]) -> None:
    """Remember parts that were taken, and their ids where receipts are asked for."""
    if not submitted:
        return
    cursor.executemany(
        PUT_PART,
        [
            (
                part.message_id,
                part.number,
                part.total,
                part.smsc_ids[0] if part.smsc_ids else "",
                part.at,
                "",
                None,
            )
            for part in submitted
        ],
    )
    asking = asking_for_receipts(cursor, [part.message_id for part in submitted])
    cursor.executemany(
        INSERT_SPELLING,
        [
            (spelling, part.message_id, part.number)
            for part in submitted
            if part.message_id in asking
            for spelling in part.smsc_ids
        ],
    )


def take_early(cursor: sqlite3.Cursor, submitted: Sequence[SubmittedPart]) -> list[tuple[Receipt, int]]:
    """The receipts kept for these parts, with the time they came; they are no longer kept."""
    if not submitted or cursor.execute(ANY_EARLY, (1,)).fetchone() is None:
        return []
    ids = [part.smsc_ids[0] for part in submitted if part.smsc_ids]
    return _take(cursor, sorted({best for (best,) in in_chunks(cursor.execute, FIND_EARLY, ids)}))


def settle_aged(cursor: sqlite3.Cursor, now: int, after: str) -> tuple[list[ReceiptOutcome], str]:
    """Match receipts that met no part for a while by the other readings of their ids.

    Tries a slice of them, those whose first spelling stands behind `after`, and returns where the next
    one begins: receipts that belong to nobody keep none of the others from their turn.
    """
    ages = (now - OTHER_READINGS_S, now - OTHER_READINGS_END_S)
    slice_of = [best for (best,) in cursor.execute(LIST_AGED_EARLY, (*ages, after, AGED)).fetchall()]
    outcomes = settle_receipts(cursor, _take(cursor, slice_of), (), exact=False)
    following = slice_of[-1] if len(slice_of) == AGED else ""
    return [outcome for outcome in outcomes if outcome.message_id is not None], following


def _take(cursor: sqlite3.Cursor, found: Sequence[str]) -> list[tuple[Receipt, int]]:
    taken = [_read_early(cursor, best) for best in found]
    cursor.executemany(DELETE_EARLY, [(best,) for best in found])
    return taken


def _read_early(cursor: sqlite3.Cursor, best: str) -> tuple[Receipt, int]:
    rows = cursor.execute(READ_EARLY, (best,)).fetchall()
    _, bearer, state, error, arrived_at = rows[0]
    ids = tuple(row[0] for row in rows)
    return Receipt(Ticket(bearer, 0, 0, 0), ids, ReceiptState(state), error), arrived_at


def settle_receipts(
    cursor: sqlite3.Cursor,
    receipts: Sequence[tuple[Receipt, int]],
    handed_over: Sequence[Transition],
    *,
    exact: bool = True,
) -> list[ReceiptOutcome]:
    """Match receipts to parts, and see what has become of messages handed over with some of them in.

    `exact`: by the best spelling of both. An outcome without a receipt of this batch behind it repeats
    the news of an earlier one.
    """
    outcomes: list[ReceiptOutcome] = []
    if receipts:
        parts = _parts_by_spelling(
            cursor, chain.from_iterable(receipt.message_ids for receipt, _ in receipts)
        )
        outcomes = [
            _settle(cursor, _meant(parts, receipt, exact=exact), receipt, at) for receipt, at in receipts
        ]
    decided = {outcome.message_id for outcome in outcomes if outcome.complete or outcome.failed}
    for transition in handed_over:
        if transition.message_id not in decided:
            outcomes.extend(_catch_up(cursor, transition))
    return outcomes


def _settle(cursor: sqlite3.Cursor, part: _Part | None, receipt: Receipt, at: int) -> ReceiptOutcome:
    if part is None:
        if receipt.state in FINAL:
            _keep_early(cursor, receipt, at)
        return ReceiptOutcome(receipt, None, "", 0, complete=False, failed=False)
    complete = failed = False
    if receipt.state in FINAL and part.reported != ReceiptState.DELIVERED.value:
        failed = receipt.state is ReceiptState.FAILED and _fails(cursor, part)
        part.reported = receipt.state.value
        cursor.execute(MARK_PART, (part.reported, at, part.message_id, part.number))
        complete = receipt.state is ReceiptState.DELIVERED and _deliver(cursor, part.message_id, at)
    return ReceiptOutcome(
        receipt, part.message_id, part.provider, part.attempts, complete=complete, failed=failed
    )


def _fails(cursor: sqlite3.Cursor, part: _Part) -> bool:
    """Whether a message fails with this part: a second decision might meet it in its next attempt."""
    if part.state != MessageState.HANDED_OVER.value:
        return False
    _, failures, *_ = cursor.execute(READ_PROGRESS, (part.message_id,)).fetchone()
    return not failures


def _meant(parts: dict[str, list[_Part]], receipt: Receipt, *, exact: bool) -> _Part | None:
    """The part a receipt is about: best spelling first, then one not reported, then the latest."""
    for spelling in receipt.message_ids[:1] if exact else receipt.message_ids:
        found = [part for part in parts.get(spelling, ()) if not exact or part.smsc_id == spelling]
        if found:
            return next((part for part in found if not part.reported), found[0])
    return None


def _parts_by_spelling(cursor: sqlite3.Cursor, spellings: Iterable[str]) -> dict[str, list[_Part]]:
    """Stored parts by each of their spellings, the latest first; one object per part."""
    parts: dict[str, list[_Part]] = {}
    same: dict[tuple[bytes, int], _Part] = {}
    for spelling, *row in in_chunks(cursor.execute, FIND_PARTS, list(spellings)):
        part = same.setdefault((row[1], row[2]), _Part(row))
        parts.setdefault(spelling, []).append(part)
    return parts


def _keep_early(cursor: sqlite3.Cursor, receipt: Receipt, at: int) -> None:
    best, bearer = receipt.message_ids[0] if receipt.message_ids else "", receipt.ticket.bearer
    cursor.executemany(
        INSERT_EARLY,
        [
            (best, spelling, position, bearer, receipt.state.value, receipt.error, at)
            for position, spelling in enumerate(receipt.message_ids)
        ],
    )


def _deliver(cursor: sqlite3.Cursor, message_id: bytes, at: int) -> bool:
    """Move a message to DELIVERED if its last part is; false also while it is not handed over."""
    delivered, _, total, *_ = cursor.execute(READ_PROGRESS, (message_id,)).fetchone()
    if delivered < total:
        return False
    return not move_messages(cursor, [Transition(message_id, Move.DELIVER, at)]).ignored


def _catch_up(cursor: sqlite3.Cursor, handed_over: Transition) -> Iterator[ReceiptOutcome]:
    """News of a message that was not handed over yet when the receipts of its parts came."""
    message_id, at = handed_over.message_id, handed_over.at
    progress = cursor.execute(READ_PROGRESS, (message_id,)).fetchone()
    if progress is None:
        return
    delivered, failures, total, smsc_id, provider, attempts = progress
    complete = delivered >= total and _deliver(cursor, message_id, at)
    if complete or failures:
        state = ReceiptState.DELIVERED if complete else ReceiptState.FAILED
        receipt = Receipt(Ticket("", 0, 0, 0), (smsc_id,), state, "")
        yield ReceiptOutcome(receipt, message_id, provider, attempts, complete=complete, failed=not complete)
