"""Why a device is suspended, and what it takes to bring it back."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

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


STRAYED: Final = frozenset({SuspensionKind.LOST, SuspensionKind.STOLEN})  # others may have had the phone
_GRAVITY: Final = (
    SuspensionKind.NUMBER_CHANGED,
    SuspensionKind.OPERATOR,
    SuspensionKind.LOST,
    SuspensionKind.STOLEN,
)


def ends_by_air(suspension: Suspension | None) -> bool:
    """Whether a proof that comes as a short message ends it: whose phone the message reached is not known.

    So it does where a proof is all that is wanted, and never while others may have the phone.
    """
    return suspension is not None and suspension.proof_wanted and suspension.kind not in STRAYED


def aggravated(known: Suspension, later: Suspension) -> Suspension:
    """The suspension in force when `later` comes upon `known`: no way back gets easier by it.

    The graver kind stands, with its reason; a proof ends it only if it would have ended both; and where
    the device was before the first of them is where it resumes to.
    """
    grave = max(later, known, key=lambda each: _GRAVITY.index(each.kind))
    return later._replace(
        kind=grave.kind,
        reason=grave.reason,
        resumes_to=known.resumes_to,
        proof_wanted=known.proof_wanted and later.proof_wanted,
    )
