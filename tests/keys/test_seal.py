"""The one recipe to seal a key; what opens it is tested where packages and handovers are."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mlkem, padding, rsa, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from tsm_gateway.keys.errors import RecipientUnusable
from tsm_gateway.keys.seal import SUITES, Kem, seal, sealing_key
from tsm_gateway.secret import Secret

KEY = Secret(bytes(range(32)))
RSA = rsa.generate_private_key(65537, 2048)
KINDS: dict[Kem, tuple[Any, int]] = {
    Kem.P256: (ec.generate_private_key(ec.SECP256R1()), 65 + 48),
    Kem.X25519: (x25519.X25519PrivateKey.generate(), 32 + 48),
    Kem.XWING: (
        MLKEM768X25519PrivateKey(mlkem.MLKEM768PrivateKey.generate(), x25519.X25519PrivateKey.generate()),
        1120 + 48,
    ),
    Kem.OAEP: (RSA, 256),
}


def opened(kem: Kem, key: Any, sealed: bytes, info: bytes) -> bytes:
    if kem is Kem.OAEP:
        octets: bytes = key.decrypt(sealed, padding.OAEP(padding.MGF1(SHA256()), SHA256(), info))
        return octets
    return SUITES[kem].decrypt(sealed, key, info=info)


@pytest.mark.parametrize("kem", KINDS, ids=lambda kem: kem.name)
def test_what_is_sealed_opens_under_its_info_and_no_other(kem: Kem) -> None:
    key, length = KINDS[kem]
    sealed = seal(KEY, key.public_key(), b"for this")
    assert sealing_key(key.public_key())[0] is kem
    assert len(sealed) == length
    assert opened(kem, key, sealed, b"for this") == KEY.reveal()
    with pytest.raises((InvalidTag, ValueError)):
        opened(kem, key, sealed, b"for that")


@pytest.mark.parametrize("kem", KINDS, ids=lambda kem: kem.name)
def test_the_same_key_is_never_sealed_alike_twice(kem: Kem) -> None:
    public = KINDS[kem][0].public_key()
    assert seal(KEY, public, b"") != seal(KEY, public, b"")


def test_the_numbers_are_the_registered_ones() -> None:
    """RFC 9180 §7.1, the HPKE KEM registry, RFC 8230 §3."""
    assert {kem.name: int(kem) for kem in Kem} == {
        "P256": 0x0010,
        "X25519": 0x0020,
        "XWING": 0x647A,
        "OAEP": -41,
    }


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        rsa.generate_private_key(65537, 1024).public_key(),  # noqa: S505 - that is the test
        mlkem.MLKEM768PrivateKey.generate().public_key(),
        RSA,
        None,
    ],
    ids=["P-384", "Ed25519", "RSA-1024", "ML-KEM alone", "a private key", "nothing"],
)
def test_nothing_is_sealed_to_another_kind_of_key(key: object) -> None:
    with pytest.raises(RecipientUnusable):
        seal(KEY, key, b"")


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)], ids=["0", "1"])
def test_nothing_is_sealed_to_a_point_of_low_order(point: bytes) -> None:
    with pytest.raises(RecipientUnusable):
        seal(KEY, x25519.X25519PublicKey.from_public_bytes(point), b"")
