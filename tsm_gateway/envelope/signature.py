"""Signatures of crypto SEs and of the gateway: the algorithm follows from the key (design §5.3 to §5.5).

Checked are ES256, EdDSA over Ed25519 and PS256 with RSA of 2048 to 4096 bits; made is ES256 alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tsm_gateway.envelope.cose import SignatureAlgorithm, build_sign1, sig_structure
from tsm_gateway.envelope.errors import SigningKeyUnusable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

SigningKey = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey  # the public half

RSA_BITS = range(2048, 4096 + 1)  # more costs a verifier too much, and a packet too many parts
_HALF = 32  # octets of r, and of s
_ECDSA = ECDSA(SHA256())
_PSS = PSS(mgf=MGF1(SHA256()), salt_length=PSS.DIGEST_LENGTH)  # RFC 8230 §2: a salt as long as the hash


def signing_key(key: object) -> tuple[SignatureAlgorithm, SigningKey]:
    """How the owner of the public key `key` signs, and the key itself.

    Raises SigningKeyUnusable unless it is EC P-256, Ed25519, or RSA of 2048 to 4096 bits.
    """
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return SignatureAlgorithm.ES256, key
    if isinstance(key, Ed25519PublicKey):
        return SignatureAlgorithm.EDDSA, key
    if isinstance(key, RSAPublicKey) and key.key_size in RSA_BITS:
        return SignatureAlgorithm.PS256, key
    raise SigningKeyUnusable


def check_signature(key: object, algorithm: SignatureAlgorithm, signature: bytes, signed: bytes) -> None:
    """Check `signature` over the Sig_structure `signed` under the public key `key`.

    Raises InvalidSignature (of the crypto library) when it does not hold, and when `algorithm` is not the
    one of the key; SigningKeyUnusable for a key of no kind we know. Touches nothing shared and leaves the
    interpreter lock while it computes, so it may run in a pool of threads.
    """
    wanted, public_key = signing_key(key)
    if algorithm is not wanted:
        raise InvalidSignature
    if isinstance(public_key, EllipticCurvePublicKey):
        public_key.verify(_dss(signature), signed, _ECDSA)
    elif isinstance(public_key, Ed25519PublicKey):
        public_key.verify(signature, signed)
    else:
        public_key.verify(signature, signed, _PSS, _ECDSA.algorithm)


def sign_es256(payload: bytes, key: EllipticCurvePrivateKey) -> bytes:
    """A COSE_Sign1 over `payload` under the EC P-256 key `key`. Raises ValueError for another curve."""
    if not isinstance(key.curve, SECP256R1):
        message = "ES256 signs with a key over P-256"
        raise ValueError(message)  # noqa: TRY004  # the type is right, the curve is not
    algorithm = SignatureAlgorithm.ES256
    r, s = decode_dss_signature(key.sign(sig_structure(algorithm.protected, payload), _ECDSA))
    return build_sign1(payload, r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big"), algorithm)


def _dss(signature: bytes) -> bytes:
    """From r || s to the DER the crypto library takes."""
    return encode_dss_signature(
        int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
    )
