"""What the crypto SEs of these tests state: registration proofs and hybrid keys, right or altered."""

from __future__ import annotations

from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.provisioning.element import confirm, device_id_of, rsa_key, sign1
from tsm_gateway.provisioning.registration import AwaitedProof
from tsm_gateway.secret import Secret

KEY = bytes(range(100, 132))
SECRET = Secret(KEY)
KID = bytes.fromhex("5a17c0de")
EPOCH = 3
CHALLENGE = bytes(range(32))
CRYPTO_SE, APP_SE = b"crypto-1", b"app-element-0001"
METHODS: list[Any] = [["fpt", b"\x01" * 32, 1_799_000_000], ["pin", b"\x02" * 32, 1_799_000_001]]

SIGNERS: dict[str, Any] = {
    "ES256": ec.derive_private_key(0x5EC0DE, ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32),
    "PS256": rsa_key(2048, 7),
}
STRANGERS: dict[str, Any] = {
    "ES256": ec.derive_private_key(0xBAD, ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.from_private_bytes(b"\x08" * 32),
    "PS256": rsa_key(2048, 8),
}
ALGORITHMS = tuple(SIGNERS)


def confirmation(**other: Any) -> bytes:
    about: dict[str, Any] = {"kid": KID, "epoch": EPOCH, "challenge": CHALLENGE} | other
    return confirm(about.pop("key", KEY), **about)


def fields(signer: Any) -> dict[Any, Any]:
    """The map of a genuine proof."""
    owner = device_id_of(signer)
    ordered = ("tsm-reg-1", owner, KID, CHALLENGE, confirmation(), METHODS, CRYPTO_SE, APP_SE)
    return dict(enumerate(ordered, start=1))


def proof(algorithm: str = "ES256", other: dict[Any, Any] | None = None, **signing: Any) -> bytes:
    """A proof with some fields replaced; `signing` may name another key or header."""
    signer = SIGNERS[algorithm]
    statement = cbor2.dumps(fields(signer) | (other or {}))
    return sign1(statement, signing.pop("key", signer), **signing)


def awaited(algorithm: str = "ES256", **other: Any) -> AwaitedProof:
    own = device_id_of(SIGNERS[algorithm])
    return AwaitedProof(own, KID, EPOCH, CHALLENGE)._replace(**other)
