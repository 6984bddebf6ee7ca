"""Wrap every stored key anew under the current master key, in slices that a crash or a conflict keeps.

What is done is done: a second run goes on where the first one ended, because a key that stands under the
current version already is passed over.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tsm_gateway.cli.key_shelves import CardKeys, OwnedKeys, Renewed
from tsm_gateway.keys.errors import KeyUnwrapFailed, MasterKeyMissing
from tsm_gateway.keys.wrap import NONCE_OCTETS, MasterKeys, unwrap, wrap
from tsm_gateway.relay.interfaces import StoreConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tsm_gateway.cli.key_shelves import Shelf
    from tsm_gateway.keys.wrap import Place
    from tsm_gateway.store.sqlite_store import SqliteStore

    Held = tuple[Place, bytes, int]  # as `Shelf.held` gives it

K = TypeVar("K")

SLICE = 500  # keys in one transaction: a few milliseconds in which the daemon cannot commit
PASSES = 5  # through all keys, at most
TRIES = 5  # of a slice that somebody else changed meanwhile


class Rewrapped(NamedTuple):
    """What became of the keys."""

    done: int
    already: int  # under the current version before
    damaged: tuple[str, ...]  # the rows (in hex) of keys that could not be opened; they stay as they are


def rewrap_all(store: SqliteStore, masters: MasterKeys, tell: Callable[[int], None]) -> Rewrapped:
    """Rewrap what does not stand under the current version; `tell` gets the count so far.

    Goes through the keys again while it finds some to do: whoever read the master key file before its last
    change may have stored one behind our back. Raises StoreConflict when keys are changed again and again,
    and what the store raises.
    """
    first = _pass(store, masters, tell)
    done, passed = first.done, first
    for _ in range(PASSES):
        if not passed.done:
            return first._replace(done=done, damaged=passed.damaged)
        passed = _pass(store, masters, lambda _: None)
        done += passed.done
    raise StoreConflict(cause="keys are added under an older version again and again")


def _pass(store: SqliteStore, masters: MasterKeys, tell: Callable[[int], None]) -> Rewrapped:
    """All keys of all kinds once."""
    owned = _walk(OwnedKeys(store.registry), masters, tell)
    before = owned.done + owned.already
    cards = _walk(CardKeys(store.delivery), masters, lambda count: tell(before + count))
    return Rewrapped(owned.done + cards.done, owned.already + cards.already, (*owned.damaged, *cards.damaged))


def _walk(shelf: Shelf[K], masters: MasterKeys, tell: Callable[[int], None]) -> Rewrapped:
    """All keys of one kind once, in their order."""
    done, already, tries = 0, 0, 0
    damaged: list[str] = []
    last: K | None = None
    while keys := shelf.page(last, SLICE):
        old = [held for key in keys if (held := shelf.held(key))[2] != masters.current.version]
        rows, failed = _rows(masters, old)
        try:
            done += shelf.renew(rows) if rows else 0
        except StoreConflict:  # somebody changed one of them: read the slice again
            tries += 1
            if tries == TRIES:
                raise
            continue
        already, tries = already + len(keys) - len(old), 0
        damaged += failed
        last = keys[-1]
        tell(done + already)
    return Rewrapped(done, already, tuple(damaged))


def _rows(masters: MasterKeys, old: Iterable[Held]) -> tuple[list[Renewed], list[str]]:
    """What to store, and the rows of keys that do not open."""
    rows, damaged = [], []
    for place, wrapped, version in old:
        try:
            secret = unwrap(masters, wrapped, version, place)
        except (KeyUnwrapFailed, MasterKeyMissing):
            damaged.append(place.row.hex())
            continue
        new, current = wrap(masters, secret, place, nonce=secrets.token_bytes(NONCE_OCTETS))
        rows.append(Renewed(place, wrapped, new, current))
    return rows, damaged
