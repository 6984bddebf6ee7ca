"""What a crypto SE asks of provisioning and what it is answered, whatever carries the question."""

from __future__ import annotations

from typing import NamedTuple

from tsm_gateway.daemon.channel_errors import TooManyRequests
from tsm_gateway.errors import Side, TsmError


class EnrolmentRequest(NamedTuple):
    """What a device tells of itself beside the certificate it authenticated with."""

    key_certificate: bytes | None  # X.509 DER to seal packages to; None = the signing certificate
    hybrid_key: bytes | None  # COSE_Sign1 over its X-Wing public key; None = none
    msisdn: str  # "+E.164", "" = not told; taken over at the first enrolment only


class EnrolmentAnswer(NamedTuple):
    """A device is known; what it has to do next, if anything."""

    device_id: str
    state: str  # registry/device.py
    kid: bytes  # 4 octets: the newest usable key
    epoch: int  # of that key
    kem: int | None  # how the package is sealed; None without a package
    key_package: bytes | None  # COSE_Sign1, to be installed; None = nothing to install
    tsm_certificate: bytes  # X.509 DER of the key-delivery certificate
    challenge: bytes | None  # 32 octets to be answered by POST /v1/registration; None without a package
    challenge_expires_at: int | None  # Unix seconds


class PackageAnswer(NamedTuple):
    """The key package that waits for a device."""

    device_id: str
    kid: bytes  # 4 octets
    epoch: int
    kem: int
    key_package: bytes  # COSE_Sign1
    tsm_certificate: bytes  # X.509 DER


class ChallengeAnswer(NamedTuple):
    """A fresh challenge; the device's earlier one is void."""

    device_id: str
    challenge: bytes  # 32 octets
    kid: bytes  # 4 octets: the key whose possession is to be proved
    epoch: int
    expires_at: int  # Unix seconds


class RegistrationAnswer(NamedTuple):
    """A proof was accepted, now or earlier."""

    device_id: str
    state: str
    kid: bytes  # 4 octets: the key that was confirmed
    epoch: int


class KeyStanding(NamedTuple):
    """One key of a device, as the device may know it."""

    kid: bytes  # 4 octets
    epoch: int
    state: str  # registry/device.py, KeyState


class StatusAnswer(NamedTuple):
    """Where a device stands."""

    device_id: str
    state: str
    keys: tuple[KeyStanding, ...]  # newest first
    key_package_waiting: bool  # GET /v1/key-package has, or will make, one
    proof_wanted: bool  # a proof lifts the suspension


class DeviceUnknown(TsmError):
    """This device is not enrolled: enrol first."""

    code, side, temporary = "device-unknown", Side.PEER, False


class DeviceTerminated(TsmError):
    """This device was terminated for good; its key is never taken again."""

    code, side, temporary = "device-terminated", Side.PEER, False


class DeviceSuspended(TsmError):
    """This device is suspended: only its status is told."""

    code, side, temporary = "device-suspended", Side.PEER, False


class IdentityConflict(TsmError):
    """The registry knows another key under this device id."""

    code, side, temporary = "identity-conflict", Side.PEER, False


class NoKeyPackage(TsmError):
    """No key package waits for this device."""

    code, side, temporary = "no-key-package", Side.PEER, False


class ChallengeStale(TsmError):
    """The challenge was used, replaced or is too old: ask for a new one."""

    code, side, temporary = "challenge-stale", Side.PEER, False


class HybridKeyRequired(TsmError):
    """This gateway seals keys to X-Wing keys only: present a hybrid key."""

    code, side, temporary = "hybrid-key-required", Side.PEER, False


class HybridKeyNotOffered(TsmError):
    """This gateway takes no hybrid keys."""

    code, side, temporary = "hybrid-key-not-offered", Side.PEER, False


class NumberInvalid(TsmError):
    """This is no telephone number: give "+" and 7 to 15 digits, no 0 first."""

    code, side, temporary = "number-invalid", Side.PEER, False


class KeyNotInstallable(TsmError):
    """No key is there to be proved: fetch the key package first."""

    code, side, temporary = "key-not-installable", Side.PEER, False


class VirtualDeviceRefused(TsmError):
    """This gateway takes no virtual devices: their private keys lie in files."""

    code, side, temporary = "test-device-refused", Side.PEER, False


class TooManyKeys(TooManyRequests):
    """This device has several new keys it never proved: prove the newest, or wait as Retry-After says."""

    code = "too-many-keys"


class TooManyChanges(TooManyRequests):
    """This device changes its certificates or its registration too often: wait as Retry-After says."""

    code = "too-many-changes"


class KeyTooEarly(TsmError):
    """A key made now could not be told from one made before the device was suspended or resumed."""

    code, side, temporary = "key-too-early", Side.OURS, True


class NumberUnknown(TsmError):
    """The device's number is not known, so no key can be sent to it as a short message."""

    code, side, temporary = "number-unknown", Side.PEER, False
