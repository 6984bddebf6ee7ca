"""Signatures a card verifies: load file data blocks (DAP) and tokens, and the receipts it gives.

GlobalPlatform Card Specification 2.3, appendices B and C.

| key | signature |
|---|---|
| EC P-256 | ECDSA with SHA-256, r || s in 64 octets |
| RSA, 2048 bits or more | RSASSA-PSS, SHA-256, MGF1 with SHA-256, salt of 32 octets |

What a DAP signs is the *hash* of the load file data block: its 32 octets are the message, hashed once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tsm_gateway.virtual.card_tlv import lvs
from tsm_gateway.virtual.errors import PartyFileInvalid

if TYPE_CHECKING:
    from tsm_gateway.secret import Secret
    from tsm_gateway.virtual.card_apdu import Command

VerifyingKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_SCALAR = 32  # octets of r and of s on P-256
_LEAST_MODULUS = 2048  # bits
_ECDSA = ec.ECDSA(SHA256())
_PSS = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=SHA256.digest_size)
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


def is_signed_by(key: VerifyingKey, message: bytes, signature: bytes) -> bool:
    """Whether `signature` over `message` is by the owner of `key`."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, _PSS, SHA256())
        else:
            key.verify(_der(signature), message, _ECDSA)
    except InvalidSignature:
        return False
    return True


def _der(signature: bytes) -> bytes:
    """The two numbers r || s in the form the library wants."""
    if len(signature) != 2 * _SCALAR:
        raise InvalidSignature
    return encode_dss_signature(*(int.from_bytes(half, "big") for half in (signature[:32], signature[32:])))


def token_message(command: Command, unsigned: bytes) -> bytes:
    """What a token signs of `command`: P1, P2, Lc and the data field, both without the token (C.4)."""
    length = len(unsigned)
    lc = bytes([length]) if length < 0x100 else b"\0" + length.to_bytes(2, "big")  # noqa: PLR2004 - one octet
    return bytes([command.p1, command.p2]) + lc + unsigned


def receipt(key: Secret, confirmation: bytes, aids: tuple[bytes, ...]) -> bytes:
    """AES-CMAC over the confirmation data and `aids`, each behind its length; 16 octets (C.5)."""
    mac = CMAC(AES(key.reveal()))
    mac.update(confirmation + lvs(aids))
    return mac.finalize()


def read_verifying_key(pem: bytes) -> VerifyingKey:
    """The public key in `pem`, which is one or a certificate. Raises PartyFileInvalid for another kind."""
    try:
        key = (
            x509.load_pem_x509_certificate(pem).public_key()
            if _CERTIFICATE in pem
            else load_pem_public_key(pem)
        )
    except ValueError:
        raise PartyFileInvalid(what="neither a public key nor a certificate in PEM") from None
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_MODULUS:
        return key
    raise PartyFileInvalid(what="cards verify with P-256 or RSA of 2048 bits or more")
