"""A provider's key on its way to the provider, once, sealed to the provider's own certificate (design §6).

| the certificate's key | kem | sealed |
|---|---|---|
| EC P-256 | HPKE base mode: DHKEM(P-256), HKDF-SHA256, AES-256-GCM (RFC 9180 §7) | enc:65, ciphertext:48 |
| X25519 | the same with DHKEM(X25519) | enc:32, ciphertext:48 |
| RSA, 2048 bits or more | RSAES-OAEP with SHA-256 and MGF1-SHA-256 (RFC 8017 §7.1) | as long as the modulus |

HPKE `info` and OAEP label = CBOR `["tsm-provider-key-1", tsm-id, name, kid, version, SHA-256(certificate)]`
over the certificate's DER, so that the sealed key opens for this provider, version and certificate only.
Base mode does not say who sealed: the provider takes the file from a channel it trusts, as it took the
gateway's number.
"""

from __future__ import annotations

from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import cbor2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding

from tsm_gateway.envelope.x509_octets import load_certificate
from tsm_gateway.errors import Side, TsmError

if TYPE_CHECKING:
    from tsm_gateway.secret import Secret

    PublicKey = EllipticCurvePublicKey | X25519PublicKey | RSAPublicKey

LABEL = "tsm-provider-key-1"
LEAST_RSA = 2048  # bits


class RecipientUnusable(TsmError):
    """No key can be sealed to this certificate: it takes EC P-256, X25519, or RSA of 2048 bits or more."""

    code, side, temporary = "recipient-unusable", Side.PEER, False


class Kem(Enum):
    """How a key is sealed, by the name that stands in the file."""

    P256 = "HPKE-P256-HKDF-SHA256-AES256GCM"
    X25519 = "HPKE-X25519-HKDF-SHA256-AES256GCM"
    OAEP = "RSA-OAEP-SHA256"


SUITES = {
    Kem.P256: Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    Kem.X25519: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
}


class Recipient(NamedTuple):
    """A certificate to which a key can be sealed."""

    der: bytes
    kem: Kem
    public_key: PublicKey


class KeyIdentity(NamedTuple):
    """Which key it is."""

    tsm_id: str  # [gateway] id
    name: str  # the provider's
    kid: bytes  # 4 octets
    version: int  # 1, 2, …


def read_recipient(octets: bytes, at: int) -> Recipient:
    """A provider's certificate, PEM or DER, valid at Unix second `at`.

    Raises X509Unusable, RecipientUnusable for a key of another kind or too short.
    """
    certificate = load_certificate(octets, at)
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise RecipientUnusable from None
    der = certificate.public_bytes(Encoding.DER)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return Recipient(der, Kem.P256, key)
    if isinstance(key, X25519PublicKey):
        return Recipient(der, Kem.X25519, key)
    if isinstance(key, RSAPublicKey) and key.key_size >= LEAST_RSA:
        return Recipient(der, Kem.OAEP, key)
    raise RecipientUnusable


def handover_info(identity: KeyIdentity, certificate: bytes) -> bytes:
    """HPKE info or OAEP label; `certificate` in DER."""
    return cbor2.dumps([LABEL, *identity, sha256(certificate).digest()])


def seal_key(key: Secret, recipient: Recipient, identity: KeyIdentity) -> bytes:
    """Seal `key` (32 octets) so that only the certificate's owner can open it; HPKE's enc stands first."""
    info = handover_info(identity, recipient.der)
    if isinstance(recipient.public_key, RSAPublicKey):
        padding = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=info)
        return recipient.public_key.encrypt(key.reveal(), padding)
    return SUITES[recipient.kem].encrypt(key.reveal(), recipient.public_key, info=info)


def handover_record(key: Secret, recipient: Recipient, identity: KeyIdentity) -> dict[str, str | int]:
    """The file for the provider: what it needs to open the key and to open packets; nothing in clear."""
    return {
        "type": LABEL,
        "gateway": identity.tsm_id,
        "provider": identity.name,
        "kid": identity.kid.hex(),
        "version": identity.version,
        "kem": recipient.kem.value,
        "certificate_sha256": sha256(recipient.der).hexdigest(),
        "sealed": seal_key(key, recipient, identity).hex(),
    }
