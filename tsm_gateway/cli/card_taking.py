"""Cards of a manifest into the store, a slice a transaction; known ones are passed over, and compared."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from tsm_gateway.keys.errors import KeyUnwrapFailed
from tsm_gateway.keys.wrap import NONCE_OCTETS, card_place, unwrap, wrap
from tsm_gateway.provisioning.card_key_octets import join_keys
from tsm_gateway.registry.card import Card, CardKeySet, CardKeyState
from tsm_gateway.registry.errors import AlreadyKnown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tsm_gateway.keys.wrap import MasterKeys
    from tsm_gateway.provisioning.card_manifest import ManifestCard
    from tsm_gateway.store.sqlite_store import SqliteStore

SLICE: Final = 1000  # cards in one transaction
IN_WORDS: Final = {
    "issuer": "issuer",
    "sd_aid": "`sd_aid`",
    "protocol": "`i`",
    "dap_key": "`dap_key` (`card dap-key` sets it)",
}
NAMED: Final = 10  # conflicts told one by one
CONFLICT: Final = "line {}: card {} stays as it is on record, with another: {}"


class CardImport:
    """Keeps cards, and counts them."""

    def __init__(
        self,
        store: SqliteStore,
        masters: MasterKeys,
        *,
        issuer: str,
        reason: str,
        at: int,
        skip_known: bool = False,
    ) -> None:
        """`masters` are held, so that none is pruned meanwhile; `issuer` has 1 to 32 characters."""
        self._store, self._masters = store, masters
        self._issuer, self._reason, self._at, self._skip_known = issuer, reason, at, skip_known
        self.imported = self.known = 0  # kept durably; passed over, as they are on record
        self.conflicts = 0  # passed over, and on record otherwise
        self.named: list[str] = []  # the first conflicts, in sentences

    def keep(self, cards: Iterable[ManifestCard], tell: Callable[[int], None] = lambda _: None) -> None:
        """Keep `cards`, a slice a transaction; `tell` gets how many were gone through behind each.

        Raises AlreadyKnown with facts `app_se` and `line` of the manifest; the slices ahead stay kept.
        """
        batch: list[ManifestCard] = []
        for card in cards:
            batch.append(card)
            if len(batch) == SLICE:
                self._slice(batch)
                batch = []
                tell(self.imported + self.known + self.conflicts)
        self._slice(batch)

    def _slice(self, batch: list[ManifestCard]) -> None:
        if self._skip_known:
            batch = list(self._unknown(batch))
        if not batch:
            return
        try:
            self._store.delivery.import_cards(map(self._stored, batch), reason=self._reason, at=self._at)
        except AlreadyKnown as error:
            refused = batch[int(error.facts["line"]) - 1]
            raise AlreadyKnown(what="card", app_se=refused.app_se.hex(), line=refused.line) from None
        self._store.flush()
        self.imported += len(batch)

    def _unknown(self, batch: list[ManifestCard]) -> Iterator[ManifestCard]:
        """Those that are neither in the store nor further up in the batch; the others are counted."""
        taken: dict[bytes, ManifestCard] = {}
        for each in batch:
            above, card = taken.get(each.app_se), self._store.delivery.card(each.app_se)
            if above is not None:
                self._pass_over(each, [] if above[1:] == each[1:] else ["line further up"])
            elif card is not None:
                self._pass_over(each, list(self._differences(each, card)))
            else:
                taken[each.app_se] = each
                yield each

    def _pass_over(self, found: ManifestCard, differences: list[str]) -> None:
        if not differences:
            self.known += 1
            return
        self.conflicts += 1
        if len(self.named) < NAMED:
            self.named.append(CONFLICT.format(found.line, found.app_se.hex(), ", ".join(differences)))

    def _differences(self, found: ManifestCard, card: Card) -> Iterator[str]:
        """What the record of a card has otherwise, in words."""
        stated = Card(
            found.app_se, found.sd_aid, found.protocol, self._issuer, found.dap_key, card.imported_at
        )
        for name, one, other in zip(Card._fields, stated, card, strict=True):
            if one != other:
                yield IN_WORDS[name]
        if not self._has_its_keys(found):
            yield "key set"

    def _has_its_keys(self, found: ManifestCard) -> bool:
        """Whether the issuer's key set on record is this one; also where the card has one of ours by now."""
        for keys in self._store.delivery.card_keys(found.app_se):
            if keys.state is CardKeyState.TRANSPORT:
                place = card_place(keys.app_se, keys.kvn)
                try:
                    kept = unwrap(self._masters, keys.wrapped, keys.master_version, place)
                except KeyUnwrapFailed:  # what cannot be opened is not this key set
                    return False
                return keys.kvn == found.keys.kvn and kept == join_keys(found.keys, found.receipt_key)
        return True

    def _stored(self, found: ManifestCard) -> tuple[Card, CardKeySet]:
        """The records, the keys wrapped."""
        app_se, kvn = found.app_se, found.keys.kvn
        joined = join_keys(found.keys, found.receipt_key)
        nonce = secrets.token_bytes(NONCE_OCTETS)
        wrapped, version = wrap(self._masters, joined, card_place(app_se, kvn), nonce=nonce)
        card = Card(app_se, found.sd_aid, found.protocol, self._issuer, found.dap_key, self._at)
        return card, CardKeySet(app_se, kvn, CardKeyState.TRANSPORT, wrapped, version, self._at)
