"""Rows of the registry's tables to records and back, their checksums kept and compared.

A row is given in the order of its table's columns (store/schema.py). Reading a damaged row raises
`RowDamaged`; the caller knows whether one owner or the whole store has to stop.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.registry.device import Device, DeviceState, KeyState, WrappedKey
from tsm_gateway.registry.provider import Provider, ProviderState, Verify
from tsm_gateway.store.bits import from_column, to_column
from tsm_gateway.store.checksum import counter_crc, row_crc, window_crc

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY_COLUMNS: Final = 10  # of schema.wrapped_key
DEVICE_COLUMNS: Final = 8  # of schema.device


class RowDamaged(TsmError):
    """A stored row is not what was written: restore a backup or register its owner anew."""

    code, side, temporary = "row-damaged", Side.OURS, False


class StoredKey(NamedTuple):
    """A key, whose it is, and how long it is accepted after its successor came."""

    key: WrappedKey
    of_device: bool
    accepted_until: int | None  # Unix seconds; None unless OVERLAP


def device_row(device: Device) -> tuple[Any, ...]:
    """Columns of schema.device."""
    values = (device.device_id, device.state.value, *device[2:])
    return (*values, row_crc(*values))


def read_device(row: Sequence[Any]) -> Device:
    """The device of a row. Raises RowDamaged."""
    *values, crc = row
    if row_crc(*values) != crc:
        raise RowDamaged(table="device")
    device_id, state, *rest = values
    return Device(device_id, DeviceState(state), *rest)


def provider_row(provider: Provider) -> tuple[Any, ...]:
    """Columns of schema.provider; the addresses have a table of their own and are in the checksum."""
    values = (
        provider.name,
        provider.state.value,
        provider.msisdn,
        json.dumps(provider.routes),
        provider.verify.value,
        provider.amount_limit,
        provider.biometric_above,
        int(provider.receipt),
        provider.validity_s,
        provider.created_at,
        provider.changed_at,
        provider.reason,
    )
    return (*values, row_crc(*values, *provider.addresses))


def read_provider(row: Sequence[Any], addresses: Sequence[str]) -> Provider:
    """The provider of a row and its addresses in order. Raises RowDamaged."""
    *values, crc = row
    if row_crc(*values, *addresses) != crc:
        raise RowDamaged(table="provider")
    name, state, msisdn, routes, verify, amount_limit, biometric_above, receipt, *rest = values
    return Provider(
        name,
        ProviderState(state),
        tuple(addresses),
        msisdn,
        tuple(json.loads(routes)),
        Verify(verify),
        amount_limit,
        biometric_above,
        bool(receipt),
        *rest,
    )


def key_row(stored: StoredKey) -> tuple[Any, ...]:
    """Columns of schema.wrapped_key."""
    key, of_device, accepted_until = stored
    values = (
        key.kid,
        key.owner if of_device else None,
        None if of_device else key.owner,
        key.epoch,
        key.state.value,
        key.wrapped,
        key.master_version,
        key.created_at,
        accepted_until,
    )
    return (*values, row_crc(*values))


def read_key(row: Sequence[Any]) -> StoredKey:
    """The key of a row. Raises RowDamaged."""
    *values, crc = row
    if row_crc(*values) != crc:
        raise RowDamaged(table="wrapped_key")
    kid, device_id, provider, epoch, state, wrapped, master_version, created_at, accepted_until = values
    key = WrappedKey(kid, device_id or provider, epoch, KeyState(state), wrapped, master_version, created_at)
    return StoredKey(key, device_id is not None, accepted_until)


def window_row(kid: bytes, window: tuple[int, int]) -> tuple[bytes, int, int, int]:
    """Columns of schema.replay_window."""
    highest, column = window[0], to_column(window[1])
    return kid, highest, column, window_crc(kid, highest, column)


def read_window(kid: bytes, highest: int, column: int, crc: int) -> tuple[int, int]:
    """(highest, bitmap) of a row. Raises RowDamaged."""
    if window_crc(kid, highest, column) != crc:
        raise RowDamaged(table="replay_window")
    return highest, from_column(column)


def read_counter(kid: bytes, next_piv: int, crc: int) -> int:
    """The next PIV of a row. Raises RowDamaged."""
    if counter_crc(kid, next_piv) != crc:
        raise RowDamaged(table="piv_counter")
    return next_piv
