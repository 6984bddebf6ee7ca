"""The key sets of cards: wrapped in the store, open in a conversation."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.daemon.key_maker import MasterRotated
from tsm_gateway.keys.wrap import NONCE_OCTETS, card_place, unwrap, wrap
from tsm_gateway.provisioning.card_key_octets import join_keys, split_keys
from tsm_gateway.registry.card import CardKeySet, CardKeyState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.provisioning.card_keys import KeySet
    from tsm_gateway.secret import Secret


class OpenedKeys(NamedTuple):
    """What the gateway can open a card with."""

    sets: tuple[KeySet, ...]  # newest first
    pending: KeySet | None  # the one of them whose arrival on the card is not known
    receipt_key: Secret | None


class CardKeyShelf:
    """Opens and wraps key sets under the master key in force."""

    def __init__(self, held: Held) -> None:
        """`held` holds the master keys."""
        self._held = held

    def open(self, stored: Sequence[CardKeySet]) -> OpenedKeys:
        """All of a card's key sets that have octets, `stored` newest first.

        Raises KeyUnwrapFailed, MasterKeyMissing, CardKeysMalformed.
        """
        sets: list[KeySet] = []
        pending = receipt_key = None
        for row in stored:
            if row.state is CardKeyState.RETIRED:
                continue
            place = card_place(row.app_se, row.kvn, own=row.state is not CardKeyState.TRANSPORT)
            joined = unwrap(self._held.now.masters, row.wrapped, row.master_version, place)
            keys, receipt = split_keys(joined, row.kvn)
            sets.append(keys)
            receipt_key = receipt_key or receipt
            if row.state is CardKeyState.PENDING:
                pending = keys
        return OpenedKeys(tuple(sets), pending, receipt_key)

    def wrap(self, app_se: bytes, keys: KeySet, receipt_key: Secret | None, at: int) -> CardKeySet:
        """A new key set of a card, PENDING, fit to rest."""
        wrapped, version = wrap(
            self._held.now.masters,
            join_keys(keys, receipt_key),
            card_place(app_se, keys.kvn, own=True),
            nonce=secrets.token_bytes(NONCE_OCTETS),
        )
        return CardKeySet(app_se, keys.kvn, CardKeyState.PENDING, wrapped, version, at)

    def check_master(self, made: CardKeySet) -> None:
        """Call it in the transaction that stores `made`. Raises MasterRotated, as `KeyMaker` does."""
        if made.master_version != self._held.now.masters.current.version:
            raise MasterRotated(version=made.master_version)
