"""The COSE working group's examples, each with its verdict (tests/vectors/cose)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from tests.envelope.vector_files import VECTORS
from tsm_gateway.envelope.certificate import PaymentCertificate, read_certificate, verify_signature
from tsm_gateway.envelope.cose import (
    ENCRYPT0_PROTECTED,
    Sign1,
    SignatureAlgorithm,
    build_sign1,
    enc_structure,
    parse_encrypt0,
    parse_sign1,
    sig_structure,
)
from tsm_gateway.envelope.errors import CertificateInvalid, CertificateMalformed, Malformed

COSE = VECTORS / "cose"
ENCRYPT0 = ["aes-gcm-enc-01", "aes-gcm-enc-02", "aes-gcm-enc-03", "aes-gcm-enc-04"]
SIGN1_TAG = b"\xd2"


def example(folder: str, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((COSE / folder / f"{name}.json").read_text(encoding="utf-8"))
    loaded["octets"] = bytes.fromhex(loaded["output"]["cbor"])
    return loaded


def public_key(key: dict[str, str]) -> ec.EllipticCurvePublicKey:
    def coordinate(name: str) -> int:
        octets = (
            bytes.fromhex(key[f"{name}_hex"]) if f"{name}_hex" in key else urlsafe_b64decode(key[name] + "=")
        )
        return int.from_bytes(octets, "big")

    return ec.EllipticCurvePublicNumbers(coordinate("x"), coordinate("y"), ec.SECP256R1()).public_key()


def statement(sign1: Sign1, external_aad: bytes = b"") -> PaymentCertificate:
    """Somebody else's statement in the type whose signature we verify."""
    signed = sig_structure(sign1.algorithm.protected, sign1.payload, external_aad)
    return PaymentCertificate("", "", 0, 0, b"", b"", 0, 0, (), signed, sign1.signature, sign1.algorithm)


def verdict(octets: bytes, key: dict[str, str], external_aad: bytes = b"") -> str:
    """What `cose` and `verify_signature` make of an untagged COSE_Sign1."""
    try:
        verify_signature(statement(parse_sign1(octets), external_aad), public_key(key))
    except Malformed:
        return "malformed"
    except CertificateInvalid:
        return "invalid"
    return "valid"


@pytest.mark.parametrize("name", ENCRYPT0)
def test_the_enc_structure_is_that_of_the_example(name: str) -> None:
    each = example("aes-gcm-examples", name)
    protected = cbor2.loads(each["octets"]).value[0]
    assert enc_structure(protected, b"").hex().upper() == each["intermediates"]["AAD_hex"]


@pytest.mark.parametrize("name", ENCRYPT0)
def test_an_example_opens_under_our_enc_structure_unless_it_is_to_fail(name: str) -> None:
    each = example("aes-gcm-examples", name)
    protected, unprotected, ciphertext = cbor2.loads(each["octets"]).value
    aead = AESGCM(bytes.fromhex(each["intermediates"]["CEK_hex"]))
    aad = enc_structure(protected, b"")
    if each.get("fail"):
        with pytest.raises(InvalidTag):
            aead.decrypt(unprotected[5], ciphertext, aad)
    else:
        assert aead.decrypt(unprotected[5], ciphertext, aad) == each["input"]["plaintext"].encode()


def test_our_protected_header_is_that_of_the_a256gcm_example() -> None:
    assert cbor2.loads(example("aes-gcm-examples", "aes-gcm-enc-03")["octets"]).value[0] == ENCRYPT0_PROTECTED


@pytest.mark.parametrize("name", [*ENCRYPT0, "aes-gcm-05"])
def test_an_example_of_another_form_is_malformed_to_us(name: str) -> None:
    octets = example("aes-gcm-examples", name)["octets"]
    for spelling in (octets, octets[1:], octets[2:]):  # with its tag, and without
        with pytest.raises(Malformed):
            parse_encrypt0(spelling)


def test_a_partial_iv_is_xored_into_the_right_end_of_the_iv() -> None:
    """With no kid in the nonce, as plain COSE has it (RFC 9052 §3.1)."""
    each = example("aes-gcm-examples", "aes-gcm-05")
    protected, unprotected, ciphertext, _ = cbor2.loads(each["octets"]).value
    iv_and_piv = bytes.fromhex(each["input"]["enveloped"]["unsent"]["IV_hex"])
    piv = int.from_bytes(unprotected[6], "big")
    context = int.from_bytes(iv_and_piv, "big") ^ piv
    nonce = (context ^ piv).to_bytes(12, "big")
    aad = cbor2.dumps(["Encrypt", protected, b""])
    assert AESGCM(bytes.fromhex(each["intermediates"]["CEK_hex"])).decrypt(nonce, ciphertext, aad)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sign-pass-01", "malformed"),  # valid COSE, but its algorithm stands unprotected
        ("sign-pass-02", "valid"),
        ("sign-pass-03", "valid"),
        ("sign-fail-02", "invalid"),
        ("sign-fail-03", "malformed"),
        ("sign-fail-04", "malformed"),
        ("sign-fail-06", "malformed"),
        ("sign-fail-07", "invalid"),
    ],
)
def test_a_sign1_example_has_our_verdict_once_its_headers_are_ours(name: str, expected: str) -> None:
    """The examples carry a tag and an unprotected kid; neither is signed, and we allow neither."""
    each = example("sign1-tests", name)
    octets = each["octets"].removeprefix(SIGN1_TAG)
    assert verdict(octets, each["input"]["sign0"]["key"]) == "malformed"
    ours = octets.replace(bytes.fromhex("a104423131"), b"\xa0", 1)
    external_aad = bytes.fromhex(each["input"]["sign0"].get("external", ""))
    assert verdict(ours, each["input"]["sign0"]["key"], external_aad) == expected


