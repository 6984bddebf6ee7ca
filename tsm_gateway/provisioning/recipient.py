"""To which key a device's packages are sealed (design §5.4).

| the device has | sealed to | kem | the certificate in `info` |
|---|---|---|---|
| a hybrid key it signed for | that key | X-Wing | its signing certificate |
| a key certificate | its X25519 key | X25519 | the key certificate |
| a signing certificate over P-256 | that | P-256 | that |
| a signing certificate over RSA | that | OAEP | that |
| a signing certificate over Ed25519 alone | nothing: it cannot be keyed | | |

The first row that applies counts. Chain, validity and revocation are device_trust.py's to judge.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from tsm_gateway.envelope.x509_octets import read_der
from tsm_gateway.keys.errors import RecipientUnusable
from tsm_gateway.keys.seal import Kem, sealing_key
from tsm_gateway.provisioning.certificate_errors import CertificateUnreadable, CertificateUsage
from tsm_gateway.provisioning.hybrid_key import xwing_public_key
from tsm_gateway.provisioning.proof_errors import KeyCertificateMissing

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from tsm_gateway.keys.seal import SealingKey


class Recipient(NamedTuple):
    """A key to which a device's packages can be sealed."""

    der: bytes  # the certificate that is bound into the package
    kem: Kem
    public_key: SealingKey
    fingerprint: bytes  # 32 octets: another one, another recipient; what StoredPackage.recipient holds


def read_recipient(
    signing_certificate: bytes, *, key_certificate: bytes = b"", hybrid_key: bytes = b""
) -> Recipient:
    """The recipient of a device's packages; certificates in DER, `hybrid_key` 1216 octets, b"" = none.

    Raises CertificateUnreadable, CertificateUsage (its key usage does not let a key be sealed to it),
    KeyCertificateMissing, HybridKeyMalformed, RecipientUnusable for a key of another kind.
    """
    if hybrid_key:
        return _recipient(signing_certificate, xwing_public_key(hybrid_key), hybrid_key)
    if key_certificate:
        key = _key_of(key_certificate)
        if not isinstance(key, X25519PublicKey):
            raise RecipientUnusable
        return _recipient(key_certificate, key)
    key = _key_of(signing_certificate)
    if isinstance(key, Ed25519PublicKey):
        raise KeyCertificateMissing
    return _recipient(signing_certificate, key)


def _recipient(der: bytes, key: object, beside: bytes = b"") -> Recipient:
    kem, public_key = sealing_key(key)
    return Recipient(der, kem, public_key, sha256(der + beside).digest())


def _key_of(der: bytes) -> object:
    """The public key of a certificate that, if it states its uses, lets a key be sealed to it."""
    try:
        certificate = read_der(der)
        key = certificate.public_key()
        usage = _usage(certificate)
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateUnreadable from None
    if usage is not None and not isinstance(key, Ed25519PublicKey):
        kem, _ = sealing_key(key)
        if not (usage.key_encipherment if kem is Kem.OAEP else usage.key_agreement):
            raise CertificateUsage
    return key


def _usage(certificate: Certificate) -> x509.KeyUsage | None:
    """RFC 5280 §4.2.1.3: without the extension every use is allowed."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
