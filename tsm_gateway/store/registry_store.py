"""Devices, providers and their keys in the store: a `relay.interfaces.Registry`, and the operator's writes.

Every write is a transaction of its own, with its one entry of the audit log, and moves `versions()[0]`,
which tells every process to forget what it has cached. Raises, besides what each method names:
StoreBusy, StoreFull, StoreBroken, and RowDamaged for a row whose checksum does not hold.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tsm_gateway.registry import transitions
from tsm_gateway.registry.device import DeviceMove
from tsm_gateway.registry.provider import ProviderState
from tsm_gateway.registry.suspension import SuspensionKind
from tsm_gateway.store import life_store
from tsm_gateway.store.acts import STORE, Act, facts, number_fact
from tsm_gateway.store.audit_store import append
from tsm_gateway.store.key_store import (
    find_key,
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
    import sqlite3
    from collections.abc import Iterable

    from tsm_gateway.registry.device import Device, WrappedKey
    from tsm_gateway.registry.provider import Provider, ProviderMove
    from tsm_gateway.store.connection_store import Reader
    from tsm_gateway.store.failures import Health
    from tsm_gateway.store.writer_store import Writer


class RegistryStore(RegistryReads):
    """Reads and writes of the registry."""

    def __init__(self, writer: Writer, hot: Reader, people: Reader, health: Health, actor: str) -> None:
        """Write through `writer` in the name of `actor`; see `RegistryReads` for the rest."""
        super().__init__(hot, people, health)
        self._writer, self._actor = writer, actor

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
        added = []
        with self._writer.administration(registry=True) as cursor:
            for device, key, window in rows:
                insert_device(cursor, device)
                if key is not None:
                    insert_device_key(cursor, key, _window(key, window))
                added.append(device.device_id)
            if added:
                told = facts(devices=len(added), last=added[-1])
                append(
                    cursor, self._actor, Act(device.created_at, "device.add", added[0], device.reason, told)
                )
        return len(added)

    def add_device_key(self, key: WrappedKey, window: tuple[int, int], *, overlap_s: int, at: int) -> None:
        """Give a device its next key; the one before stays accepted for `overlap_s`, 0 = not at all.

        Raises NotKnown for the device, AlreadyKnown for the kid or the epoch.
        """
        with self._writer.administration(registry=True) as cursor:
            find_device(cursor, key.owner)
            replace_keys(cursor, key, of_device=True, until=_until(at, overlap_s))
            insert_device_key(cursor, key, window)
            self._told_of_key(cursor, key, at)

    def move_device(self, device_id: str, move: DeviceMove, *, reason: str, at: int) -> Device:
        """Apply a row of DEVICE_MOVES; TERMINATE retires its keys, RESUME leads back to where it was.

        Raises NotKnown, MoveNotAllowed, ProofWanted when only the device itself can resume.
        """
        with self._writer.administration(registry=True) as cursor:
            if move is DeviceMove.SUSPEND:
                changed = life_store.suspend(cursor, device_id, SuspensionKind.OPERATOR, reason, at)
            elif move in LIFE:
                changed = LIFE[move](cursor, device_id, reason, at)
            else:
                changed = life_store.move(cursor, device_id, move, reason, at)
            append(cursor, self._actor, changed.act)
            return changed.device

    def change_device(self, device: Device, *, at: int) -> Device:
        """Replace certificate and number, nothing else; returns what is stored. Raises NotKnown."""
        with self._writer.administration(registry=True) as cursor:
            known = find_device(cursor, device.device_id)
            changed = known._replace(certificate=device.certificate, msisdn=device.msisdn, changed_at=at)
            told = facts(was=number_fact(known.msisdn), number=number_fact(changed.msisdn))
            append(cursor, self._actor, Act(at, "device.change", known.device_id, "", told))
            return update_device(cursor, changed)

    # --- providers ---

    def add_provider(self, provider: Provider, key: WrappedKey, *, next_piv: int) -> None:
        """Register a provider. Raises AlreadyKnown for its name, one of its addresses or the kid."""
        with self._writer.administration(registry=True) as cursor:
            insert_provider(cursor, provider)
            insert_provider_key(cursor, key, next_piv)
            told = facts(kid=key.kid, addresses=" ".join(provider.addresses))
            act = Act(provider.created_at, "provider.add", provider.name, provider.reason, told)
            append(cursor, self._actor, act)

    def move_provider(self, name: str, move: ProviderMove, *, reason: str, at: int) -> Provider:
        """Apply a row of PROVIDER_MOVES; RETIRE retires its keys. Raises NotKnown, MoveNotAllowed."""
        with self._writer.administration(registry=True) as cursor:
            moved = transitions.move_provider(find_provider(cursor, name), move, reason=reason, at=at)
            if moved.state is ProviderState.RETIRED:
                retire_keys(cursor, name, of_device=False)
            told = facts(state=moved.state.value)
            append(cursor, self._actor, Act(at, f"provider.{move.value}", name, reason, told))
            return update_provider(cursor, moved)

    def change_provider(self, provider: Provider, *, at: int) -> Provider:
        """Replace everything but state, reason and creation; returns what is stored.

        Raises NotKnown, AlreadyKnown for an address of another provider.
        """
        with self._writer.administration(registry=True) as cursor:
            known = find_provider(cursor, provider.name)
            changed = provider._replace(
                state=known.state, reason=known.reason, created_at=known.created_at, changed_at=at
            )
            told = facts(changed=" ".join(_differences(known, changed)))
            append(cursor, self._actor, Act(at, "provider.change", provider.name, "", told))
            return update_provider(cursor, changed)

    def rotate_provider_key(self, key: WrappedKey, *, next_piv: int, overlap_s: int, at: int) -> None:
        """Make `key` the current one of its owner; see `add_device_key` for `overlap_s`.

        Raises NotKnown for the provider, AlreadyKnown for the kid or the epoch.
        """
        with self._writer.administration(registry=True) as cursor:
            find_provider(cursor, key.owner)
            replace_keys(cursor, key, of_device=False, until=_until(at, overlap_s))
            insert_provider_key(cursor, key, next_piv)
            self._told_of_key(cursor, key, at)

    # --- keys of both ---

    def rewrap(self, kid: bytes, old: bytes, new: bytes, master_version: int) -> None:
        """Replace a wrapped key, compare-and-set. Raises NotKnown, StoreConflict when it is not `old`."""
        with self._writer.administration(registry=True) as cursor:
            rewrap(cursor, kid, old, new, master_version)
            owner = find_key(cursor, kid).key.owner
            told = facts(kid=kid, master_version=master_version)
            append(cursor, self._actor, Act(_now(), "key.rewrap", owner, "", told))

    def rewrap_all(self, rows: Iterable[tuple[bytes, bytes, bytes, int]]) -> int:
        """Rewrap many (kid, old, new, master version) in one transaction; returns how many.

        Raises as `rewrap`, and keeps none of them.
        """
        count = 0
        with self._writer.administration(registry=True) as cursor:
            for kid, old, new, master_version in rows:
                rewrap(cursor, kid, old, new, master_version)
                count += 1
            if count:
                told = facts(keys=count, master_version=master_version)
                append(cursor, self._actor, Act(_now(), "key.rewrap", STORE, "", told))
        return count

    def _told_of_key(self, cursor: sqlite3.Cursor, key: WrappedKey, at: int) -> None:
        told = facts(kid=key.kid, epoch=key.epoch)
        append(cursor, self._actor, Act(at, "key.rotate", key.owner, "", told))


LIFE = {
    DeviceMove.RESUME: life_store.resume,
    DeviceMove.TERMINATE: life_store.terminate,
}
NOT_A_CHANGE = {"changed_at"}


def _differences(known: Provider, changed: Provider) -> list[str]:
    return [
        name
        for name, was, now in zip(known._fields, known, changed, strict=True)
        if was != now and name not in NOT_A_CHANGE
    ]


def _now() -> int:
    """For writes that nobody gives a time."""
    return int(time.time())


def _until(at: int, overlap_s: int) -> int | None:
    return at + overlap_s if overlap_s else None


def _window(key: WrappedKey, window: tuple[int, int] | None) -> tuple[int, int]:
    if window is None:
        message = f"the key {key.kid.hex()} comes without its replay window"
        raise ValueError(message)
    return window
