"""Moves of devices and providers: exactly the rows of their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tsm_gateway.registry.device import DEVICE_MOVES, Device, DeviceMove, DeviceState
from tsm_gateway.registry.errors import MoveNotAllowed
from tsm_gateway.registry.provider import PROVIDER_MOVES, Provider, ProviderMove, ProviderState, Verify
from tsm_gateway.registry.transitions import move_device, move_provider

if TYPE_CHECKING:
    from enum import Enum

DEVICE = Device("d:0123456789abcdef", DeviceState.ENROLLED, b"der", "+491701234567", 10, 20, "new")
PROVIDER = Provider(
    "bank", ProviderState.ACTIVE, ("sp:bank",), "+4930", (), Verify.GATEWAY, 0, 0, True, 0, 10, 20, ""
)


@pytest.mark.parametrize("move", DeviceMove)
@pytest.mark.parametrize("state", DeviceState)
def test_a_device_moves_only_by_its_table(state: DeviceState, move: DeviceMove) -> None:
    device = DEVICE._replace(state=state)
    allowed, target = DEVICE_MOVES[move]
    if state in allowed:
        moved = move_device(device, move, reason="because", at=99)
        assert moved == device._replace(state=target, reason="because", changed_at=99)
    else:
        with pytest.raises(MoveNotAllowed) as caught:
            move_device(device, move, reason="because", at=99)
        assert caught.value.facts == _facts(DEVICE.device_id, move, state, allowed, target)


@pytest.mark.parametrize("move", ProviderMove)
@pytest.mark.parametrize("state", ProviderState)
def test_a_provider_moves_only_by_its_table(state: ProviderState, move: ProviderMove) -> None:
    provider = PROVIDER._replace(state=state)
    allowed, target = PROVIDER_MOVES[move]
    if state in allowed:
        moved = move_provider(provider, move, reason="because", at=99)
        assert moved == provider._replace(state=target, reason="because", changed_at=99)
    else:
        with pytest.raises(MoveNotAllowed) as caught:
            move_provider(provider, move, reason="because", at=99)
        assert caught.value.facts == _facts("bank", move, state, allowed, target)


def _facts(name: str, move: Enum, state: Enum, allowed: frozenset[Any], target: Enum) -> dict[str, str]:
    """Where the move is allowed from, unless it has led there already."""
    told = {"name": name, "move": move.value}
    if state is target:
        return told | {"state": f"{state.value} already"}
    states = " or ".join(sorted(each.value for each in allowed))
    return told | {"state": state.value, "allowed_from": states}


def test_nothing_leaves_a_final_state() -> None:
    assert not any(DeviceState.TERMINATED in allowed for allowed, _ in DEVICE_MOVES.values())
    assert not any(ProviderState.RETIRED in allowed for allowed, _ in PROVIDER_MOVES.values())
