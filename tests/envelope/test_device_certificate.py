"""A device's certificate when it is registered."""

from __future__ import annotations

import datetime as dt
from hashlib import sha256
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tsm_gateway.envelope.device_certificate import read_device_certificate
from tsm_gateway.envelope.errors import DeviceCertificateUnusable
from tsm_gateway.envelope.x509_octets import X509Unusable

AT = 1_800_000_000
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(
    key: Any = KEY, *, may_sign: bool | None = None, serial: int = 1, public_key: Any = None
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "se")])
    at = dt.datetime.fromtimestamp(AT, dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key or key.public_key())
        .serial_number(serial)
        .not_valid_before(at)
        .not_valid_after(at + dt.timedelta(days=1))
    )
    if may_sign is not None:
        others = ("content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign", "crl_sign")
        uses = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
        usage = x509.KeyUsage(digital_signature=may_sign, key_agreement=True, **uses)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("may_sign", [None, True])
def test_the_id_is_made_from_the_key(encoding: Encoding, may_sign: bool | None) -> None:
    made = certificate(may_sign=may_sign)
    read = read_device_certificate(made.public_bytes(encoding), AT)
    spki = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert read.device_id == f"d:{sha256(spki).hexdigest()[:16]}"
    assert read.der == made.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "key",
    [ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)],
    ids=["Ed25519", "RSA"],
)
def test_a_device_may_have_another_kind_of_key(key: Any) -> None:
    read = read_device_certificate(certificate(key).public_bytes(Encoding.DER), AT)
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert read.device_id == f"d:{sha256(spki).hexdigest()[:16]}"


def test_a_renewed_certificate_over_the_same_key_is_the_same_device() -> None:
    old, new = (
        read_device_certificate(certificate(serial=serial).public_bytes(Encoding.DER), AT)
        for serial in (1, 2)
    )
    assert old.device_id == new.device_id
    assert old.der != new.der


def test_a_certificate_that_may_not_sign_is_refused() -> None:
    with pytest.raises(X509Unusable, match="digitalSignature"):
        read_device_certificate(certificate(may_sign=False).public_bytes(Encoding.DER), AT)


@pytest.mark.parametrize(
    ("public_key", "reason"),
    [
        (ed25519.Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little")), "low-order"),
        (rsa.generate_private_key(3, 2048).public_key(), "rsa-exponent"),
    ],
    ids=["the point under which one signature fits every payment", "an exponent of 3"],
)
def test_a_key_that_gives_the_private_key_away_is_refused(public_key: Any, reason: str) -> None:
    with pytest.raises(X509Unusable, match=reason):
        read_device_certificate(certificate(public_key=public_key).public_bytes(Encoding.DER), AT)


def test_another_curve_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(DeviceCertificateUnusable):
        read_device_certificate(certificate(other).public_bytes(Encoding.DER), AT)


@pytest.mark.parametrize("at", [AT - 1, AT + 86_401])
def test_a_certificate_outside_its_validity_is_refused(at: int) -> None:
    with pytest.raises(X509Unusable, match="not now"):
        read_device_certificate(certificate().public_bytes(Encoding.DER), at)
