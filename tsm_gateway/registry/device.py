"""Devices and their keys: records, states and the table of moves (design §7)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class DeviceState(Enum):
    """Where a device stands; only an ACTIVE one may pay."""

    ENROLLED = "enrolled"  # known by its certificate
    KEYED = "keyed"  # a key package was made for it
    REGISTERED = "registered"  # it proved possession of key and biometric handle
    ACTIVE = "active"  # its application was delivered
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


class DeviceMove(Enum):
    """What an operator or the provisioning side does to a device."""

    KEY = "key"
    REGISTER = "register"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"  # its last application was removed
    SUSPEND = "suspend"
    RESUME = "resume"
    TERMINATE = "terminate"


D = DeviceState
DEVICE_MOVES: Mapping[DeviceMove, tuple[frozenset[DeviceState], DeviceState]] = {
    DeviceMove.KEY: (frozenset({D.ENROLLED}), D.KEYED),
    DeviceMove.REGISTER: (frozenset({D.KEYED}), D.REGISTERED),
    DeviceMove.ACTIVATE: (frozenset({D.REGISTERED}), D.ACTIVE),
    DeviceMove.DEACTIVATE: (frozenset({D.ACTIVE}), D.REGISTERED),
    DeviceMove.SUSPEND: (
        frozenset({D.ENROLLED, D.KEYED, D.REGISTERED, D.ACTIVE}),
        D.SUSPENDED,
    ),
    # back to the state it was suspended in (registry/suspension.py), which for most is this one
    DeviceMove.RESUME: (frozenset({D.SUSPENDED}), D.ACTIVE),
    DeviceMove.TERMINATE: (
        frozenset({D.ENROLLED, D.KEYED, D.REGISTERED, D.ACTIVE, D.SUSPENDED}),
        D.TERMINATED,
    ),
}


class KeyState(Enum):
    """Where one key of a device or provider stands."""

    PENDING = "pending"  # delivered, not confirmed: accepted, so that a lost confirmation locks nobody out
    CURRENT = "current"
    OVERLAP = "overlap"  # replaced, still accepted for a while
    RETIRED = "retired"  # no longer accepted
    STALE = "stale"  # its replay state was lost: new keys are demanded


class Device(NamedTuple):
    """One device as registered; all of it may be shown, the number only in part."""

    device_id: str  # "d:" and 16 lower-case hexadecimal digits
    state: DeviceState
    certificate: bytes  # X.509 DER, the crypto SE's signing certificate
    msisdn: str  # E.164 with "+", "" when unknown; never authenticates
    created_at: int  # Unix seconds
    changed_at: int
    reason: str  # why it is in this state, by the last operator


class WrappedKey(NamedTuple):
    """One key of a device or provider as stored."""

    kid: bytes  # 4 octets
    owner: str  # device id or provider name
    epoch: int  # 1, 2, …: the owner's key epoch (device) or version (provider)
    state: KeyState
    wrapped: bytes  # keys/wrap.py
    master_version: int
    created_at: int  # Unix seconds


class DeviceEntry(NamedTuple):
    """What the relay needs of a device to open one message."""

    device: Device
    key: WrappedKey
    window: tuple[int, int]  # (highest PIV accepted, 64-bit map; bit 0 = highest)
