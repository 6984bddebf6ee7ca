"""Cards and their key sets, inside the transaction whose cursor is given.

| key set | before | after | its octets |
|---|---|---|---|
| the issuer's | | TRANSPORT | kept |
| ours, about to be sent | none of that number, or RETIRED | PENDING | kept |
| the card took it | PENDING | CURRENT | kept |
| all others then | any | RETIRED | deleted, and overwritten in the file |
| the card never took it | PENDING | none | deleted |

While a card may know either of two, both are kept: whatever answer is lost, one of them opens it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.registry.card import CardKeyState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed, NotKnown
from tsm_gateway.relay.interfaces import StoreConflict
from tsm_gateway.store.acts import STORE, Act, facts
from tsm_gateway.store.delivery_rows import (
    card_keys_row,
    card_row,
    inventory_row,
    read_card,
    read_card_keys,
)
from tsm_gateway.store.delivery_statements import (
    DELETE_CARD,
    DELETE_CARD_KEYS,
    DELETE_INVENTORY,
    DELETE_KEYS_OF_CARD,
    FIND_CARD,
    FIND_CARD_KEYS,
    INSERT_CARD,
    LIST_CARD_KEYS,
    PUT_CARD,
    PUT_CARD_KEYS,
    PUT_INVENTORY,
)
from tsm_gateway.store.job_store import cancel_open
from tsm_gateway.store.owner_store import belong_together, known_already
from tsm_gateway.store.registration_store import holder_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from tsm_gateway.registry.card import Card, CardKeySet, Inventory

S = CardKeyState
NO_MASTER = 0  # what wraps the octets of a RETIRED key set: there are none
FORGOTTEN = "card forgotten"  # why a job is cancelled


class Rewrap(NamedTuple):
    """One key set, wrapped anew."""

    app_se: bytes
    kvn: int
    old: bytes  # the wrapped octets it replaces
    new: bytes
    master_version: int


def import_cards(
    cursor: sqlite3.Cursor, cards: Iterable[tuple[Card, CardKeySet]], reason: str, at: int
) -> tuple[int, Act]:
    """Insert cards with their first key sets; how many. Raises AlreadyKnown, ValueError."""
    count, issuers = 0, set[str]()
    for count, (card, keys) in enumerate(cards, start=1):
        belong_together(card.app_se, keys.app_se)
        with known_already(what="card", app_se=card.app_se.hex(), line=count):
            cursor.execute(INSERT_CARD, card_row(card))
        cursor.execute(PUT_CARD_KEYS, card_keys_row(keys))
        issuers.add(card.issuer)
    told = facts(cards=count, issuers=" ".join(sorted(issuers)))
    return count, Act(at, "card.import", STORE, reason, told)


def dap_key(
    cursor: sqlite3.Cursor, app_ses: Iterable[bytes], key_id: bytes, reason: str, at: int
) -> tuple[int, list[Act]]:
    """Put the key that cards verify load files with; how many had another. Raises NotKnown, RowDamaged.

    An act for each of them: the number of cards of one transaction is bounded by whoever calls.
    """
    acts = []
    for app_se in app_ses:
        known = find_card(cursor, app_se)
        if known.dap_key != key_id:
            cursor.execute(PUT_CARD, card_row(known._replace(dap_key=key_id)))
            told = facts(key=key_id, before=known.dap_key)
            acts.append(Act(at, "card.dap-key", app_se.hex(), reason, told))
    return len(acts), acts


def forget(cursor: sqlite3.Cursor, app_se: bytes, reason: str, at: int) -> Act:
    """Delete a card and all that hangs on it; its device's open jobs are cancelled. Raises NotKnown."""
    find_card(cursor, app_se)
    owner = holder_of(cursor, app_se)
    cancelled = cancel_open(cursor, owner, FORGOTTEN, at) if owner else 0
    for sql in (DELETE_INVENTORY, DELETE_KEYS_OF_CARD, DELETE_CARD):
        cursor.execute(sql, (app_se,))
    return Act(at, "card.forget", app_se.hex(), reason, facts(device=owner, jobs=cancelled))


