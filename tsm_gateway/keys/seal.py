"""A random key sealed to somebody's public key: the one recipe for providers and for crypto SEs.

| kem | the public key | sealed, for a key of 32 octets |
|---|---|---|
| 0x0010 | EC P-256 | HPKE base mode: enc:65, ciphertext:48 |
| 0x0020 | X25519 | HPKE base mode: enc:32, ciphertext:48 |
| 0x647a | X-Wing (ML-KEM-768 and X25519) | HPKE base mode: enc:1120, ciphertext:48 |
| -41 | RSA, 2048 bits or more | RSAES-OAEP with SHA-256 and MGF1-SHA-256 (RFC 8017 §7.1): as the modulus |

The HPKE suites are those of RFC 9180 §7 with HKDF-SHA256 and AES-256-GCM, named by the KEM's registered
number; -41 is COSE's number for that OAEP (RFC 8230 §3). What the key is for goes into `info`, the HPKE
info or OAEP label: the sealed key opens under the same info only. Neither way says who sealed.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

from tsm_gateway.keys.errors import RecipientUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.secret import Secret

    SealingKey = EllipticCurvePublicKey | X25519PublicKey | RSAPublicKey | MLKEM768X25519PublicKey

LEAST_RSA = 2048  # bits


class Kem(IntEnum):
    """How a key is sealed."""

    P256 = 0x0010
    X25519 = 0x0020
    XWING = 0x647A
    OAEP = -41


SUITES: Mapping[Kem, Suite] = {
    Kem.P256: Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    Kem.X25519: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    Kem.XWING: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
}


def sealing_key(key: object) -> tuple[Kem, SealingKey]:
    """How to seal to the public key `key`, and the key itself. Raises RecipientUnusable for any other."""
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return Kem.P256, key
    if isinstance(key, X25519PublicKey):
        return Kem.X25519, key
    if isinstance(key, RSAPublicKey) and key.key_size >= LEAST_RSA:
        return Kem.OAEP, key
    if isinstance(key, MLKEM768X25519PublicKey):
        return Kem.XWING, key
    raise RecipientUnusable


def seal(secret: Secret, key: object, info: bytes) -> bytes:
    """Seal `secret` so that only the owner of the public key `key` can open it; HPKE's enc stands first.

    Raises RecipientUnusable for a key of no kind in the table, and for an X25519 point of low order,
    with which everybody would share the same secret.
    """
    kem, public_key = sealing_key(key)
    if isinstance(public_key, RSAPublicKey):
        padding = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=info)
        return public_key.encrypt(secret.reveal(), padding)
    try:
        return SUITES[kem].encrypt(secret.reveal(), public_key, info=info)
    except ValueError:
        raise RecipientUnusable from None
