"""Certificates of the virtual world: all of them say that they are for tests only.

One builder for devices, their authorities and self-signed strays, so that a flaw a test asks for is the only
difference.
"""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from tsm_gateway.virtual.signature_literal import SigningKey

ORGANISATION = "TEST ONLY"
_LIFE = dt.timedelta(days=3650)
_SKEW = dt.timedelta(days=1)


class Use(Enum):
    """A bit of KeyUsage (RFC 5280 §4.2.1.3)."""

    DIGITAL_SIGNATURE = "digital_signature"
    CONTENT_COMMITMENT = "content_commitment"
    KEY_ENCIPHERMENT = "key_encipherment"
    DATA_ENCIPHERMENT = "data_encipherment"
    KEY_AGREEMENT = "key_agreement"
    KEY_CERT_SIGN = "key_cert_sign"
    CRL_SIGN = "crl_sign"
    ENCIPHER_ONLY = "encipher_only"
    DECIPHER_ONLY = "decipher_only"


class Life(NamedTuple):
    """From when to when a certificate holds."""

    begins: dt.datetime
    ends: dt.datetime


def life(at: int, *, begins_s: int | None = None, ends_s: int | None = None) -> Life:
    """A certificate's life when it is made at `at`, Unix seconds: from a day before for ten years.

    `begins_s` and `ends_s` are other limits, in seconds after `at`.
    """
    born = dt.datetime.fromtimestamp(at, dt.UTC)
    begins = born - _SKEW if begins_s is None else born + dt.timedelta(seconds=begins_s)
    ends = born + _LIFE if ends_s is None else born + dt.timedelta(seconds=ends_s)
    return Life(begins, ends)


def name_of(common_name: str, element_id: bytes = b"") -> x509.Name:
    """`common_name` of an organisation that says what all of this is for.

    `element_id`, 8 to 32 octets, is the crypto element the certificate is made for: its serialNumber, in
    hexadecimal; empty = that of none.
    """
    parts = [(NameOID.ORGANIZATION_NAME, ORGANISATION), (NameOID.COMMON_NAME, common_name)]
    if element_id:
        parts.append((NameOID.SERIAL_NUMBER, element_id.hex()))
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])


def build_certificate(
    public_key: CertificatePublicKeyTypes,
    name: str | x509.Name,
    uses: Iterable[Use],
    valid: Life,
    *,
    signer: SigningKey,
    issuer: x509.Certificate | None,
    path_length: int | None = None,
) -> bytes:
    """X.509 DER over `public_key`, signed with `signer`; without an `issuer` it is self-signed.

    `name` is the subject, or its common name. Whoever may sign certificates is an authority, with at most
    `path_length` more below it. Whoever signs anything else may use its certificate in TLS, as a client.
    """
    granted = set(uses)
    subject = name_of(name) if isinstance(name, str) else name
    authority = Use.KEY_CERT_SIGN in granted
    bits = {use.value: use in granted for use in Use}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid.begins)
        .not_valid_after(valid.ends)
        .add_extension(x509.BasicConstraints(authority, path_length if authority else None), critical=True)
        .add_extension(x509.KeyUsage(**bits), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if Use.DIGITAL_SIGNATURE in granted:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
    digest = None if isinstance(signer, Ed25519PrivateKey) else SHA256()
    return builder.sign(signer, digest).public_bytes(Encoding.DER)
