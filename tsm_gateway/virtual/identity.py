"""What a virtual crypto element is born with: its keys, its certificates, and an id that is its key's hash.

| kind | signs with | key packages are sealed to |
|---|---|---|
| `p256` | EC P-256 | the signing certificate |
| `x25519` | EC P-256 | a key certificate over X25519 |
| `ed25519` | Ed25519 | a key certificate over X25519 |
| `rsa` | RSA, 2048 bits | the signing certificate |
| `xwing` | EC P-256 | an X-Wing key the element signs for itself |
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tsm_gateway.virtual.hybrid_key import HybridKey
from tsm_gateway.virtual.signature_literal import SigningKey, VerifyingKey, header_of
from tsm_gateway.virtual.x509_profile import Use, build_certificate, life

_ID_OCTETS = 8
_ELEMENT_ID_OCTETS = 10
_RSA_BITS = 2048


class Kind(Enum):
    """Which keys a crypto element has."""

    P256 = "p256"
    X25519 = "x25519"
    ED25519 = "ed25519"
    RSA = "rsa"
    XWING = "xwing"


# What the signing certificate allows: all sign payments and proofs, some are what packages are sealed to.
SIGNING_USES = {
    Kind.P256: (Use.DIGITAL_SIGNATURE, Use.KEY_AGREEMENT),
    Kind.X25519: (Use.DIGITAL_SIGNATURE,),
    Kind.ED25519: (Use.DIGITAL_SIGNATURE,),
    Kind.RSA: (Use.DIGITAL_SIGNATURE, Use.KEY_ENCIPHERMENT),
    Kind.XWING: (Use.DIGITAL_SIGNATURE, Use.KEY_AGREEMENT),
}
EXCHANGES = (Kind.X25519, Kind.ED25519)  # kinds with a key certificate


class ElementKeys(NamedTuple):
    """The private keys of one element."""

    signing: SigningKey
    exchange: X25519PrivateKey | None = None  # packages are sealed to its certificate
    hybrid: HybridKey | None = None  # packages are sealed to it

    def __repr__(self) -> str:
        """Show nothing."""
        return "ElementKeys(…)"


class Identity(NamedTuple):
    """A device before any key was given to it."""

    device_id: str  # "d:" and 16 hexadecimal digits
    private_key: SigningKey
    certificate: bytes  # X.509 DER, over `private_key`
    kind: Kind = Kind.P256
    exchange: X25519PrivateKey | None = None
    key_certificate: bytes = b""  # X.509 DER, over `exchange`
    hybrid: HybridKey | None = None
    chain: tuple[bytes, ...] = ()  # X.509 DER of the issuing authorities, nearest first
    element_id: bytes = b""  # the crypto element its certificates name; empty = none

    def __repr__(self) -> str:
        """Name the device."""
        return f"Identity({self.device_id})"


def device_id_of(public_key: VerifyingKey) -> str:
    """`d:` and the first 8 octets, in hexadecimal, of SHA-256 over the DER SubjectPublicKeyInfo."""
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"d:{hashlib.sha256(spki).digest()[:_ID_OCTETS].hex()}"


def element_id_of(public_key: VerifyingKey) -> bytes:
    """The id (10 octets) of the crypto element that holds a signing key: nothing but another hash of it."""
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(b"crypto SE" + spki).digest()[:_ELEMENT_ID_OCTETS]


def verifying_key(certificate: bytes) -> VerifyingKey:
    """The public key of a signing certificate, X.509 DER. Raises ValueError for what signs nothing here."""
    public_key = x509.load_der_x509_certificate(certificate).public_key()
    header_of(public_key)
    assert isinstance(public_key, VerifyingKey)  # noqa: S101 - header_of refused every other; tells mypy so
    return public_key


def new_keys(kind: Kind, *, rsa_bits: int = _RSA_BITS) -> ElementKeys:
    """Fresh keys for an element of `kind`."""
    signing: SigningKey
    if kind is Kind.RSA:
        signing = rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)
    elif kind is Kind.ED25519:
        signing = Ed25519PrivateKey.generate()
    else:
        signing = ec.generate_private_key(ec.SECP256R1())
    return ElementKeys(
        signing,
        X25519PrivateKey.generate() if kind in EXCHANGES else None,
        HybridKey.generate() if kind is Kind.XWING else None,
    )


def new_identity(at: int, kind: Kind = Kind.P256) -> Identity:
    """A fresh identity nobody vouches for: self-signed at `at`, Unix seconds. An `Issuer` makes better ones.

    A key certificate needs an issuer, so a kind with one gets none here.
    """
    keys = new_keys(kind)
    public_key = keys.signing.public_key()
    device_id = device_id_of(public_key)
    certificate = build_certificate(
        public_key, device_id, SIGNING_USES[kind], life(at), signer=keys.signing, issuer=None
    )
    return Identity(device_id, keys.signing, certificate, kind, keys.exchange, b"", keys.hybrid)
