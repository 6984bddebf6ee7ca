"""What a device may send us, by where it and its key stand: one table.

A payment needs an active device. A control message (the confirmation of a key) is what brings a device
on, so every device may send one but the terminated; whether it proves anything is provisioning's to say.
Both need an accepted key. A pending one is: the device got it, and a confirmation that was lost on its
way back locks nobody out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.relay.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCEPTED_KEYS: Final = frozenset({KeyState.PENDING, KeyState.CURRENT, KeyState.OVERLAP})


class Admission(NamedTuple):
    """Why each kind of message is refused; None where it is not."""

    payment: Reason | None
    control: Reason | None

    @property
    def full(self) -> bool:
        """Whether nothing is refused: an active device with an accepted key."""
        return self.payment is None and self.control is None


BY_DEVICE: Mapping[DeviceState, Admission] = {
    DeviceState.ENROLLED: Admission(Reason.DEVICE_NOT_REGISTERED, None),
    DeviceState.KEYED: Admission(Reason.DEVICE_NOT_REGISTERED, None),
    DeviceState.REGISTERED: Admission(Reason.APPLICATION_NOT_DELIVERED, None),
    DeviceState.ACTIVE: Admission(None, None),
    DeviceState.SUSPENDED: Admission(Reason.DEVICE_NOT_ACTIVE, None),  # its proof may be awaited
    DeviceState.TERMINATED: Admission(Reason.DEVICE_NOT_ACTIVE, Reason.DEVICE_NOT_ACTIVE),
}
NO_KEY: Final = Admission(Reason.KEY_RETIRED, Reason.KEY_RETIRED)


def admission(device: DeviceState, key: KeyState) -> Admission:
    """What a device in state `device` may send under a key in state `key`."""
    return BY_DEVICE[device] if key in ACCEPTED_KEYS else NO_KEY
