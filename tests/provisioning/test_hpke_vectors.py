"""The published HPKE examples through the suites we seal with, and through foreign readings of HPKE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    Suite,
)
from pyhpke import AEADId, CipherSuite, KDFId, KEMId

from tests.provisioning import xwing
from tsm_gateway.keys.seal import SUITES, Kem

VECTORS = Path(__file__).parents[1] / "vectors" / "hpke"
KEMS = {16: KEM.P256, 32: KEM.X25519, 0x647A: KEM.MLKEM768_X25519}
KDFS = {1: KDF.HKDF_SHA256, 3: KDF.HKDF_SHA512}
AEADS = {1: AEAD.AES_128_GCM, 2: AEAD.AES_256_GCM, 3: AEAD.CHACHA20_POLY1305}
OURS = {(16, 1, 2): Kem.P256, (32, 1, 2): Kem.X25519}


def examples(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return loaded


def suite_of(example: dict[str, Any]) -> tuple[int, int, int]:
    return example["kem_id"], example["kdf_id"], example["aead_id"]


def fields(example: dict[str, Any]) -> tuple[bytes, ...]:
    (first,) = example["encryptions"]
    texts = (example["info"], example["enc"], first["aad"], first["ct"], first["pt"])
    return tuple(bytes.fromhex(text) for text in texts)


def private_key(example: dict[str, Any]) -> Any:
    octets = bytes.fromhex(example["skRm"])
    if example["kem_id"] == 16:
        return ec.derive_private_key(int.from_bytes(octets, "big"), ec.SECP256R1())
    if example["kem_id"] == 32:
        return x25519.X25519PrivateKey.from_private_bytes(octets)
    return MLKEM768X25519PrivateKey(*xwing.private_key(octets))


def suite(example: dict[str, Any]) -> Suite:
    """Ours where the example is of one of ours."""
    kem, kdf, aead = suite_of(example)
    if (kem, kdf, aead) in OURS:
        return SUITES[OURS[kem, kdf, aead]]
    return Suite(KEMS[kem], KDFS[kdf], AEADS[aead])


ALL = [*examples("rfc9180-base"), *examples("xwing")]


@pytest.mark.parametrize("example", ALL, ids=lambda example: "-".join(map(str, suite_of(example))))
def test_the_library_opens_the_published_example_and_no_altered_one(example: dict[str, Any]) -> None:
    info, enc, aad, ct, pt = fields(example)
    key = private_key(example)
    assert openssl.hpke._decrypt_with_aad(suite(example), enc + ct, key, info=info, aad=aad) == pt
    for altered in ((enc + ct[:-1] + bytes([ct[-1] ^ 1]), info), (enc + ct, info + b"\0")):
        with pytest.raises(InvalidTag):
            openssl.hpke._decrypt_with_aad(suite(example), altered[0], key, info=altered[1], aad=aad)


def test_both_suites_of_ours_have_their_example() -> None:
    assert set(OURS) <= {suite_of(example) for example in ALL}


@pytest.mark.parametrize(
    "example", examples("rfc9180-base"), ids=lambda example: "-".join(map(str, suite_of(example)))
)
def test_the_foreign_reading_opens_the_published_example(example: dict[str, Any]) -> None:
    info, enc, aad, ct, pt = fields(example)
    kem, kdf, aead = suite_of(example)
    peer = CipherSuite.new(KEMId(kem), KDFId(kdf), AEADId(aead))
    key = peer.kem.deserialize_private_key(bytes.fromhex(example["skRm"]))
    assert peer.create_recipient_context(enc, key, info=info).open(ct, aad=aad) == pt


def test_the_reading_of_x_wing_in_these_tests_meets_the_published_example() -> None:
    (example,) = examples("xwing")
    info, enc, aad, ct, pt = fields(example)
    kem, curve = xwing.private_key(bytes.fromhex(example["skRm"]))
    public = kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    assert public.hex() == example["pkRm"]
    secret = xwing.shared_secret(kem, curve, enc)
    assert secret.hex() == example["shared_secret"]
    key, nonce = xwing.key_and_nonce(secret, info, example["aead_id"])
    assert ChaCha20Poly1305(key).decrypt(nonce, ct, aad) == pt
