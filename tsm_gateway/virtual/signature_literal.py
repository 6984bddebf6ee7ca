"""Signatures of crypto elements, written from RFC 9053 §2 and RFC 8230: which key signs how, in which header.

| key | algorithm | protected header | signature |
|---|---|---|---|
| EC P-256 | ES256 (-7) | `A1 01 26` | r || s, 64 octets |
| Ed25519 | EdDSA (-8) | `A1 01 27` | 64 octets |
| RSA | PS256 (-37) | `A1 01 38 24` | as long as the modulus; MGF1 with SHA-256, salt of 32 octets |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tsm_gateway.virtual.errors import PaymentRefused

if TYPE_CHECKING:
    from collections.abc import Callable

SigningKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey | rsa.RSAPrivateKey
VerifyingKey = ec.EllipticCurvePublicKey | Ed25519PublicKey | rsa.RSAPublicKey

ES256 = bytes.fromhex("A10126")  # {1: -7}
EDDSA = bytes.fromhex("A10127")  # {1: -8}
PS256 = bytes.fromhex("A1013824")  # {1: -37}
HEADERS = (ES256, EDDSA, PS256)
_SCALAR = 32  # octets of r and of s on P-256
_ECDSA = ec.ECDSA(SHA256())
_PSS = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=SHA256.digest_size)


class _Algorithm(NamedTuple):
    """What one kind of key does."""

    header: bytes
    sign: Callable[..., bytes]  # (private key, octets)
    verify: Callable[..., None]  # (public key, signature, octets); raises InvalidSignature


def _sign_es256(key: ec.EllipticCurvePrivateKey, octets: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(octets, _ECDSA))
    return r.to_bytes(_SCALAR, "big") + s.to_bytes(_SCALAR, "big")


def _verify_es256(key: ec.EllipticCurvePublicKey, signature: bytes, octets: bytes) -> None:
    if len(signature) != 2 * _SCALAR:
        raise InvalidSignature
    r, s = (int.from_bytes(half, "big") for half in (signature[:_SCALAR], signature[_SCALAR:]))
    key.verify(encode_dss_signature(r, s), octets, _ECDSA)


def _sign_eddsa(key: Ed25519PrivateKey, octets: bytes) -> bytes:
    return key.sign(octets)


def _verify_eddsa(key: Ed25519PublicKey, signature: bytes, octets: bytes) -> None:
    key.verify(signature, octets)


def _sign_ps256(key: rsa.RSAPrivateKey, octets: bytes) -> bytes:
    return key.sign(octets, _PSS, SHA256())


def _verify_ps256(key: rsa.RSAPublicKey, signature: bytes, octets: bytes) -> None:
    key.verify(signature, octets, _PSS, SHA256())


_ALGORITHMS = {
    ES256: _Algorithm(ES256, _sign_es256, _verify_es256),
    EDDSA: _Algorithm(EDDSA, _sign_eddsa, _verify_eddsa),
    PS256: _Algorithm(PS256, _sign_ps256, _verify_ps256),
}


def header_of(key: object) -> bytes:
    """The protected header of what `key`, private or public, signs. Raises ValueError for another kind."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        if isinstance(key.curve, ec.SECP256R1):
            return ES256
    elif isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
        return EDDSA
    elif isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return PS256
    message = "crypto elements sign with P-256, Ed25519 or RSA"
    raise ValueError(message)


def signature_over(octets: bytes, key: SigningKey) -> bytes:
    """The signature by `key` over `octets`, by the algorithm of its kind."""
    return _ALGORITHMS[header_of(key)].sign(key, octets)


def require_signature(octets: bytes, signature: bytes, key: VerifyingKey) -> None:
    """Verify `signature` over `octets` by the algorithm of `key`. Raises PaymentRefused."""
    try:
        _ALGORITHMS[header_of(key)].verify(key, signature, octets)
    except InvalidSignature:
        raise PaymentRefused(what="signature") from None
