"""Where wrapped keys stand in the store: those of devices and providers, and the key sets of cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from tsm_gateway.keys.wrap import DEVICE_KEYS, PROVIDER_KEYS, card_place
from tsm_gateway.registry.card import CardKeyState
from tsm_gateway.relay.directory import place_of
from tsm_gateway.store.card_store import Rewrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.keys.wrap import Place
    from tsm_gateway.registry.card import CardKeySet
    from tsm_gateway.store.delivery_store import DeliveryStore
    from tsm_gateway.store.registry_rows import StoredKey
    from tsm_gateway.store.registry_store import RegistryStore

K = TypeVar("K")


class Renewed(NamedTuple):
    """Wrapped octets and what they are replaced by."""

    place: Place
    old: bytes
    new: bytes
    master_version: int


class Shelf(Protocol[K]):
    """Wrapped keys of one kind, in an order; `K` is one of them."""

    def page(self, last: K | None, limit: int, /) -> list[K]:
        """So many of them, those behind `last`; None = the first ones. Raises as the store."""

    def held(self, key: K, /) -> tuple[Place, bytes, int]:
        """Where a key is stored, its wrapped octets and under which version of the master key."""

    def renew(self, rows: Sequence[Renewed], /) -> int:
        """Replace all of them or none; how many. Raises StoreConflict when one was changed meanwhile."""


class OwnedKeys:
    """The keys of devices and providers."""

    def __init__(self, registry: RegistryStore) -> None:
        """Those of `registry`."""
        self._registry = registry

    def page(self, last: StoredKey | None, limit: int) -> list[StoredKey]:
        """See `Shelf`."""
        return self._registry.all_keys(after=b"" if last is None else last.key.kid, limit=limit)

    def held(self, key: StoredKey) -> tuple[Place, bytes, int]:
        """See `Shelf`."""
        place = place_of(DEVICE_KEYS if key.of_device else PROVIDER_KEYS, key.key)
        return place, key.key.wrapped, key.key.master_version

    def renew(self, rows: Sequence[Renewed]) -> int:
        """See `Shelf`."""
        return self._registry.rewrap_all([(row.place.kid, *row[1:]) for row in rows])


class CardKeys:
    """The key sets of cards."""

    def __init__(self, delivery: DeliveryStore) -> None:
        """Those of `delivery`."""
        self._delivery = delivery

    def page(self, last: CardKeySet | None, limit: int) -> list[CardKeySet]:
        """See `Shelf`."""
        after = (b"", 0) if last is None else (last.app_se, last.kvn)
        return self._delivery.all_card_keys(after=after, limit=limit)

    def held(self, key: CardKeySet) -> tuple[Place, bytes, int]:
        """See `Shelf`."""
        own = key.state is not CardKeyState.TRANSPORT
        return card_place(key.app_se, key.kvn, own=own), key.wrapped, key.master_version

    def renew(self, rows: Sequence[Renewed]) -> int:
        """See `Shelf`."""
        return self._delivery.rewrap_card_keys(
            Rewrap(row.place.row[:-1], row.place.row[-1], *row[1:]) for row in rows
        )
