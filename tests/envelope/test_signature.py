"""Payments by devices of every kind of key: the algorithm follows from the key, its writer has no choice."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import permutations
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from tests.envelope.house import CLAIMS, SIGNER
from tsm_gateway.envelope.certificate import load_public_key, read_certificate, verify_signature
from tsm_gateway.envelope.cose import MAX_STRUCTURE, SignatureAlgorithm, parse_sign1
from tsm_gateway.envelope.errors import (
    CertificateInvalid,
    CertificateMalformed,
    DeviceCertificateUnusable,
    SigningKeyUnusable,
)
from tsm_gateway.envelope.signature import check_signature, sign_es256, signing_key

HEADERS = {"ES256": b"\xa1\x01\x26", "EdDSA": b"\xa1\x01\x27", "PS256": b"\xa1\x01\x38\x24"}
PAYLOAD = cbor2.dumps(CLAIMS)


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


KEYS: dict[str, Any] = {
    "ES256": SIGNER,
    "EdDSA": ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
    "PS256": rsa_key(2048),
}
PAIRS = list(permutations(KEYS, 2))


def pss(salt: int = 32) -> padding.PSS:
    return padding.PSS(padding.MGF1(SHA256()), salt_length=salt)


def made(key: Any, signed: bytes) -> bytes:
    """The signature that RFC 9053 §2 and RFC 8230 §2 want of this key."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(signed)
    octets: bytes = key.sign(signed, pss(), SHA256())
    return octets


def to_be_signed(header: bytes, payload: bytes = PAYLOAD) -> bytes:
    return cbor2.dumps(["Signature1", header, b"", payload])


def sign1(header: bytes, signature: bytes) -> bytes:
    return cbor2.dumps([header, {}, PAYLOAD, signature])


def payment(name: str, key: Any = None) -> bytes:
    return sign1(HEADERS[name], made(key or KEYS[name], to_be_signed(HEADERS[name])))


def x509_of(key: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "element")])
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=1))
    return builder.sign(SIGNER, SHA256()).public_bytes(Encoding.DER)


def check(octets: bytes, key: Any) -> None:
    """As the relay does it: read, then verify under the key of the registered X.509 certificate."""
    verify_signature(read_certificate(octets), load_public_key(x509_of(key)))


@pytest.mark.parametrize("name", KEYS)
def test_a_payment_holds_under_the_devices_key(name: str) -> None:
    check(payment(name), KEYS[name])


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_a_payment_by_rsa_of_every_length_fits_a_packet(bits: int) -> None:
    octets = payment("PS256", rsa_key(bits))
    assert len(octets) < MAX_STRUCTURE
    check(octets, rsa_key(bits))


@pytest.mark.parametrize("name", KEYS)
def test_the_header_is_the_one_rfc_9053_and_rfc_8230_number(name: str) -> None:
    number = {"ES256": -7, "EdDSA": -8, "PS256": -37}[name]
    assert cbor2.loads(HEADERS[name]) == {1: number}
    algorithm = parse_sign1(payment(name)).algorithm
    assert (algorithm.number, algorithm.protected) == (number, HEADERS[name])


@pytest.mark.parametrize(("theirs", "registered"), PAIRS)
def test_a_good_signature_by_another_kind_of_key_is_invalid(theirs: str, registered: str) -> None:
    with pytest.raises(CertificateInvalid):
        check(payment(theirs), KEYS[registered])


@pytest.mark.parametrize(("name", "said"), PAIRS)
def test_a_signature_under_a_header_of_another_algorithm_is_refused(name: str, said: str) -> None:
    """Also when it is over that very header."""
    signature = made(KEYS[name], to_be_signed(HEADERS[said]))
    with pytest.raises((CertificateInvalid, CertificateMalformed)):
        check(sign1(HEADERS[said], signature), KEYS[name])


@pytest.mark.parametrize("name", KEYS)
@given(data=st.data())
def test_no_flipped_bit_holds(name: str, data: st.DataObject) -> None:
    genuine = payment(name)
    at, bit = data.draw(st.integers(0, len(genuine) - 1)), data.draw(st.integers(0, 7))
    octets = genuine[:at] + bytes([genuine[at] ^ 1 << bit]) + genuine[at + 1 :]
    with pytest.raises((CertificateInvalid, CertificateMalformed)):
        check(octets, KEYS[name])


