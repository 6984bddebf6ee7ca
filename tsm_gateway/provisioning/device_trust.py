"""Whom to believe: from a certificate presented by a device to a device whose issuer is trusted.

`judge` is a pure function of the octets, the trusted issuers, the time and what OCSP responders said. It
answers with a `TrustedDevice` or raises the one error class that names the cause.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    from tsm_gateway.provisioning.device_key import DevicePublicKey, KeyKind
    from tsm_gateway.provisioning.issuer import Issuer

NO_ANSWERS: Final[Mapping[bytes, bytes]] = MappingProxyType({})


class TrustedDevice(NamedTuple):
    """A device by its signing certificate, which a trusted issuer vouches for."""

    der: bytes
    device_id: str  # "d:" and the first 8 octets of SHA-256 over SubjectPublicKeyInfo (DER), in hex
    issuer: str  # the configured name
    kind: KeyKind  # P256, ED25519 or RSA
    public_key: DevicePublicKey
    may_receive: bool  # key packages may be sealed to this very certificate
    test_only: bool  # of a virtual device, whose private key lies in a file


class KeyCertificate(NamedTuple):
    """The certificate a device's key packages are sealed to, when it is not its signing certificate."""

    der: bytes
    public_key: X25519PublicKey


def judge(
    der: bytes, issuers: Sequence[Issuer], at: int, *, ocsp: Mapping[bytes, bytes] = NO_ANSWERS
) -> TrustedDevice:
    """Judge the signing certificate `der` at Unix second `at`.

    `ocsp` holds OCSP responses (DER) by the request they answer. Raises a CertificateRefused.
    """
    raise NotImplementedError


def judge_key_certificate(
    der: bytes,
    device: TrustedDevice,
    issuers: Sequence[Issuer],
    at: int,
    *,
    ocsp: Mapping[bytes, bytes] = NO_ANSWERS,
) -> KeyCertificate:
    """Judge the X25519 certificate `der` that `device` presents beside its own.

    Same issuer, byte-equal subject, and its own chain, validity, usage (keyAgreement) and revocation.
    Raises a CertificateRefused.
    """
    raise NotImplementedError
