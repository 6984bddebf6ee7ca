"""The payment certificate: its claims, its signature, its silence."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from concurrent.futures import ThreadPoolExecutor

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.envelope.house import ADDRESS, CLAIMS, DEVICE, SIGNER, certificate, sign
from tsm_gateway.envelope.certificate import (
    AMR,
    BIOMETRIC,
    load_public_key,
    read_certificate,
    verify_signature,
)
from tsm_gateway.envelope.cose import build_sign1, parse_sign1
from tsm_gateway.envelope.errors import CertificateInvalid, CertificateMalformed, DeviceCertificateUnusable

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def payment(**changed: object) -> dict[object, object]:
    fields = {"instrument": bytes(16), "amount": 129_900, "currency": 978, "amr": ["fpt"]} | changed
    return CLAIMS | {-65537: list(fields.values())}


def test_a_certificate_is_read_claim_by_claim() -> None:
    c = read_certificate(certificate())
    assert (c.issuer, c.audience, c.expires, c.issued) == (DEVICE, ADDRESS, 1_700_000_300, 1_700_000_000)
    assert (c.cti.hex(), c.instrument, c.amount, c.currency) == ("c710000000000001", bytes(16), 129_900, 978)
    assert c.amr == ("fpt",)


def test_a_genuine_signature_holds() -> None:
    verify_signature(read_certificate(certificate()), SIGNER.public_key())


@pytest.mark.parametrize(
    "claims",
    [
        CLAIMS | {1: "d:00112233AABBCCDD"},
        CLAIMS | {1: "d:00112233aabbccd"},
        CLAIMS | {1: "d:00112233aabbccdd0"},
        CLAIMS | {1: "d:00112233aabbccd\n"},
        CLAIMS | {1: "e:00112233aabbccdd"},
        CLAIMS | {1: DEVICE.encode()},
        CLAIMS | {3: ""},
        CLAIMS | {3: "a" * 65},
        CLAIMS | {3: "+49 30"},
        CLAIMS | {3: [ADDRESS]},
        CLAIMS | {4: -1},
        CLAIMS | {4: 2**53},
        CLAIMS | {4: 1_700_000_300.0},
        CLAIMS | {4: True},
        CLAIMS | {6: 2**64},
        CLAIMS | {6: "1700000000"},
        CLAIMS | {6: None},
        CLAIMS | {7: bytes(7)},
        CLAIMS | {7: bytes(9)},
        CLAIMS | {8: {}},
        {key: value for key, value in CLAIMS.items() if key != 7},
        dict(reversed(CLAIMS.items())),
        payment(instrument=bytes(15)),
        payment(instrument=bytes(17)),
        payment(amount=-1),
        payment(amount=2**53),
        payment(currency=0),
        payment(currency=1000),
        payment(currency="EUR"),
        payment(amr="fpt"),
        payment(amr=["FPT"]),
        payment(amr=["tel"]),
        payment(amr=["fpt", "fpt"]),
        payment(amr=["fpt"] * 9),
        payment(amr=["fpt", ["pin"]]),
        payment(tip=1),
        {},
    ],
)
def test_a_claim_of_another_type_length_range_or_name_is_malformed(claims: dict[object, object]) -> None:
    with pytest.raises(CertificateMalformed):
        read_certificate(certificate(claims))


@pytest.mark.parametrize(
    "claims",
    [
        CLAIMS | {4: 0, 6: 0},
        CLAIMS | {4: 2**53 - 1},
        CLAIMS | {3: "!" * 64},
        payment(amount=0),
        payment(amount=2**53 - 1),
        payment(currency=1),
        payment(currency=999),
        payment(amr=[]),
        payment(amr=sorted(AMR)),
        payment(amr=sorted(AMR, reverse=True)),
    ],
)
def test_a_claim_at_its_bound_is_read(claims: dict[object, object]) -> None:
    read_certificate(certificate(claims))


def test_the_order_of_methods_is_kept() -> None:
    assert read_certificate(certificate(payment(amr=["pin", "face"]))).amr == ("pin", "face")


@pytest.mark.parametrize(("amr", "biometric"), [(["pin"], False), ([], False), (["pin", "iris"], True)])
def test_a_pin_is_no_biometric(amr: list[str], *, biometric: bool) -> None:
    assert read_certificate(certificate(payment(amr=amr))).biometric is biometric
    assert "pin" not in BIOMETRIC


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(CertificateMalformed):
        read_certificate(build_sign1(cbor2.dumps(CLAIMS), bytes(length)))


def test_an_octet_behind_the_certificate_is_malformed() -> None:
    with pytest.raises(CertificateMalformed):
        read_certificate(certificate() + b"\x00")


def test_a_certificate_over_the_size_limit_is_malformed() -> None:
    with pytest.raises(CertificateMalformed):
        read_certificate(build_sign1(bytes(2000), bytes(64)))


def test_every_bit_of_payload_and_signature_is_signed() -> None:
    genuine = certificate()
    payload, signature, _ = parse_sign1(genuine)
    last = payload[:-1] + bytes([payload[-1] ^ 0x15])  # "fpt" becomes "fpa": unreadable, not merely unsigned
    with pytest.raises(CertificateMalformed):
        read_certificate(build_sign1(last, signature))
    other_amount = sign(cbor2.dumps(payment(amount=129_901)))
    forged = build_sign1(parse_sign1(other_amount).payload, signature)
    with pytest.raises(CertificateInvalid):
        verify_signature(read_certificate(forged), SIGNER.public_key())
    for at in range(0, 64, 7):
        altered = signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]
        with pytest.raises(CertificateInvalid):
            verify_signature(read_certificate(build_sign1(payload, altered)), SIGNER.public_key())


@pytest.mark.parametrize(
    ("r", "s"), [(0, 0), (0, 1), (1, 0), (P256_ORDER, 1), (1, P256_ORDER), (2**256 - 1, 2**256 - 1)]
)
def test_a_signature_out_of_range_is_invalid_and_nothing_else(r: int, s: int) -> None:
    octets = build_sign1(cbor2.dumps(CLAIMS), r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    with pytest.raises(CertificateInvalid):
        verify_signature(read_certificate(octets), SIGNER.public_key())


def test_another_devices_signature_is_invalid() -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(CertificateInvalid):
        verify_signature(read_certificate(sign(cbor2.dumps(CLAIMS), stranger)), SIGNER.public_key())


def test_signatures_may_be_checked_by_several_threads_at_once() -> None:
    key = SIGNER.public_key()
    genuine = read_certificate(certificate())
    forged = read_certificate(sign(cbor2.dumps(CLAIMS), ec.generate_private_key(ec.SECP256R1())))

    def holds(number: int) -> bool:
        try:
            verify_signature(forged if number % 3 == 0 else genuine, key)
        except CertificateInvalid:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(holds, range(300))) == [number % 3 != 0 for number in range(300)]


def test_an_opened_certificate_neither_prints_nor_pickles_nor_copies() -> None:
    opened = read_certificate(certificate())
    assert repr(opened) == f"{opened}" == "PaymentCertificate(…)"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(opened)


def test_errors_hold_no_octet_of_the_certificate() -> None:
    with pytest.raises(CertificateMalformed) as caught:
        read_certificate(certificate(CLAIMS | {1: "d:canarycanarycana"}))
    assert caught.value.facts == {}
    assert "canary" not in repr((caught.value, caught.value.args, caught.value.__cause__))


def x509_of(key: ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey | rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test element")])
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=1))
    algorithm = None if isinstance(key, ed448.Ed448PrivateKey) else SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


def test_a_devices_key_is_taken_from_its_x509_certificate() -> None:
    assert load_public_key(x509_of(SIGNER)) == SIGNER.public_key()


@pytest.mark.parametrize(
    "der",
    [
        x509_of(ec.generate_private_key(ec.SECP384R1())),
        x509_of(ed448.Ed448PrivateKey.generate()),
        x509_of(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - that is the test
        x509_of(SIGNER)[:-1],
        b"",
        b"no certificate",
    ],
    ids=["P-384", "Ed448", "RSA-1024", "cut", "empty", "text"],
)
def test_a_key_of_another_kind_or_no_certificate_at_all_is_unusable(der: bytes) -> None:
    with pytest.raises(DeviceCertificateUnusable):
        load_public_key(der)
