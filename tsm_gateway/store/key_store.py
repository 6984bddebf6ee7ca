"""Writes of keys, windows and counters, each inside the transaction whose cursor is given."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tsm_gateway.registry.device import KeyState
from tsm_gateway.registry.errors import NotKnown
from tsm_gateway.relay.interfaces import StoreConflict
from tsm_gateway.store.checksum import counter_crc
from tsm_gateway.store.owner_store import known_already
from tsm_gateway.store.provisioning_statements import LIST_UNUSED_KEYS, LIST_WAITING_KEYS
from tsm_gateway.store.registry_rows import RowDamaged, StoredKey, key_row, read_key, window_row
from tsm_gateway.store.registry_statements import (
    COUNT_WAITING_KEYS,
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
    from collections.abc import Iterable, Sequence

    from tsm_gateway.registry.device import WrappedKey

ACCEPTED = frozenset({KeyState.PENDING, KeyState.CURRENT, KeyState.OVERLAP})
WAITING = 8  # keys of one device that nobody confirmed
GIVES_WAY = frozenset({KeyState.PENDING, KeyState.CURRENT})  # to a later key of its owner


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


def find_key(cursor: sqlite3.Cursor, kid: bytes) -> StoredKey:
    """One key. Raises NotKnown, RowDamaged."""
    row = cursor.execute(FIND_KEY, (kid,)).fetchone()
    if row is None:
        raise NotKnown(what="key", kid=kid.hex())
    return read_key(row)


def keys_of_device(cursor: sqlite3.Cursor, device_id: str) -> list[StoredKey]:
    """All keys of a device, the newest first. Raises RowDamaged."""
    return [read_key(row) for row in cursor.execute(LIST_KEYS_OF_DEVICE, (device_id,)).fetchall()]


def replace_keys(cursor: sqlite3.Cursor, key: WrappedKey, *, of_device: bool, until: int | None) -> None:
    """Make room for `key`, which its owner has for sure: none of the others is newer.

    Those that were current, or waited, stay accepted up to `until`, or not at all (None).
    """
    listing = LIST_KEYS_OF_DEVICE if of_device else LIST_KEYS_OF_PROVIDER
    for row in cursor.execute(listing, (key.owner,)).fetchall():
        stored = read_key(row)
        if stored.key.state in GIVES_WAY:
            _give_way(cursor, stored, until)


def confirm_key(
    cursor: sqlite3.Cursor, stored: StoredKey, keys: Iterable[StoredKey], *, until: int | None
) -> bool:
    """Make a device's key the current one; returns whether any other of its `keys` gave way to it.

    Those that were current, or waited and are older, stay accepted up to `until`, or not at all (None).
    Newer ones wait on: the device may have them.
    """
    older = [each for each in keys if each.key.state in GIVES_WAY and each.key.epoch < stored.key.epoch]
    for each in older:
        _give_way(cursor, each, until)
    if stored.key.state is not KeyState.CURRENT:
        _update_key(cursor, stored.key._replace(state=KeyState.CURRENT), of_device=True)
    return bool(older)


def _give_way(cursor: sqlite3.Cursor, stored: StoredKey, until: int | None) -> None:
    state = KeyState.RETIRED if until is None else KeyState.OVERLAP
    _update_key(cursor, stored.key._replace(state=state), of_device=stored.of_device, until=until)


def retire_keys(cursor: sqlite3.Cursor, owner: str, *, of_device: bool) -> None:
    """Accept none of an owner's keys any longer."""
    listing = LIST_KEYS_OF_DEVICE if of_device else LIST_KEYS_OF_PROVIDER
    for row in cursor.execute(listing, (owner,)).fetchall():
        stored = read_key(row)
        if stored.key.state in ACCEPTED:
            _update_key(cursor, stored.key._replace(state=KeyState.RETIRED), of_device=of_device)


def retire_hoarded(cursor: sqlite3.Cursor, newest: WrappedKey) -> bool:
    """Retire keys of a device that wait, above `WAITING` of them, never the `newest`; whether any was.

    A device asks for keys, and proves none: what it never used it needs least, and then what is oldest.
    Raises RowDamaged.
    """
    waiting = cursor.execute(COUNT_WAITING_KEYS, (newest.owner,)).fetchone()[0]
    excess = waiting - WAITING
    if excess <= 0:  # nearly always
        return False
    unused = cursor.execute(LIST_UNUSED_KEYS, (newest.owner, newest.kid, excess)).fetchall()
    _retire(cursor, unused)
    oldest = cursor.execute(LIST_WAITING_KEYS, (newest.owner, excess - len(unused))).fetchall()
    _retire(cursor, oldest)
    return True


def _retire(cursor: sqlite3.Cursor, rows: Iterable[Sequence[Any]]) -> None:
    for row in rows:
        _update_key(cursor, read_key(row).key._replace(state=KeyState.RETIRED), of_device=True)


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
    stored = find_key(cursor, kid)
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
