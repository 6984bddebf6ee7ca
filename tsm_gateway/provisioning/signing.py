"""Signatures of applications: by whom, over what, and how a card verifies them.

What is signed is the SHA-256 of the load file data block, 32 octets, as a message: it is hashed once more.

| key | scheme | signature |
|---|---|---|
| EC P-256 | ECDSA with SHA-256 | r (32) and s (32) |
| RSA 2048 | RSASSA-PSS with SHA-256, MGF1-SHA-256, salt of 32 octets | 256 octets |

Reference: GlobalPlatform Card Specification 2.3, Appendices B and C (DAP, tokens).
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tsm_gateway.provisioning.application_errors import ApplicationKeyUnfit, ApplicationNotAuthentic
from tsm_gateway.registry.application import ApplicationSignature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tsm_gateway.provisioning.load_file import LoadFile

ECDSA_P256: Final = "ecdsa-p256"
RSA_PSS_2048: Final = "rsa-pss-2048"
SIGNATURE_OCTETS: Final = {ECDSA_P256: 64, RSA_PSS_2048: 256}
KEY_ID_OCTETS: Final = 8

ApplicationKey = EllipticCurvePublicKey | RSAPublicKey  # the public half

_HALF: Final = 32  # octets of r, and of s
_RSA_BITS: Final = 2048
_ECDSA: Final = ECDSA(SHA256())
_PSS: Final = PSS(mgf=MGF1(SHA256()), salt_length=PSS.DIGEST_LENGTH)


class ApplicationSigner(Protocol):
    """Whoever holds the application-signing key: a file now, a token that never gives it away later."""

    @property
    def key_id(self) -> bytes:
        """Which key it is, 8 octets (`key_id_of`)."""

    @property
    def scheme(self) -> str:
        """`ECDSA_P256` or `RSA_PSS_2048`."""

    def sign(self, message: bytes, /) -> bytes:
        """The signature over `message`, as cards take it: 64 octets or 256."""


class FileSigner:
    """Signs with a private key that was read from a file."""

    def __init__(self, private_key: object) -> None:
        """Take an EC P-256 or RSA 2048 private key. Raises ApplicationKeyUnfit."""
        if not isinstance(private_key, EllipticCurvePrivateKey | RSAPrivateKey):
            raise ApplicationKeyUnfit
        self.public_key = application_key(private_key.public_key())
        self._private_key = private_key

    def __repr__(self) -> str:
        """Name the key by its id alone."""
        return f"FileSigner({self.key_id.hex()})"

    @property
    def key_id(self) -> bytes:
        """Which key it is, 8 octets."""
        return key_id_of(self.public_key)

    @property
    def scheme(self) -> str:
        """`ECDSA_P256` or `RSA_PSS_2048`."""
        return scheme_of(self.public_key)

    def sign(self, message: bytes, /) -> bytes:
        """The signature over `message`: r || s, or that of RSA."""
        if isinstance(self._private_key, RSAPrivateKey):
            return self._private_key.sign(message, _PSS, SHA256())
        r, s = decode_dss_signature(self._private_key.sign(message, _ECDSA))
        return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")


def application_key(key: object) -> ApplicationKey:
    """`key` itself if it is a public key that applications are signed with. Raises ApplicationKeyUnfit."""
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    if isinstance(key, RSAPublicKey) and key.key_size == _RSA_BITS:
        return key
    raise ApplicationKeyUnfit


def scheme_of(key: ApplicationKey) -> str:
    """How the owner of the public `key` signs. Raises ApplicationKeyUnfit."""
    return RSA_PSS_2048 if isinstance(application_key(key), RSAPublicKey) else ECDSA_P256


def key_id_of(key: ApplicationKey) -> bytes:
    """The first 8 octets of SHA-256 over the public key's SubjectPublicKeyInfo in DER."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()[:KEY_ID_OCTETS]


def sign_load_file(signer: ApplicationSigner, load_file: LoadFile, *, at: int) -> ApplicationSignature:
    """The signature a card verifies ahead of `load_file`, made at `at` (Unix seconds)."""
    signature = signer.sign(load_file.digest)
    return ApplicationSignature(load_file.digest, signer.key_id, signer.scheme, signature, at)


def verify_signature(key: ApplicationKey, message: bytes, signature: bytes) -> None:
    """Check `signature` over `message` (a load file's digest, a token's data) under the public `key`.

    Raises ApplicationNotAuthentic, or ApplicationKeyUnfit for another kind of key.
    """
    if len(signature) != SIGNATURE_OCTETS[scheme_of(key)]:
        raise ApplicationNotAuthentic
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(signature, message, _PSS, SHA256())
        else:
            key.verify(_dss(signature), message, _ECDSA)
    except InvalidSignature:
        raise ApplicationNotAuthentic from None


def check_signature(key: ApplicationKey, load_file: LoadFile, signature: ApplicationSignature) -> None:
    """Check that `signature` is by `key`, as its row says, and over exactly `load_file`.

    Raises ApplicationNotAuthentic, or ApplicationKeyUnfit.
    """
    stated = (signature.digest, signature.key_id, signature.scheme)
    if stated != (load_file.digest, key_id_of(key), scheme_of(key)):
        raise ApplicationNotAuthentic
    verify_signature(key, load_file.digest, signature.signature)


def is_signed(key: ApplicationKey, digest: bytes, stored: Iterable[ApplicationSignature]) -> bool:
    """Whether one of `stored` is by `key` and over `digest`: that it says so alone is nothing."""
    key_id = key_id_of(key)
    for each in stored:
        if each.key_id == key_id and each.digest == digest:
            with suppress(ApplicationNotAuthentic):
                verify_signature(key, digest, each.signature)
                return True
    return False


def _dss(signature: bytes) -> bytes:
    """From r || s to the DER the crypto library takes."""
    halves = signature[:_HALF], signature[_HALF:]
    return encode_dss_signature(*(int.from_bytes(half, "big") for half in halves))
