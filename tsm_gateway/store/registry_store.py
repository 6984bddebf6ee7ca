"""Devices, providers and their keys in the store: the relay's reads and the operator's writes.

Every write is a transaction of its own and moves `versions()[0]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tsm_gateway.registry.device import (
        Device,
        DeviceEntry,
        DeviceMove,
        DeviceState,
        WrappedKey,
    )
    from tsm_gateway.registry.provider import Provider, ProviderEntry, ProviderMove


class RegistryStore:
    """A `relay.interfaces.Registry`, and what the command line asks besides."""

    # --- relay.interfaces.Registry ---
    def device_for(self, kid: bytes) -> DeviceEntry | None:
        """See `relay.interfaces.Registry`; a damaged row comes back with its key STALE."""
        raise NotImplementedError

    def provider_for(self, address: str) -> ProviderEntry | None:
        """See `relay.interfaces.Registry`. Raises StoreBroken when the row is damaged."""
        raise NotImplementedError

    def provider_named(self, name: str) -> ProviderEntry | None:
        """See `relay.interfaces.Registry`. Raises StoreBroken when the row is damaged."""
        raise NotImplementedError

    def window_of(self, kid: bytes) -> tuple[int, int] | None:
        """See `relay.interfaces.Registry`."""
        raise NotImplementedError

    def versions(self) -> tuple[int, int]:
        """See `relay.interfaces.Registry`."""
        raise NotImplementedError

    # --- reads for people ---
    def device(self, device_id: str) -> Device | None:
        """One device by its id."""
        raise NotImplementedError

    def devices(self, *, state: DeviceState | None = None, after: str = "", limit: int = 1000) -> list[Device]:
        """Devices in order of their ids, those behind `after`."""
        raise NotImplementedError

    def providers(self) -> list[Provider]:
        """All providers in order of their names."""
        raise NotImplementedError

    def keys(self, owner: str) -> list[WrappedKey]:
        """All keys of a device id or provider name, the newest first."""
        raise NotImplementedError

    def key(self, kid: bytes) -> WrappedKey | None:
        """One key."""
        raise NotImplementedError

    def all_keys(self, *, after: bytes = b"", limit: int = 1000) -> list[WrappedKey]:
        """Keys of all owners in order of kid, those behind `after`: for rewrapping."""
        raise NotImplementedError

    # --- writes ---
    def add_device(
        self, device: Device, key: WrappedKey | None = None, window: tuple[int, int] | None = None
    ) -> None:
        """Register a device, with its first key and that key's window if it has one. Raises AlreadyKnown."""
        raise NotImplementedError

    def add_devices(self, rows: Iterable[tuple[Device, WrappedKey | None, tuple[int, int] | None]]) -> int:
        """Register many in one transaction. Raises AlreadyKnown and keeps none of them."""
        raise NotImplementedError

    def add_device_key(self, key: WrappedKey, window: tuple[int, int], *, overlap_s: int, at: int) -> None:
        """Give a device its next key; the one before stays accepted for `overlap_s`, 0 = not at all.

        Raises NotKnown for the device, AlreadyKnown for the kid or the epoch.
        """
        raise NotImplementedError

    def move_device(self, device_id: str, move: DeviceMove, *, reason: str, at: int) -> Device:
        """Apply a row of DEVICE_MOVES; TERMINATE retires its keys. Raises NotKnown, MoveNotAllowed."""
        raise NotImplementedError

    def change_device(self, device: Device, *, at: int) -> Device:
        """Replace certificate and number, nothing else. Raises NotKnown."""
        raise NotImplementedError

    def add_provider(self, provider: Provider, key: WrappedKey, *, next_piv: int) -> None:
        """Register a provider. Raises AlreadyKnown for its name, one of its addresses or the kid."""
        raise NotImplementedError

    def move_provider(self, name: str, move: ProviderMove, *, reason: str, at: int) -> Provider:
        """Apply a row of PROVIDER_MOVES; RETIRE retires its keys. Raises NotKnown, MoveNotAllowed."""
        raise NotImplementedError

    def change_provider(self, provider: Provider, *, at: int) -> Provider:
        """Replace everything but state, reason and creation. Raises NotKnown, AlreadyKnown (address)."""
        raise NotImplementedError

    def rotate_provider_key(self, key: WrappedKey, *, next_piv: int, overlap_s: int, at: int) -> None:
        """Make `key` the current one of its owner. Raises NotKnown, AlreadyKnown (kid, epoch)."""
        raise NotImplementedError

    def rewrap(self, kid: bytes, old: bytes, new: bytes, master_version: int) -> None:
        """Replace a wrapped key, compare-and-set. Raises NotKnown, StoreConflict when it is not `old`."""
        raise NotImplementedError