def test_a_sign1_under_another_tag_is_malformed() -> None:
    each = example("sign1-tests", "sign-fail-01")
    assert verdict(each["octets"], each["input"]["sign0"]["key"]) == "malformed"


@pytest.mark.parametrize("name", ["sign-fail-01", "sign-fail-02", "sign-pass-02", "sign-pass-03"])
def test_the_sig_structure_is_that_of_the_example(name: str) -> None:
    each = example("sign1-tests", name)
    external_aad = bytes.fromhex(each["input"]["sign0"].get("external", ""))
    built = sig_structure(
        SignatureAlgorithm.ES256.protected, each["input"]["plaintext"].encode(), external_aad
    )
    assert built.hex().upper() == each["intermediates"]["ToBeSign_hex"]


def test_the_signed_token_of_rfc_8392_verifies() -> None:
    each = example("CWT", "A_3")
    untagged = each["octets"].removeprefix(SIGN1_TAG)
    assert verdict(untagged, each["input"]["sign0"]["key"]) == "valid"
    assert build_sign1(*parse_sign1(untagged)) == untagged
    assert verdict(each["octets"], each["input"]["sign0"]["key"]) == "malformed"


def test_the_signed_token_of_rfc_8392_is_no_payment_certificate() -> None:
    with pytest.raises(CertificateMalformed):
        read_certificate(example("CWT", "A_3")["octets"].removeprefix(SIGN1_TAG))


def test_the_maced_token_of_rfc_8392_is_malformed_to_us_and_holds_as_what_it_is() -> None:
    each = example("CWT", "A_4")
    for spelling in (each["octets"], each["octets"][1:]):
        assert verdict(spelling, example("CWT", "A_3")["input"]["sign0"]["key"]) == "malformed"
    protected, _, payload, tag = cbor2.loads(each["octets"]).value
    mac = HMAC(bytes.fromhex(each["intermediates"]["CEK_hex"]), SHA256())
    mac.update(cbor2.dumps(["MAC0", protected, b"", payload]))
    assert mac.finalize()[:8] == tag


def test_the_token_signed_then_encrypted_opens_and_verifies() -> None:
    each = example("CWT", "A_6")
    protected, unprotected, ciphertext = cbor2.loads(each["octets"]).value
    aad = enc_structure(protected, b"")
    assert aad.hex().upper() == each["intermediates"]["AAD_hex"]
    opened = AESCCM(bytes.fromhex(each["intermediates"]["CEK_hex"]), tag_length=8).decrypt(
        unprotected[5], ciphertext, aad
    )
    assert verdict(opened.removeprefix(SIGN1_TAG), example("CWT", "A_3")["input"]["sign0"]["key"]) == "valid"


def test_the_token_signed_then_encrypted_is_no_packet_of_ours() -> None:
    octets = example("CWT", "A_6")["octets"]
    for spelling in (octets, octets[1:]):
        with pytest.raises(Malformed):
            parse_encrypt0(spelling)


def test_a_forged_signature_over_the_token_is_refused_by_the_library_too() -> None:
    """A control of these tests: the same key and text, one bit changed."""
    each = example("CWT", "A_3")
    genuine = parse_sign1(each["octets"].removeprefix(SIGN1_TAG))
    last = bytes([genuine.signature[-1] ^ 1])
    forged = statement(genuine._replace(signature=genuine.signature[:-1] + last))
    with pytest.raises(CertificateInvalid):
        verify_signature(forged, public_key(each["input"]["sign0"]["key"]))


def test_the_confirmation_mac_is_that_of_rfc_4493() -> None:
    """Section 4, example 4: the whole 64 octets."""
    message = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    mac = CMAC(AES(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")))
    mac.update(message)
    mac.verify(bytes.fromhex("51f0bebf7e3b9d92fc49741779363cfe"))
    other = CMAC(AES(bytes(16)))
    other.update(message)
    with pytest.raises(InvalidSignature):
        other.verify(bytes.fromhex("51f0bebf7e3b9d92fc49741779363cfe"))
