"""Key packages, opened by a crypto SE that knows the design and none of our code."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from tests.provisioning.element import KINDS, TSM_ID, TSM_KEY, Element, NotForMe, element, sign1
from tsm_gateway.keys.seal import Kem
from tsm_gateway.outbound.parts import parts_of
from tsm_gateway.provisioning.key_package import PackageIdentity, package_info, seal_package
from tsm_gateway.provisioning.recipient import Recipient, read_recipient
from tsm_gateway.secret import Secret

KEY = Secret(bytes(range(100, 132)))
KID = bytes.fromhex("5a17c0de")
KEMS = {"p256": Kem.P256, "x25519": Kem.X25519, "rsa": Kem.OAEP, "xwing": Kem.XWING}
SEALED = {"p256": 113, "x25519": 80, "rsa": 256, "xwing": 1168}


def recipient(of: Element) -> Recipient:
    return read_recipient(
        of.signing_certificate, key_certificate=of.key_certificate, hybrid_key=of.hybrid_key
    )


def identity(of: Element, **other: Any) -> PackageIdentity:
    return PackageIdentity(TSM_ID, of.device_id, KID, 3, 1_000_000)._replace(**other)


def package(of: Element, **other: Any) -> bytes:
    return seal_package(KEY, recipient(of), identity(of, **other), signing_key=TSM_KEY)


def payload(octets: bytes) -> dict[int, Any]:
    fields: dict[int, Any] = cbor2.loads(cbor2.loads(octets)[2])
    return fields


@pytest.mark.parametrize("kind", KINDS)
def test_the_element_it_is_for_opens_it(kind: str) -> None:
    own = element(kind)
    octets = package(own)
    assert own.open_package(octets) == (KID, 3, 1_000_000, KEY.reveal())
    assert payload(octets)[6] == KEMS[kind]
    assert len(payload(octets)[7]) == SEALED[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_element_opens_it_even_if_it_takes_it_for_its_own(kind: str) -> None:
    own, other = element(kind), element(kind, 2)
    octets = package(own)
    with pytest.raises(NotForMe):
        other.open_package(octets)
    mine = payload(octets)
    info = package_info(identity(own), own.recipient_certificate)
    assert own.open_sealed(mine[6], mine[7], info) == KEY.reveal()
    with pytest.raises(NotForMe):
        other.open_sealed(mine[6], mine[7], info)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "other",
    [{"tsm_id": "tsm-2"}, {"device_id": "d:0000000000000000"}, {"kid": bytes(4)}, {"epoch": 2}],
    ids=lambda other: str(*other),
)
def test_it_opens_under_no_other_tsm_device_kid_or_epoch(kind: str, other: dict[str, Any]) -> None:
    own = element(kind)
    mine = payload(package(own))
    info = package_info(identity(own, **other), own.recipient_certificate)
    with pytest.raises(NotForMe):
        own.open_sealed(mine[6], mine[7], info)


@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_under_no_other_certificate_of_the_same_key(kind: str) -> None:
    own = element(kind)
    mine = payload(package(own))
    renewed = own.recipient_certificate[:-1] + b"\0"
    with pytest.raises(NotForMe):
        own.open_sealed(mine[6], mine[7], package_info(identity(own), renewed))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", range(1, 8))
def test_a_package_with_a_field_changed_and_signed_by_a_stranger_is_refused(kind: str, field: int) -> None:
    own = element(kind)
    fields = payload(package(own))
    was = fields[field]
    fields[field] = was + 1 if isinstance(was, int) else was[:-1] + was[:1]
    stranger = ec.derive_private_key(0xBAD, ec.SECP256R1())
    with pytest.raises(NotForMe):
        own.open_package(sign1(cbor2.dumps(fields), stranger))


@pytest.mark.parametrize("kind", KINDS)
def test_a_genuine_package_signed_by_a_stranger_is_refused(kind: str) -> None:
    own = element(kind)
    stranger = ec.derive_private_key(0xBAD, ec.SECP256R1())
    octets = seal_package(KEY, recipient(own), identity(own), signing_key=stranger)
    with pytest.raises(NotForMe):
        own.open_package(octets)


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_changed_even_under_the_tsms_signature_does_not_give_the_key(kind: str) -> None:
    """kid and epoch are bound twice: by the signature, and by what the key is sealed under."""
    own = element(kind)
    for field, value in ((3, bytes(4)), (4, 4)):
        fields = payload(package(own)) | {field: value}
        with pytest.raises(NotForMe):
            own.open_package(sign1(cbor2.dumps(fields), TSM_KEY))


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_is_taken(at: int, bit: int) -> None:
    own, octets = element("p256"), GENUINE
    at %= len(octets)
    altered = octets[:at] + bytes([octets[at] ^ 1 << bit]) + octets[at + 1 :]
    with pytest.raises((NotForMe, cbor2.CBORDecodeError, ValueError, TypeError, IndexError)):
        own.open_package(altered)


GENUINE = package(element("p256"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_the_cose_sign1_of_the_design_in_deterministic_cbor(kind: str) -> None:
    octets = package(element(kind))
    assert octets.startswith(bytes.fromhex("84 43a10126 a0"))
    protected, unprotected, inner, signature = cbor2.loads(octets)
    assert cbor2.dumps([protected, unprotected, inner, signature], canonical=True) == octets
    assert cbor2.dumps(cbor2.loads(inner), canonical=True) == inner
    assert len(signature) == 64


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_key_is_never_sealed_alike_twice(kind: str) -> None:
    own = element(kind)
    assert payload(package(own))[7] != payload(package(own))[7]


@pytest.mark.parametrize("kind", ["p256", "x25519"])
def test_over_the_air_a_package_takes_two_short_messages_whatever_its_numbers(kind: str) -> None:
    octets = package(element(kind), epoch=2**32 - 1, first_piv=2**31 - 1)
    assert len(octets) <= 2 * 128
    assert len(parts_of(octets, port=16500, reference=1)) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_stands_nowhere_in_the_package(kind: str) -> None:
    assert KEY.reveal()[:8] not in package(element(kind))


@pytest.mark.parametrize(
    "other",
    [
        *({"kid": bytes(3)}, {"kid": bytes(5)}, {"epoch": 0}, {"epoch": -1}, {"epoch": 2**32}),
        *({"first_piv": -1}, {"first_piv": 2**31}),
    ],
    ids=str,
)
def test_a_number_out_of_its_range_is_never_sealed(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="package"):
        package(element("p256"), **other)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_never_sealed(length: int) -> None:
    own = element("p256")
    with pytest.raises(ValueError, match="32 octets"):
        seal_package(Secret(bytes(length)), recipient(own), identity(own), signing_key=TSM_KEY)


def test_a_key_delivery_key_of_another_curve_signs_nothing() -> None:
    own, other = element("p256"), ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(ValueError, match="P-256"):
        seal_package(KEY, recipient(own), identity(own), signing_key=other)


def test_the_info_is_the_cbor_the_design_names() -> None:
    info = package_info(PackageIdentity("t", "d:00112233aabbccdd", b"\0\1\2\3", 1, 9), b"c")
    assert info == (
        b"\x86\x69tsm-key-1\x61t\x72d:00112233aabbccdd\x44\x00\x01\x02\x03\x01\x58\x20"
        + sha256(b"c").digest()
    )
