"""Why a device is suspended, and what it takes to bring it back."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tsm_gateway.registry.device import DeviceState


class SuspensionKind(Enum):
    """What happened."""

    OPERATOR = "suspended"  # an operator's decision
    LOST = "lost"
    STOLEN = "stolen"
    NUMBER_CHANGED = "number_changed"  # SIM or number: the crypto SE has to prove that it is still there


class Suspension(NamedTuple):
    """A suspension in force; a suspended device without one was suspended by hand while active."""

    device_id: str
    kind: SuspensionKind
    resumes_to: DeviceState  # the state it had
    proof_wanted: bool  # True: only a fresh registration proof by the crypto SE lifts it
    since: int  # Unix seconds
    reason: str
