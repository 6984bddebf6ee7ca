"""A provider's key, sealed to its certificate: opened by the private key, and by nothing else."""

from __future__ import annotations

import datetime as dt
from hashlib import sha256
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding

from tsm_gateway.envelope.x509_octets import X509Unusable
from tsm_gateway.keys.errors import RecipientUnusable
from tsm_gateway.keys.seal import Kem
from tsm_gateway.outbound.key_handover import (
    KEM_NAMES,
    KeyIdentity,
    handover_info,
    handover_record,
    read_recipient,
)
from tsm_gateway.secret import Secret

AT = 1_800_000_000
KEY = Secret(bytes(range(32)))
IDENTITY = KeyIdentity("tsm-1", "shop", b"\0\1\2\3", 2)
SIGNER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def certificate(key: Any, encoding: Encoding = Encoding.DER) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop")])
    at = dt.datetime.fromtimestamp(AT, dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(at - dt.timedelta(days=1))
        .not_valid_after(at + dt.timedelta(days=1))
        .sign(SIGNER, SHA256())
    )
    return built.public_bytes(encoding)


def open_sealed(record: dict[str, Any], key: Any, der: bytes) -> bytes:
    """As a provider does it, from the file and the rules alone."""
    info = cbor2.dumps(
        [
            record["type"],
            record["gateway"],
            record["provider"],
            bytes.fromhex(record["kid"]),
            record["version"],
            sha256(der).digest(),
        ]
    )
    sealed = bytes.fromhex(record["sealed"])
    if record["kem"].startswith("RSA"):
        oaep = padding.OAEP(mgf=padding.MGF1(SHA256()), algorithm=SHA256(), label=info)
        return bytes(key.decrypt(sealed, oaep))
    kem = KEM.P256 if "P256" in record["kem"] else KEM.X25519
    return Suite(kem, KDF.HKDF_SHA256, AEAD.AES_256_GCM).decrypt(sealed, key, info=info)


KINDS = [
    (ec.generate_private_key(ec.SECP256R1()), Kem.P256, 65 + 48),
    (x25519.X25519PrivateKey.generate(), Kem.X25519, 32 + 48),
    (RSA, Kem.OAEP, 256),
]


@pytest.mark.parametrize(("key", "kem", "length"), KINDS, ids=[kem.name for _, kem, _ in KINDS])
def test_the_certificates_owner_opens_the_key(key: Any, kem: Kem, length: int) -> None:
    der = certificate(key)
    record = handover_record(KEY, read_recipient(der, AT), IDENTITY)
    assert record["kem"] == KEM_NAMES[kem]
    assert len(bytes.fromhex(str(record["sealed"]))) == length
    assert record["certificate_sha256"] == sha256(der).hexdigest()
    assert open_sealed(record, key, der) == KEY.reveal()


@pytest.mark.parametrize(("key", "kem", "length"), KINDS, ids=[kem.name for _, kem, _ in KINDS])
@pytest.mark.parametrize(
    "change", [{"gateway": "x"}, {"provider": "x"}, {"kid": "00000000"}, {"version": 1}], ids=str
)
def test_it_opens_for_no_other_gateway_provider_kid_or_version(
    key: Any, kem: Kem, length: int, change: dict[str, Any]
) -> None:
    der = certificate(key)
    record = {**handover_record(KEY, read_recipient(der, AT), IDENTITY), **change}
    assert (record["kem"], length) == (KEM_NAMES[kem], length)
    with pytest.raises((InvalidTag, ValueError)):
        open_sealed(record, key, der)


def test_pem_and_der_of_one_certificate_are_the_same_recipient() -> None:
    pem, der = certificate(RSA, Encoding.PEM), certificate(RSA)
    assert sha256(read_recipient(pem, AT).der).digest() != b""
    assert read_recipient(pem, AT).kem is read_recipient(der, AT).kem is Kem.OAEP
    assert read_recipient(der, AT).der == der


def test_the_key_stands_nowhere_in_the_record() -> None:
    record = handover_record(KEY, read_recipient(certificate(RSA), AT), IDENTITY)
    assert KEY.reveal().hex() not in str(record)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - that is the test
    ],
    ids=["P-384", "Ed25519", "RSA-1024"],
)
def test_a_key_of_another_kind_or_too_short_is_refused(key: Any) -> None:
    with pytest.raises(RecipientUnusable):
        read_recipient(certificate(key), AT)


@pytest.mark.parametrize("at", [AT - 2 * 86_400, AT + 2 * 86_400])
def test_a_certificate_outside_its_validity_is_refused(at: int) -> None:
    with pytest.raises(X509Unusable, match="valid from"):
        read_recipient(certificate(RSA), at)


@pytest.mark.parametrize(
    "octets", [b"", b"\x30", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_refused(octets: bytes) -> None:
    with pytest.raises(X509Unusable, match="neither"):
        read_recipient(octets, AT)


def test_the_info_is_the_cbor_the_design_names() -> None:
    assert handover_info(KeyIdentity("t", "s", b"\0\1\2\3", 1), b"c") == (
        b"\x86\x72tsm-provider-key-1\x61t\x61s\x44\x00\x01\x02\x03\x01\x58\x20" + sha256(b"c").digest()
    )
