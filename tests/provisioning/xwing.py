"""HPKE base mode over X-Wing, opened by hash functions and the two halves' own decapsulation.

RFC 9180 §4 and §5.1 for the key schedule; the combiner is that of draft-connolly-cfrg-xwing-kem.
"""

from __future__ import annotations

import hmac
from hashlib import sha3_256, sha256, shake_256

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LABEL = bytes.fromhex("5c2e2f2f5e5c")
ENC_OCTETS = 1120
AES_256_GCM = 2


def private_key(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    """Both halves from the 32-octet seed."""
    expanded = shake_256(seed).digest(96)
    return (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        X25519PrivateKey.from_private_bytes(expanded[64:]),
    )


def shared_secret(kem: MLKEM768PrivateKey, curve: X25519PrivateKey, enc: bytes) -> bytes:
    """Decapsulate both halves and combine them."""
    ours, theirs = enc[:-32], enc[-32:]
    both = kem.decapsulate(ours) + curve.exchange(X25519PublicKey.from_public_bytes(theirs))
    return sha3_256(both + theirs + curve.public_key().public_bytes_raw() + LABEL).digest()


def key_and_nonce(secret: bytes, info: bytes, aead: int) -> tuple[bytes, bytes]:
    """RFC 9180 §5.1, base mode, HKDF-SHA256, an AEAD with a key of 32 octets."""
    suite = b"HPKE" + b"\x64\x7a" + b"\x00\x01" + aead.to_bytes(2, "big")

    def extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, sha256)

    def expand(prk: bytes, label: bytes, context: bytes, length: int) -> bytes:
        labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + context
        return hmac.digest(prk, labelled + b"\x01", sha256)[:length]

    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    prk = extract(secret, b"secret", b"")
    return expand(prk, b"key", context, 32), expand(prk, b"base_nonce", context, 12)


def open_xwing(kem: MLKEM768PrivateKey, curve: X25519PrivateKey, sealed: bytes, info: bytes) -> bytes:
    """The plaintext of `enc || ciphertext` under AES-256-GCM."""
    enc, ciphertext = sealed[:ENC_OCTETS], sealed[ENC_OCTETS:]
    key, nonce = key_and_nonce(shared_secret(kem, curve, enc), info, AES_256_GCM)
    return AESGCM(key).decrypt(nonce, ciphertext, b"")
