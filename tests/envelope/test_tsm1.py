"""Opening and sealing: what is bound to what, and what a failure tells."""

from __future__ import annotations

import copy
import pickle
from itertools import combinations

import cbor2
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from tests.envelope.house import ADDRESS, DEVICE, IKM, KID, PORT, certificate, packet, up
from tsm_gateway.envelope.cose import MAX_PIV
from tsm_gateway.envelope.errors import Malformed, NotAuthentic, PivExhausted
from tsm_gateway.envelope.tsm1 import (
    Direction,
    Packet,
    TrafficKey,
    open_packet,
    parse_packet,
    provider_payload,
    read_device_payload,
    seal_packet,
    traffic_key,
)
from tsm_gateway.secret import Secret

PLAINTEXT = Secret(b"forty-two cents")


def step_by_step(direction: int, way: bytes, owner: str, piv: int) -> bytes:
    """The ciphertext, computed with HKDF taken apart (RFC 5869 §2), octet by octet nonces and CBOR in hex."""
    extract = HMAC(KID, SHA256())
    extract.update(IKM.reveal())
    prk = extract.finalize()
    label = bytes([0x60 + len(way) + 4])
    key_info = b"\x83\x65tsm-1" + label + way + b" key" + b"\x18\x20"
    iv_info = b"\x83\x65tsm-1" + bytes([label[0] - 1]) + way + b" iv" + b"\x0c"
    key = HKDFExpand(SHA256(), 32, key_info).derive(prk)
    iv = HKDFExpand(SHA256(), 12, iv_info).derive(prk)
    block = b"\x04" + b"\x00\x00" + KID + piv.to_bytes(5, "big")
    nonce = bytes(iv[at] ^ block[at] for at in range(12))
    external_aad = b"\x84\x01" + bytes([direction, 0x60 + len(owner)]) + owner.encode() + b"\x19\x40\x74"
    aad = (
        b"\x83\x68Encrypt0\x43\xa1\x01\x03"
        + b"\x58"[: len(external_aad) > 23]
        + bytes([len(external_aad) + (0x40 if len(external_aad) < 24 else 0)])
        + external_aad
    )
    return AESGCM(key).encrypt(nonce, PLAINTEXT.reveal(), aad)


@pytest.mark.parametrize("piv", [0, 1, 255, 256, 65_536, 2**24, 2**32, MAX_PIV])
@pytest.mark.parametrize(
    ("direction", "way", "owner"),
    [
        (Direction.DEVICE_TO_TSM, b"up", DEVICE),
        (Direction.TSM_TO_DEVICE, b"down", DEVICE),
        (Direction.TSM_TO_PROVIDER, b"to provider", "parking"),
        (Direction.PROVIDER_TO_TSM, b"from provider", "parking"),
    ],
)
def test_a_sealed_packet_is_that_of_an_independent_computation(
    direction: Direction, way: bytes, owner: str, piv: int
) -> None:
    sealed = seal_packet(PLAINTEXT, traffic_key(IKM, KID, direction, owner, PORT), piv)
    assert parse_packet(sealed) == (KID, piv, step_by_step(int(direction), way, owner, piv))


@given(plaintext=st.binary(max_size=400), piv=st.integers(0, MAX_PIV))
def test_what_is_sealed_opens(plaintext: bytes, piv: int) -> None:
    sealed = seal_packet(Secret(plaintext), up(), piv)
    assert open_packet(parse_packet(sealed), up()) == Secret(plaintext)


def test_the_packets_are_as_long_as_the_design_says() -> None:
    """222 octets and 229, with an address of 13 digits and a PIV of three octets."""
    assert len(packet()) == 222
    to_provider = traffic_key(IKM, KID, Direction.TSM_TO_PROVIDER, "parking", PORT)
    payload = provider_payload(certificate(), 1_700_000_001, bytes(16))
    assert len(seal_packet(payload, to_provider, 70_000)) == 229


def test_keys_differ_by_direction_owner_port_kid_and_random_key() -> None:
    ways = [
        *(traffic_key(IKM, KID, direction, DEVICE, PORT) for direction in Direction),
        up(owner="d:ffffffffffffffff"),
        up(port=PORT + 1),
        up(kid=b"\x5a\x17\xc0\xdf"),
        up(ikm=Secret(bytes(32))),
    ]
    for sealer, opener in combinations(ways, 2):
        sealed = parse_packet(seal_packet(PLAINTEXT, sealer, 7))
        with pytest.raises(NotAuthentic):
            open_packet(sealed, opener)


