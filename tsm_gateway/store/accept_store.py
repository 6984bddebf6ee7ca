"""The accepting transaction: what becomes true of a payment becomes true of all of it or of nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.relay.interfaces import StoreConflict
from tsm_gateway.relay.states import MessageState
from tsm_gateway.store.bits import to_column
from tsm_gateway.store.checksum import counter_crc, packet_crc, window_crc
from tsm_gateway.store.statements import (
    DELETE_SEGMENT,
    INSERT_CTI,
    INSERT_MESSAGE,
    INSERT_PACKET,
    INSERT_SEGMENT,
    MOVE_COUNTER,
    MOVE_WINDOW,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from tsm_gateway.relay.interfaces import Acceptance, PivMove, StoredSegment, WindowMove

ACTIVE, QUEUED = MessageState.ACTIVE.value, MessageState.QUEUED.value


def write_acceptances(cursor: sqlite3.Cursor, acceptances: Sequence[Acceptance]) -> None:
    """Store messages, packets and certificate ids. Raises StoreConflict when one was accepted before."""
    if not acceptances:
        return
    _write_all(cursor, INSERT_MESSAGE, [_message_row(accepted) for accepted in acceptances])
    _write_all(cursor, INSERT_PACKET, [_packet_row(accepted) for accepted in acceptances])
    _write_all(cursor, INSERT_CTI, [(row.cti, row.device_id, row.cti_expires) for row in acceptances])


def _message_row(accepted: Acceptance) -> tuple[object, ...]:
    """Columns of `schema.message`: taken at once it is in its first attempt, otherwise it is due."""
    active = accepted.state is MessageState.ACTIVE
    return (
        accepted.message_id,
        accepted.kid,
        accepted.piv,
        accepted.device_id,
        accepted.provider,
        accepted.provider_kid,
        accepted.provider_piv,
        accepted.bearer,
        accepted.received_at,
        accepted.reference,
        accepted.receipt,
        ACTIVE if active else QUEUED,
        1 if active else 0,
        None if active else 0,
        accepted.received_at,
        "",
    )


def _packet_row(accepted: Acceptance) -> tuple[bytes, bytes, int]:
    """Columns of `schema.outbox`."""
    crc = packet_crc(
        accepted.message_id,
        accepted.provider,
        accepted.reference,
        accepted.received_at,
        accepted.packet,
        receipt=accepted.receipt,
    )
    return accepted.message_id, accepted.packet, crc


def move_windows(cursor: sqlite3.Cursor, moves: Sequence[WindowMove]) -> None:
    """Strike out packet counters. Raises StoreConflict when a window is no longer what was decided on."""
    rows = []
    for kid, old, (highest, bitmap) in moves:
        column = to_column(bitmap)
        crc = window_crc(kid, highest, column)
        rows.append((highest, column, crc, kid, old[0], to_column(old[1])))
    _write_all(cursor, MOVE_WINDOW, rows)


def move_counters(cursor: sqlite3.Cursor, moves: Sequence[PivMove]) -> None:
    """Use up PIVs of provider keys. Raises StoreConflict when somebody else did."""
    rows = [(new, counter_crc(kid, new), kid, old) for kid, old, new in moves]
    _write_all(cursor, MOVE_COUNTER, rows)


def write_journal(cursor: sqlite3.Cursor, segments: Sequence[StoredSegment]) -> None:
    """Keep parts of messages that are not complete. Raises StoreConflict for a row number in use."""
    rows = [
        (
            row,
            part.ticket.bearer,
            part.source,
            part.destination,
            part.protocol_id,
            part.data_coding,
            part.port,
            part.reference,
            part.total,
            part.number,
            part.body,
            received_at,
        )
        for row, part, received_at in segments
    ]
    _write_all(cursor, INSERT_SEGMENT, rows)


def forget_segments(cursor: sqlite3.Cursor, rows: Sequence[int]) -> None:
    """Drop journalled parts; a row that is gone already is no error."""
    if rows:
        cursor.executemany(DELETE_SEGMENT, [(row,) for row in rows])


def _write_all(cursor: sqlite3.Cursor, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Run a statement per row, each of which has to change exactly one."""
    if rows and cursor.executemany(sql, rows).rowcount != len(rows):
        raise StoreConflict
