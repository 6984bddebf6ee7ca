"""Throw-away authorities that issue whatever a test needs, right or wrong."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 1_790_000_000
DAY = 86_400
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
OCSP_SIGNER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
Extension = tuple[x509.ExtensionType, bool]


def time(at: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at, dt.UTC)


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def new_key(kind: str) -> Any:
    makers: dict[str, Any] = {
        "p256": p256,
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "k256": lambda: ec.generate_private_key(ec.SECP256K1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "x25519": x25519.X25519PrivateKey.generate,
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "rsa1024": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - to be refused
        "rsa-e3": lambda: rsa.generate_private_key(3, 2048),
    }
    return makers[kind]()


def name(common: str, organisation: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else parts)


def uses(*wanted: str) -> Extension:
    return x509.KeyUsage(**{use: use in wanted for use in USES}), True


def der(thing: Any) -> bytes:
    octets = thing.public_bytes(Encoding.DER)
    assert isinstance(octets, bytes)
    return octets


def pem(*things: Any) -> bytes:
    return b"".join(thing.public_bytes(Encoding.PEM) for thing in things)


def key_pem(key: Any) -> bytes:
    octets = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert isinstance(octets, bytes)
    return octets


class Authority:
    """A certificate with its key; a root unless another authority issued it."""

    def __init__(
        self,
        common: str = "Root",
        *,
        above: Authority | None = None,
        key: Any = None,
        extensions: Sequence[Extension] = ((x509.BasicConstraints(ca=True, path_length=None), True),),
        lifetime: tuple[int, int] = (NOW - 1000 * DAY, NOW + 1000 * DAY),
    ) -> None:
        self.key, self.subject = key or p256(), name(common)
        self._serial = 0x1000
        self.certificate = (above or self).issue(
            self.key.public_key(), self.subject, extensions=extensions, lifetime=lifetime
        )

    def issue(
        self,
        public_key: Any,
        subject: x509.Name | str = "device",
        *,
        extensions: Sequence[Extension] = (),
        lifetime: tuple[int, int] = (NOW - 10 * DAY, NOW + 10 * DAY),
        digest: Any = SHA256,
        serial: int = 0,
    ) -> x509.Certificate:
        self._serial += 1
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject if isinstance(subject, x509.Name) else name(subject))
            .issuer_name(self.subject)
            .public_key(public_key)
            .serial_number(serial or self._serial)
            .not_valid_before(time(lifetime[0]))
            .not_valid_after(time(lifetime[1]))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, None if isinstance(self.key, ed25519.Ed25519PrivateKey) else digest())

    def crl(
        self,
        *revoked: x509.Certificate | x509.RevokedCertificate,
        this_update: int = NOW - DAY,
        next_update: int = NOW + DAY,
        extensions: Sequence[Extension] = (),
        more: Sequence[x509.RevokedCertificate] = (),
    ) -> bytes:
        """A revocation list, DER."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.subject)
            .last_update(time(this_update))
            .next_update(time(next_update))
        )
        for each in revoked:
            entry = each if isinstance(each, x509.RevokedCertificate) else entry_of(each.serial_number)
            builder = builder.add_revoked_certificate(entry)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        builder._revoked_certificates.extend(more)  # the builder's own way copies them all each time
        return der(builder.sign(self.key, SHA256()))

    def answer(  # noqa: PLR0913 - one argument per field of the answer
        self,
        certificate: x509.Certificate,
        status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
        *,
        issuer: Authority | None = None,
        this_update: int = NOW - 60,
        next_update: int | None = NOW + DAY,
        digest: Any = SHA256,
        by: tuple[x509.Certificate, Any] | None = None,
        by_hash: bool = False,
        embedded: Sequence[x509.Certificate] = (),
        extensions: Sequence[Extension] = (),
    ) -> bytes:
        """An OCSP response (DER) about a certificate of this authority, signed by it or `by` another."""
        signer, key = by or (self.certificate, self.key)
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        encoding = ocsp.OCSPResponderEncoding.HASH if by_hash else ocsp.OCSPResponderEncoding.NAME
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=certificate,
                issuer=(issuer or self).certificate,
                algorithm=digest(),
                cert_status=status,
                this_update=time(this_update),
                next_update=None if next_update is None else time(next_update),
                revocation_time=time(NOW - DAY) if revoked else None,
                revocation_reason=None,
            )
            .responder_id(encoding, signer)
        )
        if embedded:
            builder = builder.certificates(list(embedded))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return der(builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()))


def entry_of(serial: int, *extensions: Extension) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(time(NOW - 2 * DAY))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.build()
