"""Whom to believe: from a certificate presented by a device to a device whose issuer is trusted.

`judge` is a pure function of the octets, the trusted issuers, the time and what OCSP responders said. It
answers with a `TrustedDevice` or raises the one error class that names the cause; where several causes
hold, the one further up:

| looked at | refused with |
|---|---|
| the octets | `certificate-unreadable` |
| the public key | `key-unsupported`, `key-weak` |
| the hash under its signature | `certificate-signature-weak` |
| a chain to an anchor (`chain`) | `certificate-untrusted`, `issuer-expired` |
| its validity | `certificate-expired`, `certificate-not-yet-valid` |
| its uses | `certificate-usage` |
| revocation, of the whole chain | `certificate-revoked`, `revocation-unknown` |
"""

from __future__ import annotations

from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, PublicKeyAlgorithmOID

from tsm_gateway.envelope.device_certificate import ID_OCTETS, is_test_only
from tsm_gateway.envelope.x509_octets import read_der
from tsm_gateway.provisioning.certificate_errors import (
    CertificateExpired,
    CertificateNotYetValid,
    CertificateUnreadable,
    CertificateUntrusted,
    CertificateUsage,
    KeyCertificateMismatch,
    KeyUnsupported,
    KeyWeak,
    SignatureWeak,
)
from tsm_gateway.provisioning.chain import find_chains
from tsm_gateway.provisioning.device_key import SIGNING, DevicePublicKey, KeyKind, PublicKey, kind_of
from tsm_gateway.provisioning.revocation import check_vouched, questions_about
from tsm_gateway.provisioning.revocation_list import STRONG_HASHES
from tsm_gateway.provisioning.weak_key import refuse_weak
from tsm_gateway.provisioning.x509_fields import (
    UNREADABLE,
    allows_purpose,
    is_authority,
    key_usage,
    moment,
    purposes_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    from cryptography.x509 import Certificate

    from tsm_gateway.provisioning.issuer import Issuer
    from tsm_gateway.provisioning.ocsp import OcspQuestion

MAX_CERTIFICATE: Final = 8192  # octets of DER
NO_ANSWERS: Final[Mapping[bytes, bytes]] = MappingProxyType({})


class TrustedDevice(NamedTuple):
    """A device by its signing certificate, which a trusted issuer vouches for."""

    der: bytes
    device_id: str  # "d:" and the first 8 octets of SHA-256 over SubjectPublicKeyInfo (DER), in hex
    issuer: str  # the configured name, of several that vouch for it that of the first
    kind: KeyKind  # P256, ED25519 or RSA
    public_key: DevicePublicKey
    may_receive: bool  # key packages may be sealed to this very certificate
    test_only: bool  # of a virtual device, whose private key lies in a file

    @property
    def identity(self) -> str:
        """Who it is, whatever its certificate says."""
        return self.device_id


class KeyCertificate(NamedTuple):
    """The certificate a device's key packages are sealed to, when it is not its signing certificate."""

    der: bytes
    public_key: X25519PublicKey


class _Read(NamedTuple):
    certificate: Certificate
    kind: KeyKind
    public_key: PublicKey


def judge(
    der: bytes, issuers: Sequence[Issuer], at: int, *, ocsp: Mapping[bytes, bytes] = NO_ANSWERS
) -> TrustedDevice:
    """Judge the signing certificate `der` at Unix second `at`.

    `ocsp` holds OCSP responses (DER) by the request they answer, see `questions`. Raises a
    CertificateRefused.
    """
    found = _read(der, SIGNING)
    vouched = find_chains(found.certificate, issuers, at)
    _check_validity(found.certificate, at)
    _check_signing(found.certificate)
    check_vouched(vouched, at, ocsp)
    key = cast("DevicePublicKey", found.public_key)  # `_read` took only kinds that sign
    return TrustedDevice(
        der=der,
        device_id=device_id_of(key),
        issuer=vouched[0].issuer.name,
        kind=found.kind,
        public_key=key,
        may_receive=_may_receive(found),
        test_only=is_test_only(found.certificate),
    )


def judge_key_certificate(
    der: bytes,
    device: TrustedDevice,
    issuers: Sequence[Issuer],
    at: int,
    *,
    ocsp: Mapping[bytes, bytes] = NO_ANSWERS,
) -> KeyCertificate:
    """Judge the X25519 certificate `der` that `device` presents beside its own.

    Same issuer, byte-equal subject (not empty), and its own chain, validity, usage (keyAgreement) and
    revocation. Raises a CertificateRefused.
    """
    found = _read(der, frozenset({KeyKind.X25519}))
    subject = found.certificate.subject
    own = read_der(device.der).subject
    if not list(subject) or subject.public_bytes() != own.public_bytes():
        raise KeyCertificateMismatch(reason="subject")
    vouched = find_chains(found.certificate, issuers, at)
    if device.issuer not in {each.issuer.name for each in vouched}:
        raise CertificateUntrusted
    _check_validity(found.certificate, at)
    if is_authority(found.certificate) or not _may_receive(found):
        raise CertificateUsage
    check_vouched(vouched, at, ocsp)
    return KeyCertificate(der, cast("X25519PublicKey", found.public_key))


def questions(der: bytes, issuers: Sequence[Issuer], at: int) -> list[OcspQuestion]:
    """What to ask OCSP responders before `der`, of any kind, is judged. Raises a CertificateRefused."""
    if not any(issuer.ocsp for issuer in issuers):
        return []  # nobody to ask: spare building the chain twice
    found = _read(der, frozenset(KeyKind))
    return questions_about(find_chains(found.certificate, issuers, at))


def device_id_of(key: DevicePublicKey) -> str:
    """`d:` and 16 hexadecimal digits: the identity is the key, however a certificate spells it."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"d:{sha256(spki).digest()[:ID_OCTETS].hex()}"


def _read(der: bytes, kinds: frozenset[KeyKind]) -> _Read:
    """The certificate with its key, before anybody's signature is looked at."""
    if len(der) > MAX_CERTIFICATE:
        raise CertificateUnreadable
    try:
        certificate = read_der(der)
        is_authority(certificate)  # reads all extensions, so that nothing later finds them unreadable
        list(certificate.subject)
        digest = certificate.signature_hash_algorithm
    except UNREADABLE:
        raise CertificateUnreadable from None
    if certificate.serial_number <= 0:  # RFC 5280 §4.1.2.2; lists and answers tell certificates by it
        raise CertificateUnreadable
    key = _key_of(certificate)
    kind = kind_of(key)
    if kind not in kinds:
        raise KeyUnsupported
    refuse_weak(key)
    if digest is not None and not isinstance(digest, STRONG_HASHES):
        raise SignatureWeak
    return _Read(certificate, kind, cast("PublicKey", key))


def _key_of(certificate: Certificate) -> object:
    try:
        return certificate.public_key()
    except UnsupportedAlgorithm:
        raise KeyUnsupported from None
    except (ValueError, TypeError):
        if certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5:
            raise KeyWeak(reason="rsa-numbers") from None
        raise CertificateUnreadable from None


def _check_validity(certificate: Certificate, at: int) -> None:
    now = moment(at)
    if now > certificate.not_valid_after_utc:
        raise CertificateExpired
    if now < certificate.not_valid_before_utc:
        raise CertificateNotYetValid


def _check_signing(certificate: Certificate) -> None:
    """A device authenticates to TLS and signs with this key, and issues nothing."""
    usage, purposes = key_usage(certificate), purposes_of(certificate)
    if is_authority(certificate) or (usage is not None and not usage.digital_signature):
        raise CertificateUsage
    if not allows_purpose(purposes, ExtendedKeyUsageOID.CLIENT_AUTH):
        raise CertificateUsage


def _may_receive(found: _Read) -> bool:
    """Whether a key package may be sealed to it (RFC 5280 §4.2.1.3; RFC 8410 §5)."""
    usage = key_usage(found.certificate)
    if found.kind is KeyKind.ED25519:
        return False
    if usage is None:
        return True
    return usage.key_encipherment if found.kind is KeyKind.RSA else usage.key_agreement
