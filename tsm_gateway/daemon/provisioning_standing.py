"""What a device's standing allows and asks for: decisions only.

| its state | status | enrolment | key package | challenge, registration | package and proof by air |
|---|---|---|---|---|---|
| not known | refused | yes | refused | refused | refused |
| enrolled, keyed, registered, active | yes | yes | yes | yes | yes |
| suspended | yes | refused | refused | refused | refused |
| suspended until it proves itself | yes | refused | yes | yes | yes |
| the same, and lost or stolen | yes | refused | yes | yes | refused |
| terminated | refused | refused | refused | refused | refused |

A package may be had while a proof is wanted, as the proof may need it: the key before may be gone. Over the
air there is no dialogue, so the proof is as old as its package at most: one of before counts for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.daemon.provisioning_answers import (
    DeviceSuspended,
    DeviceTerminated,
    DeviceUnknown,
    IdentityConflict,
    KeyStanding,
    KeyTooEarly,
    StatusAnswer,
    TooManyKeys,
)
from tsm_gateway.envelope.certificate import load_public_key
from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.registry.suspension import ends_by_air

if TYPE_CHECKING:
    from tsm_gateway.provisioning.device_trust import TrustedDevice
    from tsm_gateway.registry.device import WrappedKey
    from tsm_gateway.registry.key_package import StoredPackage
    from tsm_gateway.registry.registration import Registration
    from tsm_gateway.registry.standing import Standing

USABLE: Final = frozenset({KeyState.PENDING, KeyState.CURRENT, KeyState.OVERLAP})
PROVABLE: Final = frozenset({KeyState.PENDING, KeyState.CURRENT})
SETTLED: Final = frozenset({DeviceState.REGISTERED, DeviceState.ACTIVE})
KEYS_TOLD: Final = 16  # at most, of one device: the newest
UNPROVED: Final = 4  # keys a device may leave unproved before it has to wait for another
ANOTHER_S: Final = 3600  # so long, since the newest was made


def admitted(standing: Standing | None, who: TrustedDevice) -> Standing:
    """The standing of `who`. Raises DeviceUnknown, IdentityConflict, DeviceTerminated."""
    if standing is None:
        raise DeviceUnknown
    known = standing.device.certificate
    if known != who.der and load_public_key(known) != who.public_key:
        raise IdentityConflict(device=who.device_id)
    if standing.device.state is DeviceState.TERMINATED:
        raise DeviceTerminated
    return standing


def refuse_suspended(standing: Standing, *, proof_helps: bool) -> None:
    """Raises DeviceSuspended; with `proof_helps` not while a proof is what it takes to come back."""
    if standing.device.state is DeviceState.SUSPENDED and not (proof_helps and proof_wanted(standing)):
        raise DeviceSuspended


def proof_wanted(standing: Standing) -> bool:
    """Whether a proof by the crypto SE lifts the device's suspension."""
    suspended = standing.device.state is DeviceState.SUSPENDED
    return suspended and standing.suspension is not None and standing.suspension.proof_wanted


def proof_owed_since(standing: Standing) -> int | None:
    """Unix second behind which a package has to be made, for its proof over the air to count; None = any.

    That is when the device was suspended until it proves itself; or came back from a suspension that left
    it the proof to give.
    """
    if proof_wanted(standing) and standing.suspension is not None:
        return standing.suspension.since
    owes = standing.device.state is DeviceState.KEYED and standing.registration is not None
    return standing.device.changed_at if owes else None


def refuse_by_air(standing: Standing, at: int) -> None:
    """Raises DeviceSuspended where no key may be sent; KeyTooEarly where one made at `at` proved nothing."""
    if standing.device.state is DeviceState.SUSPENDED and not ends_by_air(standing.suspension):
        raise DeviceSuspended
    since = proof_owed_since(standing)
    if since is not None and at <= since:
        raise KeyTooEarly(since=since)


def has_usable_key(standing: Standing) -> bool:
    """Whether the relay would open a packet under any of the device's keys."""
    return any(key.state in USABLE for key in standing.keys)


def waiting_package(standing: Standing) -> StoredPackage | None:
    """The package of the newest key, while the device has not confirmed it; None when none waits."""
    newest = key_to_prove(standing)
    if newest is None or newest.state is not KeyState.PENDING:
        return None
    return package_of(standing, newest.kid)


def package_of(standing: Standing, kid: bytes) -> StoredPackage | None:
    """The package that carries `kid`; None for a key that was given by hand."""
    return next((package for package in standing.packages if package.kid == kid), None)


def key_to_prove(standing: Standing) -> WrappedKey | None:
    """The newest key that waits for a confirmation, else the current one; None without either."""
    return next((key for key in standing.keys if key.state in PROVABLE), None)


def needs_key(standing: Standing, recipient: bytes) -> bool:
    """Whether a new key has to be made for the recipient with this fingerprint (32 octets).

    When the device has none, or when one waits that is sealed to another certificate than it has now.
    """
    waiting = waiting_package(standing)
    return not has_usable_key(standing) or (waiting is not None and waiting.recipient != recipient)


def refuse_hoarder(standing: Standing, at: int) -> None:
    """Raises TooManyKeys for a device that wants one more key at Unix second `at` and proves none.

    One that was made in the future, before the clock was put right, keeps nobody waiting.
    """
    unproved = [key.created_at for key in standing.keys if key.state is KeyState.PENDING]
    if len(unproved) >= UNPROVED and 0 <= at - unproved[0] < ANOTHER_S:
        raise TooManyKeys(unproved[0] + ANOTHER_S - at)


def proves_nothing_new(standing: Standing, key: WrappedKey) -> bool:
    """Whether a registration with `key` confirms no key and moves the device to no other state."""
    return standing.device.state in SETTLED and key.state is KeyState.CURRENT


def repeats(standing: Standing, registration: Registration) -> bool:
    """Whether a registration says just what is on record: its proof is another, what it proves is not.

    An agent whose answers get lost asks again under a new challenge; there is nothing to store for that.
    """
    known = standing.registration
    if known is None or standing.device.state not in SETTLED:
        return False
    current = any(key.kid == registration.kid and key.state is KeyState.CURRENT for key in standing.keys)
    return current and registration == known._replace(
        proof=registration.proof, registered_at=registration.registered_at
    )


def next_epoch(standing: Standing | None) -> int:
    """The epoch of the device's next key: above all it ever had."""
    return max((key.epoch for key in standing.keys), default=0) + 1 if standing else 1


def status_of(standing: Standing) -> StatusAnswer:
    """Where the device stands, in its own words."""
    suspended = standing.device.state is DeviceState.SUSPENDED and not proof_wanted(standing)
    waiting = waiting_package(standing) is not None or not has_usable_key(standing)
    return StatusAnswer(
        standing.device.device_id,
        standing.device.state.value,
        tuple(KeyStanding(key.kid, key.epoch, key.state.value) for key in standing.keys[:KEYS_TOLD]),
        key_package_waiting=waiting and not suspended,
        proof_wanted=proof_wanted(standing),
    )
