"""Writes of keys, windows and counters, each inside the transaction whose cursor is given."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tsm_gateway.registry.device import KeyState
from tsm_gateway.registry.errors import NotKnown
from tsm_gateway.relay.interfaces import StoreConflict
from tsm_gateway.store.checksum import counter_crc
from tsm_gateway.store.owner_store import known_already
from tsm_gateway.store.registry_rows import RowDamaged, StoredKey, key_row, read_key, window_row
from tsm_gateway.store.registry_statements import (
    FIND_KEY,
    INSERT_COUNTER,
    INSERT_KEY,
    INSERT_WINDOW,
    LIST_KEYS_OF_DEVICE,
    LIST_KEYS_OF_PROVIDER,
    LIST_LAPSED_KEYS,
    UPDATE_KEY,
)

if TYPE_CHECKING:
    import sqlite3

    from tsm_gateway.registry.device import WrappedKey

ACCEPTED = frozenset({KeyState.CURRENT, KeyState.OVERLAP})


def insert_device_key(cursor: sqlite3.Cursor, key: WrappedKey, window: tuple[int, int]) -> None:
    """Store a device's key and its window. Raises AlreadyKnown for the kid or the epoch."""
    _insert_key(cursor, StoredKey(key, of_device=True, accepted_until=None))
    cursor.execute(INSERT_WINDOW, window_row(key.kid, window))


def insert_provider_key(cursor: sqlite3.Cursor, key: WrappedKey, next_piv: int) -> None:
    """Store a provider's key and its counter. Raises AlreadyKnown for the kid or the epoch."""
    _insert_key(cursor, StoredKey(key, of_device=False, accepted_until=None))
    cursor.execute(INSERT_COUNTER, (key.kid, next_piv, counter_crc(key.kid, next_piv)))


def _insert_key(cursor: sqlite3.Cursor, stored: StoredKey) -> None:
    with known_already(what="key", name=stored.key.owner, kid=stored.key.kid.hex(), epoch=stored.key.epoch):
        cursor.execute(INSERT_KEY, key_row(stored))


def replace_keys(cursor: sqlite3.Cursor, key: WrappedKey, *, of_device: bool, until: int | None) -> None:
    """Make room for `key`: its owner's current one stays accepted up to `until`, or not at all (None)."""
    listing = LIST_KEYS_OF_DEVICE if of_device else LIST_KEYS_OF_PROVIDER
    for row in cursor.execute(listing, (key.owner,)).fetchall():
        stored = read_key(row)
        if stored.key.state is KeyState.CURRENT:
            state = KeyState.RETIRED if until is None else KeyState.OVERLAP
            _update_key(cursor, stored.key._replace(state=state), of_device=of_device, until=until)


def retire_keys(cursor: sqlite3.Cursor, owner: str, *, of_device: bool) -> None:
    """Accept none of an owner's keys any longer."""
    listing = LIST_KEYS_OF_DEVICE if of_device else LIST_KEYS_OF_PROVIDER
    for row in cursor.execute(listing, (owner,)).fetchall():
        stored = read_key(row)
        if stored.key.state in ACCEPTED:
            _update_key(cursor, stored.key._replace(state=KeyState.RETIRED), of_device=of_device)


def retire_lapsed(cursor: sqlite3.Cursor, now: int) -> int:
    """Retire replaced keys whose overlap is over at Unix second `now`; returns how many.

    A damaged one is passed over: nobody takes it for a key, and it must not stop the gateway.
    """
    retired = 0
    for row in cursor.execute(LIST_LAPSED_KEYS, (now,)).fetchall():
        with suppress(RowDamaged):
            stored = read_key(row)
            _update_key(cursor, stored.key._replace(state=KeyState.RETIRED), of_device=stored.of_device)
            retired += 1
    return retired


def demand_new(cursor: sqlite3.Cursor, stored: StoredKey) -> None:
    """Mark a key STALE: its replay state was lost."""
    _update_key(cursor, stored.key._replace(state=KeyState.STALE), of_device=stored.of_device)


def rewrap(cursor: sqlite3.Cursor, kid: bytes, old: bytes, new: bytes, master_version: int) -> None:
    """Replace the wrapped octets of a key. Raises NotKnown, StoreConflict when they are not `old`."""
    row = cursor.execute(FIND_KEY, (kid,)).fetchone()
    if row is None:
        raise NotKnown(what="key", kid=kid.hex())
    stored = read_key(row)
    if stored.key.wrapped != old:
        raise StoreConflict(kid=kid.hex())
    key = stored.key._replace(wrapped=new, master_version=master_version)
    _update_key(cursor, key, of_device=stored.of_device, until=stored.accepted_until)


def _update_key(
    cursor: sqlite3.Cursor, key: WrappedKey, *, of_device: bool, until: int | None = None
) -> None:
    row = key_row(StoredKey(key, of_device, until))
    *_, state, wrapped, master_version, _, accepted_until, crc = row
    cursor.execute(UPDATE_KEY, (state, wrapped, master_version, accepted_until, crc, key.kid))