def keys_pending(cursor: sqlite3.Cursor, keys: CardKeySet, at: int) -> Act:
    """Insert a PENDING key set, or put it in place of a RETIRED one. Raises NotKnown, AlreadyKnown."""
    belong_together(keys.state, S.PENDING)
    find_card(cursor, keys.app_se)
    for known in _keys_of(cursor, keys.app_se):
        if known.state is S.PENDING or (known.kvn == keys.kvn and known.state is not S.RETIRED):
            raise AlreadyKnown(
                what="key set", app_se=keys.app_se.hex(), kvn=known.kvn, state=known.state.value
            )
    cursor.execute(PUT_CARD_KEYS, card_keys_row(keys))
    return _act(at, keys.app_se, kvn=keys.kvn, state=S.PENDING.value)


def keys_current(cursor: sqlite3.Cursor, app_se: bytes, kvn: int, at: int) -> Act:
    """Make a PENDING key set the only one with octets. Raises NotKnown, MoveNotAllowed, RowDamaged."""
    pending = _pending(cursor, app_se, kvn, "current")
    retired = []
    for known in _keys_of(cursor, app_se):
        if known.kvn != kvn and known.state is not S.RETIRED:
            gone = known._replace(state=S.RETIRED, wrapped=b"", master_version=NO_MASTER)
            cursor.execute(PUT_CARD_KEYS, card_keys_row(gone))
            retired.append(str(known.kvn))
    cursor.execute(PUT_CARD_KEYS, card_keys_row(pending._replace(state=S.CURRENT)))
    return _act(at, app_se, kvn=kvn, state=S.CURRENT.value, retired=" ".join(retired))


def keys_dropped(cursor: sqlite3.Cursor, app_se: bytes, kvn: int, at: int) -> Act:
    """Delete a PENDING key set. Raises NotKnown, MoveNotAllowed, RowDamaged."""
    _pending(cursor, app_se, kvn, "drop")
    cursor.execute(DELETE_CARD_KEYS, (app_se, kvn))
    return _act(at, app_se, kvn=kvn, state="dropped")


def keep_inventory(cursor: sqlite3.Cursor, inventory: Inventory) -> None:
    """Put what a card said. Raises NotKnown, RowDamaged."""
    find_card(cursor, inventory.app_se)
    cursor.execute(PUT_INVENTORY, inventory_row(inventory))


def rewrap_all(cursor: sqlite3.Cursor, rows: Iterable[Rewrap]) -> tuple[int, Act]:
    """Replace wrapped octets; how many. Raises StoreConflict when they are not the old ones, or are gone."""
    count = master_version = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - how many there were
        known = _known_keys(cursor, row.app_se, row.kvn)
        if known is None or known.wrapped != row.old:
            raise StoreConflict(app_se=row.app_se.hex(), kvn=row.kvn)
        master_version = row.master_version
        anew = known._replace(wrapped=row.new, master_version=master_version)
        cursor.execute(PUT_CARD_KEYS, card_keys_row(anew))
    told = facts(card_keys=count, master_version=master_version)
    return count, Act(int(time.time()), "key.rewrap", STORE, "", told)


def find_card(cursor: sqlite3.Cursor, app_se: bytes) -> Card:
    """One card. Raises NotKnown, RowDamaged."""
    row = cursor.execute(FIND_CARD, (app_se,)).fetchone()
    if row is None:
        raise NotKnown(what="card", app_se=app_se.hex())
    return read_card(row)


def _keys_of(cursor: sqlite3.Cursor, app_se: bytes) -> list[CardKeySet]:
    return [read_card_keys(row) for row in cursor.execute(LIST_CARD_KEYS, (app_se,)).fetchall()]


def _known_keys(cursor: sqlite3.Cursor, app_se: bytes, kvn: int) -> CardKeySet | None:
    row = cursor.execute(FIND_CARD_KEYS, (app_se, kvn)).fetchone()
    return None if row is None else read_card_keys(row)


def _pending(cursor: sqlite3.Cursor, app_se: bytes, kvn: int, move: str) -> CardKeySet:
    """A key set that is PENDING. Raises NotKnown, MoveNotAllowed, RowDamaged."""
    keys = _known_keys(cursor, app_se, kvn)
    if keys is None:
        raise NotKnown(what="key set", app_se=app_se.hex(), kvn=kvn)
    if keys.state is not S.PENDING:
        raise MoveNotAllowed(
            name=app_se.hex(), kvn=kvn, move=move, state=keys.state.value, allowed_from=S.PENDING.value
        )
    return keys


def _act(at: int, app_se: bytes, **named: int | str) -> Act:
    return Act(at, "card.keys", app_se.hex(), "", facts(**named))
