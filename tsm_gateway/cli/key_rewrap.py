"""Wrap every stored key anew under the current master key, in slices that a crash or a conflict keeps.

What is done is done: a second run goes on where the first one ended, because a key that stands under the
current version already is passed over.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.keys.errors import KeyUnwrapFailed, MasterKeyMissing
from tsm_gateway.keys.wrap import NONCE_OCTETS, MasterKeys, unwrap, wrap
from tsm_gateway.relay.directory import DEVICE_KEYS, PROVIDER_KEYS, place_of
from tsm_gateway.relay.interfaces import StoreConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tsm_gateway.store.registry_rows import StoredKey
    from tsm_gateway.store.registry_store import RegistryStore

    Row = tuple[bytes, bytes, bytes, int]  # kid, wrapped before, wrapped now, master version

SLICE = 500  # keys in one transaction: a few milliseconds in which the daemon cannot commit
PASSES = 5  # through all keys, at most
TRIES = 5  # of a slice that somebody else changed meanwhile


class Rewrapped(NamedTuple):
    """What became of the keys."""

    done: int
    already: int  # under the current version before
    damaged: tuple[bytes, ...]  # kids that could not be opened; they stay as they are


def rewrap_all(registry: RegistryStore, masters: MasterKeys, tell: Callable[[int], None]) -> Rewrapped:
    """Rewrap what does not stand under the current version; `tell` gets the count so far.

    Goes through the keys again while it finds some to do: whoever read the master key file before its last
    change may have stored one behind our back. Raises StoreConflict when keys are changed again and again,
    and what the store raises.
    """
    first = _pass(registry, masters, tell)
    done, passed = first.done, first
    for _ in range(PASSES):
        if not passed.done:
            return first._replace(done=done, damaged=passed.damaged)
        passed = _pass(registry, masters, lambda _: None)
        done += passed.done
    raise StoreConflict(cause="keys are added under an older version again and again")


def _pass(registry: RegistryStore, masters: MasterKeys, tell: Callable[[int], None]) -> Rewrapped:
    """All keys once, in order of kid."""
    done, already, tries = 0, 0, 0
    damaged: list[bytes] = []
    after = b""
    while keys := registry.all_keys(after=after, limit=SLICE):
        old = [stored for stored in keys if stored.key.master_version != masters.current.version]
        rows, failed = _rows(masters, old)
        try:
            done += registry.rewrap_all(rows) if rows else 0
        except StoreConflict:  # somebody changed one of them: read the slice again
            tries += 1
            if tries == TRIES:
                raise
            continue
        already, tries = already + len(keys) - len(old), 0
        damaged += failed
        after = keys[-1].key.kid
        tell(done + already)
    return Rewrapped(done, already, tuple(damaged))


def _rows(masters: MasterKeys, keys: Iterable[StoredKey]) -> tuple[list[Row], list[bytes]]:
    """What to store, and the kids of keys that do not open."""
    rows, damaged = [], []
    for stored in keys:
        try:
            rows.append(_row(masters, stored))
        except (KeyUnwrapFailed, MasterKeyMissing):
            damaged.append(stored.key.kid)
    return rows, damaged


def _row(masters: MasterKeys, stored: StoredKey) -> Row:
    """The key wrapped anew. Raises KeyUnwrapFailed, MasterKeyMissing."""
    key = stored.key
    place = place_of(DEVICE_KEYS if stored.of_device else PROVIDER_KEYS, key)
    secret = unwrap(masters, key.wrapped, key.master_version, place)
    new, version = wrap(masters, secret, place, nonce=secrets.token_bytes(NONCE_OCTETS))
    return key.kid, key.wrapped, new, version
