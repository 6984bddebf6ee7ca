"""After a rollback: make sure that nothing that was accepted is accepted again.

Which payments came in after the copy was made is unknown, so every window moves forward past all of
them, or every device is asked for a new key; and every provider key skips more PIVs than it can have
used, because two packets under one nonce give their keys away (RFC 5116 §5.1.1).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.store.bits import ALL_ONES
from tsm_gateway.store.checksum import counter_crc
from tsm_gateway.store.key_store import ACCEPTED, demand_new
from tsm_gateway.store.provisioning_rows import package_row, read_package, unused_at
from tsm_gateway.store.provisioning_statements import UPDATE_PACKAGE
from tsm_gateway.store.registry_rows import (
    RowDamaged,
    read_counter,
    read_key,
    read_window,
    window_row,
)
from tsm_gateway.store.registry_statements import (
    BEGIN_EPOCH,
    FIND_KEY,
    LIST_COUNTERS,
    LIST_WINDOWS,
    SET_COUNTER,
    SET_WINDOW,
)
from tsm_gateway.store.upkeep_statements import LIST_WAITING_PACKAGES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from tsm_gateway.store.registry_rows import StoredKey

LAST_PIV: Final = (1 << 40) - 1  # design §5.2
PIVS_SKIPPED: Final = 1 << 24
SLICE: Final = 10_000  # windows in memory at a time


class Resynced(NamedTuple):
    """What `resync` did."""

    epoch: int  # the new one
    devices: int  # device keys whose window moved, or that are STALE now
    providers: int  # provider keys whose next PIV moved


def begin_epoch(cursor: sqlite3.Cursor, store_id: bytes) -> None:
    """From now on this is the store `store_id`; every other copy is a stranger to its mark."""
    cursor.execute(BEGIN_EPOCH, (store_id,))


def advance_windows(cursor: sqlite3.Cursor, advance: int) -> int:
    """Move every window forward by `advance` PIVs, nothing behind is fresh; returns how many moved.

    A window whose row is damaged is closed for good: its device needs a new key.
    """
    count = 0
    for rows in _windows(cursor):
        moved = []
        for kid, *values in rows:
            try:
                highest = min(read_window(kid, *values)[0] + advance, LAST_PIV)
            except RowDamaged:
                highest = LAST_PIV
            _, *new = window_row(kid, (highest, ALL_ONES))
            moved.append((*new, kid))
        cursor.executemany(SET_WINDOW, moved)
        count += len(moved)
    return count


def advance_packages(cursor: sqlite3.Cursor, advance: int) -> None:
    """Let the windows of keys that wait not look used because they moved; follows `advance_windows`.

    A window that is closed for good was not used either: its key must not replace one that works. A
    damaged package is passed over: nobody takes its key for used.
    """
    after = b""
    while rows := cursor.execute(LIST_WAITING_PACKAGES, (after, SLICE)).fetchall():
        for highest, *row in rows:
            after = row[0]
            unused = LAST_PIV if highest == LAST_PIV else min(unused_at(row) + advance, LAST_PIV)
            with suppress(RowDamaged):
                *_, confirmed_at, _, crc = package_row(read_package(row), unused)
                cursor.execute(UPDATE_PACKAGE, (confirmed_at, unused, crc, after))


def demand_new_keys(cursor: sqlite3.Cursor) -> int:
    """Mark every accepted device key STALE; returns how many there were."""
    count = 0
    for rows in _windows(cursor):
        for kid, *_ in rows:
            stored = _key(cursor, kid)
            if stored.key.state in ACCEPTED:
                demand_new(cursor, stored)
                count += 1
    return count


def skip_pivs(cursor: sqlite3.Cursor) -> int:
    """Move every provider key's counter past what it can have used; returns how many moved.

    A counter whose row is damaged is put past its end: that provider needs a new key.
    """
    rows = cursor.execute(LIST_COUNTERS).fetchall()
    moved = []
    for kid, next_piv, crc in rows:
        try:
            new = min(read_counter(kid, next_piv, crc) + PIVS_SKIPPED, LAST_PIV + 1)
        except RowDamaged:
            new = LAST_PIV + 1
        moved.append((new, counter_crc(kid, new), kid))
    cursor.executemany(SET_COUNTER, moved)
    return len(moved)


def _windows(cursor: sqlite3.Cursor) -> Iterator[list[tuple[bytes, int, int, int]]]:
    after = b""
    while rows := cursor.execute(LIST_WINDOWS, (after, SLICE)).fetchall():
        yield rows
        after = rows[-1][0]


def _key(cursor: sqlite3.Cursor, kid: bytes) -> StoredKey:
    return read_key(cursor.execute(FIND_KEY, (kid,)).fetchone())
