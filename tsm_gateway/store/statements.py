"""The statements of the spool, each with a sentence; compiled once, when this module is loaded.

A compare-and-set tells by its row count whether it held, so one `executemany` serves a whole batch.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from tsm_gateway.messages import ReceiptState
from tsm_gateway.relay.states import MessageState
from tsm_gateway.store.dialect import chunk, chunk_order, compiled, fixed, given, insert_new, limited
from tsm_gateway.store.schema import (
    cti,
    early_receipt,
    message,
    meta,
    outbox,
    part,
    part_spelling,
    piv_counter,
    replay_window,
    segment,
)

# --- the store itself ---

# Who this store is and how far it is.
READ_META: Final = compiled(select(meta.c.store_id, meta.c.epoch, meta.c.generation, meta.c.copied))

# Every writing transaction leaves a trace that a rolled back file lacks.
MOVE_META: Final = compiled(
    update(meta).values(
        generation=meta.c.generation + fixed(1),
        registry_version=meta.c.registry_version + given("registry"),
        queue_version=meta.c.queue_version + given("queue"),
    ),
    "registry",
    "queue",
)
READ_GENERATION: Final = compiled(select(meta.c.generation))
READ_VERSIONS: Final = compiled(select(meta.c.registry_version, meta.c.queue_version))

# --- acceptance ---

# A payment becomes ours; its (kid, PIV) is accepted at most once.
INSERT_MESSAGE: Final = insert_new(message)
INSERT_PACKET: Final = insert_new(outbox)
# A certificate is accepted at most once, whatever counter it came under.
INSERT_CTI: Final = insert_new(cti)
INSERT_SEGMENT: Final = insert_new(segment)
DELETE_SEGMENT: Final = compiled(delete(segment).where(segment.c.row == given("row")), "row")

# A replay window moves only from the state on which the decision was made.
MOVE_WINDOW: Final = compiled(
    update(replay_window)
    .values(highest=given("highest"), bitmap=given("bitmap"), crc=given("crc"))
    .where(
        replay_window.c.kid == given("of_kid"),
        replay_window.c.highest == given("old_highest"),
        replay_window.c.bitmap == given("old_bitmap"),
    ),
    *("highest", "bitmap", "crc", "of_kid", "old_highest", "old_bitmap"),
)
# So does a provider key's counter: no PIV is used twice.
MOVE_COUNTER: Final = compiled(
    update(piv_counter)
    .values(next_piv=given("next_piv"), crc=given("crc"))
    .where(piv_counter.c.kid == given("of_kid"), piv_counter.c.next_piv == given("old_piv")),
    *("next_piv", "crc", "of_kid", "old_piv"),
)
# Which devices have used any of a chunk of certificate ids.
FIND_CTIS: Final = compiled(
    select(cti.c.device_id, cti.c.cti).where(cti.c.cti.in_(chunk("cti"))), *chunk_order("cti")
)
READ_SEGMENTS: Final = compiled(select(segment).order_by(segment.c.row))

# --- hand-over ---

DELETE_PACKET: Final = compiled(delete(outbox).where(outbox.c.message_id == given("id")), "id")
# Which of a chunk of messages ask for delivery receipts.
FIND_ASKING: Final = compiled(
    select(message.c.message_id).where(message.c.message_id.in_(chunk("id")), message.c.receipt),
    *chunk_order("id"),
)
_columns = (message.c.message_id, outbox.c.packet, message.c.reference, message.c.receipt)
_claimable = (
    select(*_columns, message.c.attempts, message.c.received_at, outbox.c.crc)
    .join(outbox, outbox.c.message_id == message.c.message_id)
    .where(message.c.provider == given("provider"))
)
# The oldest queued messages of a provider.
READ_QUEUED: Final = compiled(
    limited(
        _claimable.where(message.c.due_at == fixed(0)).order_by(message.c.received_at),
        "limit",
    ),
    *("provider", "limit"),
)
# Its deferred ones whose time has come.
READ_DUE: Final = compiled(
    limited(
        _claimable.where(message.c.due_at > fixed(0), message.c.due_at <= given("now")).order_by(
            message.c.due_at, message.c.received_at
        ),
        "limit",
    ),
    *("provider", "now", "limit"),
)
# Every message that was active when the process died is queued again, octets unchanged.
RECOVER: Final = compiled(
    update(message)
    .values(state=fixed(MessageState.QUEUED), due_at=fixed(0), changed_at=given("now"))
    .where(message.c.state == fixed(MessageState.ACTIVE)),
    "now",
)
_handed_over = message.alias("handed_over")
# A part failed, and the process died before it was written down what that means for the message. Looks
# through the packets, of which there are fewer than messages or parts: they go with the last receipt.
REDRIVE: Final = compiled(
    update(message)
    .values(state=fixed(MessageState.QUEUED), due_at=fixed(0), changed_at=given("now"))
    .where(
        message.c.message_id.in_(
            select(outbox.c.message_id).where(
                select(part.c.number)
                .where(part.c.message_id == outbox.c.message_id, part.c.receipt == fixed(ReceiptState.FAILED))
                .exists(),
                select(_handed_over.c.message_id)
                .where(
                    _handed_over.c.message_id == outbox.c.message_id,
                    _handed_over.c.state == fixed(MessageState.HANDED_OVER),
                )
                .exists(),
            )
        )
    ),
    "now",
)
# The clock went back behind a deferral: what waits is due, or it would wait for that much longer.
WAKE_AFTER_CLOCK_STEP: Final = compiled(
    update(message)
    .values(due_at=fixed(0))
    .where(
        message.c.state == fixed(MessageState.DEFERRED),
        message.c.changed_at > given("now"),
        message.c.due_at > fixed(0),
    ),
    "now",
)

# --- parts and their receipts ---

_part = insert(part).values({column.name: given(column.name) for column in part.columns})
# A part was taken; a repetition replaces what the earlier try left.
PUT_PART: Final = compiled(
    _part.on_conflict_do_update(
        index_elements=["message_id", "number"],
        set_={name: _part.excluded[name] for name in ("total", "smsc_id", "at", "receipt", "receipt_at")},
    ),
    *(column.name for column in part.columns),
)
# Ids are kept for matching only where a receipt was asked for.
INSERT_SPELLING: Final = insert_new(part_spelling)
# A new attempt begins: receipts of an earlier one mean nothing any more.
FORGET_PARTS: Final = compiled(delete(part).where(part.c.message_id == given("id")), "id")
FORGET_SPELLINGS: Final = compiled(
    delete(part_spelling).where(part_spelling.c.message_id == given("id")), "id"
)

# The parts known by any of a chunk of spellings, the latest first.
FIND_PARTS: Final = compiled(
    select(
        part_spelling.c.spelling,
        part.c.smsc_id,
        part.c.message_id,
        part.c.number,
        part.c.receipt,
        message.c.provider,
        message.c.attempts,
        message.c.state,
    )
    .join(
        part,
        (part.c.message_id == part_spelling.c.message_id) & (part.c.number == part_spelling.c.number),
    )
    .join(message, message.c.message_id == part.c.message_id)
    .where(part_spelling.c.spelling.in_(chunk("spelling")))
    .order_by(part.c.at.desc(), part.c.message_id, part.c.number),
    *chunk_order("spelling"),
)
MARK_PART: Final = compiled(
    update(part)
    .values(receipt=given("state"), receipt_at=given("at"))
    .where(part.c.message_id == given("id"), part.c.number == given("of_number")),
    *("state", "at", "id", "of_number"),
)
# How far a handed over message is: parts delivered, parts failed, parts in all.
READ_PROGRESS: Final = compiled(
    select(
        func.count().filter(part.c.receipt == fixed(ReceiptState.DELIVERED)),
        func.count().filter(part.c.receipt == fixed(ReceiptState.FAILED)),
        func.max(part.c.total),
        func.max(part.c.smsc_id),
        message.c.provider,
        message.c.attempts,
    )
    .join(message, message.c.message_id == part.c.message_id)
    .where(part.c.message_id == given("id"))
    .group_by(message.c.provider, message.c.attempts),
    "id",
)
# A receipt that overtook the answer it belongs to; the first one counts.
INSERT_EARLY: Final = insert_new(early_receipt)
ANY_EARLY: Final = compiled(limited(select(early_receipt.c.best), "limit"), "limit")
FIND_EARLY: Final = compiled(
    select(early_receipt.c.best).distinct().where(early_receipt.c.best.in_(chunk("spelling"))),
    *chunk_order("spelling"),
)
READ_EARLY: Final = compiled(
    select(
        early_receipt.c.spelling,
        early_receipt.c.bearer,
        early_receipt.c.state,
        early_receipt.c.error,
        early_receipt.c.arrived_at,
    )
    .where(early_receipt.c.best == given("of_best"))
    .order_by(early_receipt.c.position),
    "of_best",
)
# Receipts that no part met by their best spelling, old enough to be read in other ways.
LIST_AGED_EARLY: Final = compiled(
    limited(
        select(early_receipt.c.best)
        .distinct()
        .where(
            early_receipt.c.arrived_at <= given("until"),
            early_receipt.c.arrived_at > given("since"),
            early_receipt.c.best > given("after"),
        )
        .order_by(early_receipt.c.best),
        "limit",
    ),
    *("until", "since", "after", "limit"),
)
DELETE_EARLY: Final = compiled(
    delete(early_receipt).where(early_receipt.c.best == given("of_best")), "of_best"
)

# --- purge ---

LIST_DONE: Final = compiled(
    limited(
        select(message.c.message_id)
        .where(message.c.state == given("in_state"), message.c.changed_at < given("before"))
        .order_by(message.c.changed_at),
        "limit",
    ),
    *("in_state", "before", "limit"),
)
DELETE_MESSAGE: Final = compiled(delete(message).where(message.c.message_id == given("id")), "id")
LIST_EXPIRED_CTIS: Final = compiled(
    limited(
        select(cti.c.device_id, cti.c.cti).where(cti.c.expires < given("before")).order_by(cti.c.expires),
        "limit",
    ),
    *("before", "limit"),
)
DELETE_CTI: Final = compiled(
    delete(cti).where(cti.c.device_id == given("of_device"), cti.c.cti == given("of_cti")),
    *("of_device", "of_cti"),
)
LIST_OLD_EARLY: Final = compiled(
    limited(
        select(early_receipt.c.best, early_receipt.c.spelling).where(
            early_receipt.c.arrived_at < given("before")
        ),
        "limit",
    ),
    *("before", "limit"),
)
DELETE_OLD_EARLY: Final = compiled(
    delete(early_receipt).where(
        early_receipt.c.best == given("of_best"), early_receipt.c.spelling == given("of_spelling")
    ),
    *("of_best", "of_spelling"),
)
