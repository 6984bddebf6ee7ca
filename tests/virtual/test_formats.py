"""The literal reading of the formats, against published vectors and against a foreign CBOR library."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.cbor_literal import Value, decode, encode
from tsm_gateway.virtual.cose_literal import (
    as_list,
    enc_structure,
    read_sign1,
    sig_structure,
    sign1,
    verify_sign1,
)
from tsm_gateway.virtual.errors import FormatMalformed, PacketNotAuthentic, PaymentRefused, VirtualError
from tsm_gateway.virtual.packet import Direction, Packet, Traffic, nonce, piv_octets, read_packet
from tsm_gateway.virtual.part import cut, with_length
from tsm_gateway.virtual.signature_literal import ES256, require_signature

VECTORS = Path(__file__).parents[1] / "vectors"
COSE = VECTORS / "cose"

values: st.SearchStrategy[Any] = st.recursive(
    st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.integers(-70_000, 70_000), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(values)
def test_cbor_is_what_a_foreign_library_writes_canonically(value: Value) -> None:
    octets = cbor2.dumps(value, canonical=True)
    # cbor2 sorts keys by length first; the two orders agree only where the keys' lengths grow with them
    if not isinstance(value, dict | list):
        assert encode(value) == octets
    assert cbor2.loads(encode(value)) == value
    assert decode(encode(value)) == value


@given(st.binary(max_size=60))
def test_any_octets_are_read_or_refused_and_have_one_spelling(octets: bytes) -> None:
    try:
        value = decode(octets)
    except FormatMalformed:
        return
    assert encode(value) == octets


@pytest.mark.parametrize(
    "octets",
    [
        "1800",  # 0 in two octets
        "190018",  # 24 in three
        "1b00000000ffffffff",
        "5f41004100ff",  # an indefinite string
        "9fff",
        "a201000100",  # a repeated key
        "a202000100",  # keys out of order
        "a1616100",  # a key that is text
        "62c328",  # not UTF-8
        "c100",  # a tag
        "f5",  # true
        "f93c00",  # 1.0
        "4101ff",  # an octet behind the end
        "42ff",  # cut short
        "",
        "8181818181818181818100",  # nested too deep
    ],
)
def test_a_second_spelling_or_a_foreign_type_is_refused(octets: str) -> None:
    with pytest.raises(FormatMalformed):
        decode(bytes.fromhex(octets))


def vector(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((COSE / name).read_text())
    return loaded


def untagged(name: str) -> bytes:
    octets = bytes.fromhex(vector(name)["output"]["cbor"])
    assert octets[0] >> 5 == 6
    return octets[1:]


@pytest.mark.parametrize("number", ["01", "02", "03"])
def test_the_published_encrypt0_examples_open(number: str) -> None:
    name = f"aes-gcm-examples/aes-gcm-enc-{number}.json"
    example = vector(name)
    protected, unprotected, ciphertext = as_list(decode(untagged(name)), 3)
    assert isinstance(protected, bytes)
    assert isinstance(unprotected, dict)
    assert isinstance(ciphertext, bytes)
    iv = unprotected[5]
    assert isinstance(iv, bytes)
    aad = enc_structure(protected, b"")
    assert aad.hex().upper() == example["intermediates"]["AAD_hex"]
    key = bytes.fromhex(example["intermediates"]["CEK_hex"])
    assert AESGCM(key).decrypt(iv, ciphertext, aad).decode() == example["input"]["plaintext"]


def public_key(example: dict[str, Any]) -> ec.EllipticCurvePublicKey:
    key = example["input"]["sign0"]["key"]
    x, y = (int.from_bytes(urlsafe_b64decode(key[axis] + "="), "big") for axis in "xy")
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


@pytest.mark.parametrize("number", ["01", "02", "03"])
def test_the_published_sign1_examples_verify(number: str) -> None:
    name = f"sign1-tests/sign-pass-{number}.json"
    example = vector(name)
    octets = bytes.fromhex(example["output"]["cbor"])
    octets = octets[1:] if octets[0] >> 5 == 6 else octets
    protected, _, payload, signature = as_list(decode(octets), 4)
    assert isinstance(protected, bytes)
    assert isinstance(payload, bytes)
    assert isinstance(signature, bytes)
    external = bytes.fromhex(example["input"]["sign0"].get("external", ""))
    signed = sig_structure(b"" if protected == b"\xa0" else protected, payload, external)
    assert signed.hex().upper() == example["intermediates"]["ToBeSign_hex"]
    require_signature(signed, signature, public_key(example))


def test_a_published_sign1_with_a_changed_signature_is_refused() -> None:
    _, _, payload, signature = as_list(decode(untagged("sign1-tests/sign-fail-02.json")), 4)
    assert isinstance(payload, bytes)
    assert isinstance(signature, bytes)
    with pytest.raises(PaymentRefused):
        require_signature(
            sig_structure(ES256, payload), signature, public_key(vector("sign1-tests/sign-fail-02.json"))
        )


def test_a_signature_of_ours_is_read_and_verified_and_no_other_form_is() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    octets = sign1(b"payload", key)
    message = read_sign1(octets)
    assert message.payload == b"payload"
    assert verify_sign1(message, key.public_key()) == b"payload"
    for other in (octets[:-1], b"\xd2" + octets, octets.replace(ES256, b"\xa1\x01\x25")):
        with pytest.raises(FormatMalformed):
            read_sign1(other)
    with pytest.raises(FormatMalformed):  # EdDSA's header, which another kind of key would need
        verify_sign1(read_sign1(octets.replace(ES256, b"\xa1\x01\x27")), key.public_key())


@pytest.mark.parametrize(
    ("iv", "kid", "piv", "expected"),
    [  # RFC 8613 appendix C.4, C.5 and C.6
        ("4622d4dd6d944168eefb54987c", "", "14", "4622d4dd6d944168eefb549868"),
        ("be35ae297d2dace910c52e99f9", "00", "14", "bf35ae297d2dace910c52e99ed"),
        ("2ca58fb85ff1b81c0b7181b85e", "00", "14", "2da58fb85ff1b81c0b7181b84a"),
    ],
)
def test_nonces_are_those_of_rfc_8613(iv: str, kid: str, piv: str, expected: str) -> None:
    assert nonce(bytes.fromhex(iv), bytes.fromhex(kid), bytes.fromhex(piv)).hex() == expected


OF_THE_PLAINTEXT = {  # the packet itself is sound
    "amr-unknown",
    "claim-unknown",
    "claim-twice",
    "payload-empty",
    "payload-trailing",
    "too-long",
}


def tsm1_vectors() -> list[Any]:
    found = []
    for path in sorted((VECTORS / "tsm1").glob("*.txt")):
        header, _, body = path.read_text().partition("\n\n")
        fields = dict(line.split(": ", 1) for line in header.splitlines())
        if fields["expect"] in {"opened", "not_authentic", "malformed"} and path.stem not in OF_THE_PLAINTEXT:
            found.append(pytest.param(fields, bytes.fromhex(body), id=path.stem))
    return found


@pytest.mark.parametrize(("fields", "octets"), tsm1_vectors())
def test_packets_made_by_another_hand_get_the_same_verdict(fields: dict[str, str], octets: bytes) -> None:
    key, kid = Secret(bytes.fromhex(fields["key"])), bytes.fromhex(fields["kid"])
    direction = Direction(int(fields["direction"]))
    traffic = Traffic(key, kid, direction, fields["owner"], int(fields["port"]))

    def opened() -> bytes:
        return traffic.open(read_packet(octets))

    if fields["expect"] == "opened":
        assert opened().hex() == fields["plaintext"]
    else:
        error = PacketNotAuthentic if fields["expect"] == "not_authentic" else FormatMalformed
        with pytest.raises(error):
            opened()


def test_the_packet_is_the_picture_in_the_design() -> None:
    traffic = Traffic(Secret(bytes(32)), b"abcd", Direction.DEVICE_TO_TSM, "d:0011223344556677", 16500)
    packet = traffic.seal(b"x" * 184, 70_000)
    assert packet.hex().startswith("8343a10103" + "a20444" + b"abcd".hex() + "0643" + "011170" + "58c8")
    assert len(packet) == 184 + 35
    assert read_packet(packet) == Packet(b"abcd", 70_000, packet[-200:])
    assert traffic.open(read_packet(packet)) == b"x" * 184


@given(st.integers(0, 2**40 - 1))
def test_a_counter_has_no_leading_zero_octet(piv: int) -> None:
    octets = piv_octets(piv)
    assert int.from_bytes(octets, "big") == piv
    assert len(octets) == 1 or octets[0] != 0


@given(st.data())
def test_another_owner_port_direction_or_octet_does_not_open(data: st.DataObject) -> None:
    key = Secret(bytes(32))
    packet = bytearray(Traffic(key, b"abcd", Direction.DEVICE_TO_TSM, "d:00", 16500).seal(b"payment", 7))
    direction, owner, port = data.draw(
        st.sampled_from(
            [
                (Direction.TSM_TO_PROVIDER, "d:00", 16500),
                (Direction.DEVICE_TO_TSM, "d:01", 16500),
                (Direction.DEVICE_TO_TSM, "d:00", 16501),
                (Direction.DEVICE_TO_TSM, "d:00", 16500),
            ]
        )
    )
    if (direction, owner, port) == (Direction.DEVICE_TO_TSM, "d:00", 16500):
        packet[data.draw(st.integers(0, len(packet) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(VirtualError):
        Traffic(key, b"abcd", direction, owner, port).open(read_packet(bytes(packet)))


@pytest.mark.parametrize("reference", range(256))
@pytest.mark.parametrize("wide", [False, True])
def test_a_header_without_its_length_octet_gets_it_back(reference, wide):
    for udh, _ in [*cut(bytes(200), 16500, reference, wide=wide), *cut(bytes(20), 16500, reference)]:
        assert with_length(udh) == udh
        assert with_length(udh[1:]) == udh
    assert with_length(b"") == b""
