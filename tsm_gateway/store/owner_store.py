"""Writes of devices and providers, each inside the transaction whose cursor is given."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed, NotKnown
from tsm_gateway.store.registry_rows import device_row, provider_row, read_device, read_provider
from tsm_gateway.store.registry_statements import (
    DELETE_ADDRESSES,
    FIND_DEVICE,
    FIND_NAME_AT,
    FIND_PROVIDER,
    INSERT_ADDRESS,
    INSERT_DEVICE,
    INSERT_PROVIDER,
    LIST_ADDRESSES,
    UPDATE_DEVICE,
    UPDATE_PROVIDER,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.registry.device import Device
    from tsm_gateway.registry.provider import Provider


@contextmanager
def known_already(**facts: int | str) -> Iterator[None]:
    """Raise AlreadyKnown with these facts where a unique key is taken."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise AlreadyKnown(**facts) from error


def belong_together(one: object, other: object) -> None:
    """See that what two records say of the same thing is the same. Raises ValueError."""
    if one != other:
        message = f"records of different things: {one}, {other}"
        raise ValueError(message)


def insert_device(cursor: sqlite3.Cursor, device: Device) -> None:
    """Register a device. Raises AlreadyKnown."""
    with known_already(what="device", name=device.device_id):
        cursor.execute(INSERT_DEVICE, device_row(device))


def find_device(cursor: sqlite3.Cursor, device_id: str) -> Device:
    """One device. Raises NotKnown, RowDamaged."""
    row = cursor.execute(FIND_DEVICE, (device_id,)).fetchone()
    if row is None:
        raise NotKnown(what="device", name=device_id)
    return read_device(row)


def live_device(cursor: sqlite3.Cursor, device_id: str, move: str) -> Device:
    """A device that is not terminated. Raises NotKnown, MoveNotAllowed naming the `move`, RowDamaged."""
    device = find_device(cursor, device_id)
    if device.state is DeviceState.TERMINATED:
        raise MoveNotAllowed(name=device_id, move=move, state=device.state.value)
    return device


def update_device(cursor: sqlite3.Cursor, device: Device) -> Device:
    """Write a device that is known; returns it."""
    device_id, *values = device_row(device)
    cursor.execute(UPDATE_DEVICE, (*values, device_id))
    return device


def insert_provider(cursor: sqlite3.Cursor, provider: Provider) -> None:
    """Register a provider with its addresses. Raises AlreadyKnown for its name or an address."""
    with known_already(what="provider", name=provider.name):
        cursor.execute(INSERT_PROVIDER, provider_row(provider))
    _insert_addresses(cursor, provider)


def find_provider(cursor: sqlite3.Cursor, name: str) -> Provider:
    """One provider. Raises NotKnown, RowDamaged."""
    row = cursor.execute(FIND_PROVIDER, (name,)).fetchone()
    if row is None:
        raise NotKnown(what="provider", name=name)
    return read_provider(row, [address for (address,) in cursor.execute(LIST_ADDRESSES, (name,)).fetchall()])


def update_provider(cursor: sqlite3.Cursor, provider: Provider) -> Provider:
    """Write a provider that is known, and its addresses; returns it. Raises AlreadyKnown for an address."""
    name, *values = provider_row(provider)
    cursor.execute(UPDATE_PROVIDER, (*values, name))
    cursor.execute(DELETE_ADDRESSES, (name,))
    _insert_addresses(cursor, provider)
    return provider


def _insert_addresses(cursor: sqlite3.Cursor, provider: Provider) -> None:
    for position, address in enumerate(provider.addresses):
        holder = cursor.execute(FIND_NAME_AT, (address,)).fetchone()
        if holder is not None:
            raise AlreadyKnown(what="address", name=address, holder=holder[0])
        cursor.execute(INSERT_ADDRESS, (address, provider.name, position))
