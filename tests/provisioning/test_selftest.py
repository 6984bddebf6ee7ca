"""Provisioning's known answers hold here, fail when a primitive errs, and are a foreign hand's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey, KEMKeyPair

from tsm_gateway.envelope.errors import SelfTestFailed
from tsm_gateway.keys.seal import Kem
from tsm_gateway.provisioning import selftest

if TYPE_CHECKING:
    from tsm_gateway.secret import Secret

VECTORS = Path(__file__).parents[1] / "vectors" / "hpke" / "rfc9180-base.json"
CONSTANTS = {
    "_KEY": "hpke-p256",
    "_INFO": "hpke-p256",
    "_P256_SEALED": "hpke-p256",
    "_X25519_KEY": "hpke-x25519",
    "_X25519_SEALED": "hpke-x25519",
    "_RSA_P": "oaep-sha256",
    "_RSA_Q": "oaep-sha256",
    "_OAEP_SEALED": "oaep-sha256",
}


@pytest.mark.parametrize("hybrid", [False, True])
def test_this_machine_passes(hybrid: bool) -> None:
    selftest.run(hybrid=hybrid)


@pytest.mark.parametrize(("constant", "primitive"), CONSTANTS.items())
def test_every_input_and_answer_counts(
    constant: str, primitive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = vars(selftest)[constant]
    monkeypatch.setattr(selftest, constant, octets[:-1] + bytes([octets[-1] ^ 2]))
    with pytest.raises(SelfTestFailed) as caught:
        selftest.run(hybrid=False)
    assert caught.value.facts == {"primitive": primitive}


def test_a_sealing_that_errs_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def sealed_to_nobody(secret: Secret, key: object, info: bytes) -> bytes:
        return bytes(1168)

    monkeypatch.setattr(selftest, "seal", sealed_to_nobody)
    for primitive, test in (*selftest._TESTS.items(), ("hpke-xwing", selftest._xwing)):
        assert not test(), primitive


def test_an_opening_that_takes_any_info_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def lenient(*_: object) -> bytes:
        return selftest._KEY

    monkeypatch.setattr(selftest, "_opened", lenient)
    assert not any(test() for test in (*selftest._TESTS.values(), selftest._xwing))


def test_x_wing_is_asked_only_where_it_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        @staticmethod
        def from_seed_bytes(_: bytes) -> None:
            raise UnsupportedAlgorithm("built without ML-KEM")

    monkeypatch.setattr(selftest, "MLKEM768PrivateKey", Absent)
    selftest.run(hybrid=False)
    with pytest.raises(SelfTestFailed) as caught:
        selftest.run(hybrid=True)
    assert caught.value.facts == {"primitive": "hpke-xwing"}


@pytest.mark.parametrize(
    ("kem", "known"), [(Kem.P256, "_P256_SEALED"), (Kem.X25519, "_X25519_SEALED")], ids=["P-256", "X25519"]
)
def test_the_known_answer_is_what_pyhpke_seals_with_the_published_keys(kem: Kem, known: str) -> None:
    example = next(each for each in json.loads(VECTORS.read_text("utf-8")) if _suite(each) == (kem, 1, 2))
    peer = CipherSuite.new(KEMId(int(kem)), KDFId.HKDF_SHA256, AEADId.AES256_GCM)
    recipient = peer.kem.deserialize_public_key(bytes.fromhex(example["pkRm"]))
    enc, context = peer.create_sender_context(recipient, info=selftest._INFO, eks=_ephemeral(example))
    assert enc + context.seal(selftest._KEY) == vars(selftest)[known]


def _suite(example: dict[str, Any]) -> tuple[int, int, int]:
    return example["kem_id"], example["kdf_id"], example["aead_id"]


def _ephemeral(example: dict[str, Any]) -> KEMKeyPair:
    octets = bytes.fromhex(example["skEm"])
    key: ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey
    if example["kem_id"] == 16:
        key = ec.derive_private_key(int.from_bytes(octets, "big"), ec.SECP256R1())
    else:
        key = x25519.X25519PrivateKey.from_private_bytes(octets)
    halves = (key, key.public_key())
    return KEMKeyPair(*(KEMKey.from_pyca_cryptography_key(half) for half in halves))
