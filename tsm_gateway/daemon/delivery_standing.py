"""Whether an agent may be given scripts: decisions only, made anew for every one.

| the app SE | script | status |
|---|---|---|
| no device is registered with it | refused | yes |
| of a device that is registered or active | yes | yes |
| … enrolled or keyed: it has to prove itself again | refused | yes |
| … suspended | refused | yes |
| … terminated | refused: the app SE is free again | yes |
| no key set of it was imported | refused | yes |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.daemon.delivery_answers import CardUnknown, DeviceNotRegistered
from tsm_gateway.daemon.provisioning_answers import DeviceSuspended, DeviceTerminated
from tsm_gateway.registry.device import DeviceState

if TYPE_CHECKING:
    from tsm_gateway.errors import TsmError
    from tsm_gateway.registry.card import Card
    from tsm_gateway.registry.device import Device

REFUSED: Final[dict[DeviceState, type[TsmError]]] = {
    DeviceState.ENROLLED: DeviceNotRegistered,
    DeviceState.KEYED: DeviceNotRegistered,
    DeviceState.SUSPENDED: DeviceSuspended,
    DeviceState.TERMINATED: DeviceTerminated,
}


class Served(NamedTuple):
    """A device that is worked for."""

    device: Device
    card: Card


def served(device: Device | None, card: Card | None) -> Served:
    """`device` with its `card`.

    Raises DeviceNotRegistered, DeviceSuspended, DeviceTerminated, CardUnknown.
    """
    if device is None:
        raise DeviceNotRegistered
    refusal = REFUSED.get(device.state)
    if refusal is not None:
        raise refusal
    if card is None:
        raise CardUnknown
    return Served(device, card)