def test_the_same_counter_both_ways_is_no_repeated_nonce() -> None:
    down = traffic_key(IKM, KID, Direction.TSM_TO_DEVICE, DEVICE, PORT)
    one, other = (parse_packet(seal_packet(PLAINTEXT, key, 7)).ciphertext for key in (up(), down))
    assert one[:15] != other[:15]


def test_a_packet_that_names_another_key_is_refused_although_its_tag_would_hold() -> None:
    _, piv, ciphertext = parse_packet(packet())
    with pytest.raises(NotAuthentic):
        open_packet(Packet(b"\x00\x00\x00\x01", piv, ciphertext), up())


def test_every_failure_of_opening_looks_the_same() -> None:
    kid, piv, ciphertext = parse_packet(packet())
    tampered = [
        Packet(b"\x00\x00\x00\x01", piv, ciphertext),
        Packet(kid, piv + 1, ciphertext),
        Packet(kid, piv, ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])),
        Packet(kid, piv, bytes([ciphertext[0] ^ 1]) + ciphertext[1:]),
        Packet(kid, piv, ciphertext[:16]),
    ]
    said = set()
    for each in tampered:
        with pytest.raises(NotAuthentic) as caught:
            open_packet(each, up())
        said.add((str(caught.value), tuple(caught.value.facts), caught.value.__cause__))
    assert said == {("The packet was not sealed with this key, or was altered [not-authentic]", (), None)}


@pytest.mark.parametrize("piv", [MAX_PIV + 1, 2**63])
def test_a_counter_that_is_used_up_seals_nothing(piv: int) -> None:
    with pytest.raises(PivExhausted):
        seal_packet(PLAINTEXT, up(), piv)


def test_a_negative_counter_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="not negative"):
        seal_packet(PLAINTEXT, up(), -1)


@pytest.mark.parametrize(("kid", "port"), [(b"kid", 1), (b"kid-5", 1), (KID, -1), (KID, 65_536)])
def test_a_traffic_key_out_of_range_is_not_made(kid: bytes, port: int) -> None:
    with pytest.raises(ValueError, match="4 octets"):
        traffic_key(IKM, kid, Direction.DEVICE_TO_TSM, DEVICE, port)


def test_a_device_payload_gives_address_and_certificate_octet_for_octet() -> None:
    payload = read_device_payload(open_packet(parse_packet(packet()), up()))
    assert payload.address == ADDRESS
    assert payload.certificate[:6] == bytes.fromhex("8443a10126a0")


@pytest.mark.parametrize(
    "value",
    [
        ["", b"certificate"],
        ["a" * 65, b"certificate"],
        ["+49 30", b"certificate"],
        ["+49\n30", b"certificate"],
        ["+49\x1b[2J", b"certificate"],
        ["+49\u202e30", b"certificate"],
        ["\x7f", b"certificate"],
        [b"+4930", b"certificate"],
        ["+4930", "certificate"],
        ["+4930", b""],
        ["+4930"],
        ["+4930", b"certificate", 0],
        {0: "+4930"},
    ],
)
def test_a_payload_of_another_form_is_malformed(value: object) -> None:
    with pytest.raises(Malformed):
        read_device_payload(Secret(cbor2.dumps(value)))


def test_the_longest_address_is_64_characters() -> None:
    assert read_device_payload(Secret(cbor2.dumps(["a" * 64, b"c"]))).address == "a" * 64


def test_a_providers_payload_is_certificate_time_and_message_id() -> None:
    made = provider_payload(b"certificate", 1_700_000_001, bytes(range(16)))
    assert cbor2.loads(made.reveal()) == [b"certificate", 1_700_000_001, bytes(range(16))]


@pytest.mark.parametrize(("received_at", "message_id"), [(-1, bytes(16)), (0, bytes(15)), (0, bytes(17))])
def test_a_providers_payload_out_of_range_is_not_made(received_at: int, message_id: bytes) -> None:
    with pytest.raises(ValueError, match="message id of 16 octets"):
        provider_payload(b"certificate", received_at, message_id)


@pytest.mark.parametrize("held", [up(), read_device_payload(Secret(cbor2.dumps(["+4930123", b"secret"])))])
def test_what_holds_keys_or_plaintext_neither_prints_nor_pickles_nor_copies(held: TrafficKey) -> None:
    assert repr(held) == f"{held}" == f"{type(held).__name__}(…)"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(held)
