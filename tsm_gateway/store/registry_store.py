"""Devices, providers and their keys in the store: a `relay.interfaces.Registry`, and the operator's writes.

Every write is a transaction of its own and moves `versions()[0]`, which tells every process to forget
what it has cached. Raises, besides what each method names: StoreBusy, StoreFull, StoreBroken, and
RowDamaged for a row whose checksum does not hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.registry import transitions
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.provider import ProviderState
from tsm_gateway.store.key_store import (
    insert_device_key,
    insert_provider_key,
    replace_keys,
    retire_keys,
    rewrap,
)
from tsm_gateway.store.owner_store import (
    find_device,
    find_provider,
    insert_device,
    insert_provider,
    update_device,
    update_provider,
)
from tsm_gateway.store.registry_read_store import RegistryReads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tsm_gateway.registry.device import Device, DeviceMove, WrappedKey
    from tsm_gateway.registry.provider import Provider, ProviderMove
    from tsm_gateway.store.connection_store import Reader
    from tsm_gateway.store.failures import Health
    from tsm_gateway.store.writer_store import Writer


class RegistryStore(RegistryReads):
    """Reads and writes of the registry."""

    def __init__(self, writer: Writer, hot: Reader, people: Reader, health: Health) -> None:
        """Write through `writer`; see `RegistryReads` for the rest."""
        super().__init__(hot, people, health)
        self._writer = writer

    # --- devices ---

    def add_device(
        self, device: Device, key: WrappedKey | None = None, window: tuple[int, int] | None = None
    ) -> None:
        """Register a device, with its first key and that key's window if it has one.

        Raises AlreadyKnown, ValueError for a key without its window.
        """
        self.add_devices([(device, key, window)])

    def add_devices(self, rows: Iterable[tuple[Device, WrappedKey | None, tuple[int, int] | None]]) -> int:
        """Register many in one transaction; returns how many. Raises AlreadyKnown and keeps none of them."""
        count = 0
        with self._writer.administration(registry=True) as cursor:
            for device, key, window in rows:
                insert_device(cursor, device)
                if key is not None:
                    insert_device_key(cursor, key, _window(key, window))
                count += 1
        return count

    def add_device_key(self, key: WrappedKey, window: tuple[int, int], *, overlap_s: int, at: int) -> None:
        """Give a device its next key; the one before stays accepted for `overlap_s`, 0 = not at all.

        Raises NotKnown for the device, AlreadyKnown for the kid or the epoch.
        """
        with self._writer.administration(registry=True) as cursor:
            find_device(cursor, key.owner)
            replace_keys(cursor, key, of_device=True, until=_until(at, overlap_s))
            insert_device_key(cursor, key, window)

    def move_device(self, device_id: str, move: DeviceMove, *, reason: str, at: int) -> Device:
        """Apply a row of DEVICE_MOVES; TERMINATE retires its keys. Raises NotKnown, MoveNotAllowed."""
        with self._writer.administration(registry=True) as cursor:
            moved = transitions.move_device(find_device(cursor, device_id), move, reason=reason, at=at)
            if moved.state is DeviceState.TERMINATED:
                retire_keys(cursor, device_id, of_device=True)
            return update_device(cursor, moved)

    def change_device(self, device: Device, *, at: int) -> Device:
        """Replace certificate and number, nothing else; returns what is stored. Raises NotKnown."""
        with self._writer.administration(registry=True) as cursor:
            known = find_device(cursor, device.device_id)
            changed = known._replace(certificate=device.certificate, msisdn=device.msisdn, changed_at=at)
            return update_device(cursor, changed)

    # --- providers ---

    def add_provider(self, provider: Provider, key: WrappedKey, *, next_piv: int) -> None:
        """Register a provider. Raises AlreadyKnown for its name, one of its addresses or the kid."""
        with self._writer.administration(registry=True) as cursor:
            insert_provider(cursor, provider)
            insert_provider_key(cursor, key, next_piv)

    def move_provider(self, name: str, move: ProviderMove, *, reason: str, at: int) -> Provider:
        """Apply a row of PROVIDER_MOVES; RETIRE retires its keys. Raises NotKnown, MoveNotAllowed."""
        with self._writer.administration(registry=True) as cursor:
            moved = transitions.move_provider(find_provider(cursor, name), move, reason=reason, at=at)
            if moved.state is ProviderState.RETIRED:
                retire_keys(cursor, name, of_device=False)
            return update_provider(cursor, moved)

    def change_provider(self, provider: Provider, *, at: int) -> Provider:
        """Replace everything but state, reason and creation; returns what is stored.

        Raises NotKnown, AlreadyKnown for an address of another provider.
        """
        with self._writer.administration(registry=True) as cursor:
            known = find_provider(cursor, provider.name)
            return update_provider(
                cursor,
                provider._replace(
                    state=known.state, reason=known.reason, created_at=known.created_at, changed_at=at
                ),
            )

    def rotate_provider_key(self, key: WrappedKey, *, next_piv: int, overlap_s: int, at: int) -> None:
        """Make `key` the current one of its owner; see `add_device_key` for `overlap_s`.

        Raises NotKnown for the provider, AlreadyKnown for the kid or the epoch.
        """
        with self._writer.administration(registry=True) as cursor:
            find_provider(cursor, key.owner)
            replace_keys(cursor, key, of_device=False, until=_until(at, overlap_s))
            insert_provider_key(cursor, key, next_piv)

    # --- keys of both ---

    def rewrap(self, kid: bytes, old: bytes, new: bytes, master_version: int) -> None:
        """Replace a wrapped key, compare-and-set. Raises NotKnown, StoreConflict when it is not `old`."""
        with self._writer.administration(registry=True) as cursor:
            rewrap(cursor, kid, old, new, master_version)

    def rewrap_all(self, rows: Iterable[tuple[bytes, bytes, bytes, int]]) -> int:
        """Rewrap many (kid, old, new, master version) in one transaction; returns how many.

        Raises as `rewrap`, and keeps none of them.
        """
        count = 0
        with self._writer.administration(registry=True) as cursor:
            for kid, old, new, master_version in rows:
                rewrap(cursor, kid, old, new, master_version)
                count += 1
        return count


def _until(at: int, overlap_s: int) -> int | None:
    return at + overlap_s if overlap_s else None


def _window(key: WrappedKey, window: tuple[int, int] | None) -> tuple[int, int]:
    if window is None:
        message = f"the key {key.kid.hex()} comes without its replay window"
        raise ValueError(message)
    return window
