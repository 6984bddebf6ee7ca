"""Apply the tables of moves of devices and providers (design §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.registry.device import DEVICE_MOVES
from tsm_gateway.registry.errors import MoveNotAllowed
from tsm_gateway.registry.provider import PROVIDER_MOVES

if TYPE_CHECKING:
    from tsm_gateway.registry.device import Device, DeviceMove
    from tsm_gateway.registry.provider import Provider, ProviderMove


def move_device(device: Device, move: DeviceMove, *, reason: str, at: int) -> Device:
    """The device after `move`, at Unix second `at`. Raises MoveNotAllowed."""
    allowed, target = DEVICE_MOVES[move]
    if device.state not in allowed:
        raise MoveNotAllowed(name=device.device_id, move=move.value, state=device.state.value)
    return device._replace(state=target, reason=reason, changed_at=at)


def move_provider(provider: Provider, move: ProviderMove, *, reason: str, at: int) -> Provider:
    """The provider after `move`, at Unix second `at`. Raises MoveNotAllowed."""
    allowed, target = PROVIDER_MOVES[move]
    if provider.state not in allowed:
        raise MoveNotAllowed(name=provider.name, move=move.value, state=provider.state.value)
    return provider._replace(state=target, reason=reason, changed_at=at)