@pytest.mark.parametrize("salt", [0, 20, 31, 33, 64, 222])
def test_a_salt_of_another_length_is_no_ps256(salt: int) -> None:
    header = HEADERS["PS256"]
    signature = KEYS["PS256"].sign(to_be_signed(header), pss(salt), SHA256())
    with pytest.raises(CertificateInvalid):
        check(sign1(header, signature), KEYS["PS256"])


def test_another_padding_or_hash_is_no_ps256() -> None:
    header, key = HEADERS["PS256"], KEYS["PS256"]
    longer = padding.PSS(padding.MGF1(SHA384()), salt_length=32)
    for signature in (
        key.sign(to_be_signed(header), padding.PKCS1v15(), SHA256()),
        key.sign(to_be_signed(header), longer, SHA256()),
        key.sign(to_be_signed(header), longer, SHA384()),
    ):
        with pytest.raises(CertificateInvalid):
            check(sign1(header, signature), key)


@pytest.mark.parametrize("length", [255, 257, 384, 512])
def test_an_rsa_signature_is_as_long_as_the_modulus(length: int) -> None:
    octets = made(KEYS["PS256"], to_be_signed(HEADERS["PS256"]))
    signature = bytes(max(0, length - 256)) + octets[max(0, 256 - length) :]
    assert len(signature) == length
    with pytest.raises((CertificateInvalid, CertificateMalformed)):
        check(sign1(HEADERS["PS256"], signature), KEYS["PS256"])


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ed448.Ed448PrivateKey.generate(),
        rsa_key(1024),
        rsa_key(2040),
    ],
    ids=["P-384", "secp256k1", "Ed448", "RSA-1024", "RSA-2040"],
)
def test_a_key_of_another_kind_or_length_verifies_nothing(key: Any) -> None:
    with pytest.raises(DeviceCertificateUnusable):
        load_public_key(x509_of(key))
    with pytest.raises(SigningKeyUnusable):
        check_signature(key.public_key(), SignatureAlgorithm.ES256, bytes(64), b"")


def test_an_rsa_key_over_4096_bits_is_not_taken() -> None:
    """Nobody needs its prime factors to see how long it is."""
    public = rsa.RSAPublicNumbers(65537, (1 << 4096) + 1).public_key()
    with pytest.raises(SigningKeyUnusable):
        signing_key(public)


def test_what_the_gateway_signs_is_a_sign1_under_es256() -> None:
    octets = sign_es256(PAYLOAD, SIGNER)
    parsed = parse_sign1(octets)
    assert parsed.algorithm is SignatureAlgorithm.ES256
    assert cbor2.loads(octets)[:3] == [HEADERS["ES256"], {}, PAYLOAD]
    check_signature(SIGNER.public_key(), parsed.algorithm, parsed.signature, to_be_signed(HEADERS["ES256"]))
    with pytest.raises(InvalidSignature):
        check_signature(SIGNER.public_key(), parsed.algorithm, parsed.signature, b"other")


def test_the_gateway_does_not_sign_with_another_curve() -> None:
    with pytest.raises(ValueError, match="P-256"):
        sign_es256(PAYLOAD, ec.generate_private_key(ec.SECP384R1()))


@pytest.mark.parametrize("name", KEYS)
def test_several_threads_may_check_at_once(name: str) -> None:
    public = load_public_key(x509_of(KEYS[name]))
    genuine = read_certificate(payment(name))
    other = {"EdDSA": ed25519.Ed25519PrivateKey.generate(), "PS256": rsa_key(3072)}.get(
        name, ec.generate_private_key(ec.SECP256R1())
    )
    forged = read_certificate(payment(name, other))

    def holds(number: int) -> bool:
        try:
            verify_signature(forged if number % 3 == 0 else genuine, public)
        except CertificateInvalid:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(holds, range(60))) == [number % 3 != 0 for number in range(60)]
