"""A virtual issuer of secure elements: a root, an issuing authority, devices' certificates, their revocation.

It makes good identities, and for tests such as have exactly one flaw.
"""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tsm_gateway.virtual.identity import (
    EXCHANGES,
    SIGNING_USES,
    ElementKeys,
    Identity,
    Kind,
    device_id_of,
    element_id_of,
    new_keys,
)
from tsm_gateway.virtual.x509_profile import Life, Use, build_certificate, life, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_AUTHORITY_USES = (Use.KEY_CERT_SIGN, Use.CRL_SIGN)
_DAY_S = 86_400
_WEAK_RSA_BITS = 1024
_CRL_LIFE = dt.timedelta(days=365)


class Flaw(Enum):
    """The one thing wrong with a device's certificate."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    REVOKED = "revoked"
    WRONG_USAGE = "wrong usage"  # it may sign documents, nothing that channel 1 needs
    WEAK = "weak"  # RSA of 1024 bits


class Authority:
    """A certificate that signs others, and its key."""

    __slots__ = ("certificate", "der", "key")

    def __init__(self, der: bytes, key: ec.EllipticCurvePrivateKey) -> None:
        """`der`: X.509 DER over `key`."""
        self.der, self.key = der, key
        self.certificate = x509.load_der_x509_certificate(der)


class Issuer:
    """The issuer of a make of secure elements."""

    def __init__(self, root: Authority, issuing: Authority, revoked: Iterable[int] = ()) -> None:
        """`revoked`: serial numbers of certificates that hold no more."""
        self.root, self.issuing = root, issuing
        self.revoked = set(revoked)

    @classmethod
    def create(cls, name: str, at: int) -> Self:
        """A new issuer called `name`, its authorities made at `at`, Unix seconds."""
        root_key, issuing_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = Authority(
            build_certificate(
                root_key.public_key(), f"{name} root", _AUTHORITY_USES, life(at), signer=root_key, issuer=None
            ),
            root_key,
        )
        issuing = build_certificate(
            issuing_key.public_key(),
            f"{name} issuing",
            _AUTHORITY_USES,
            life(at),
            signer=root_key,
            issuer=root.certificate,
            path_length=0,
        )
        return cls(root, Authority(issuing, issuing_key))

    def issue(self, kind: Kind, at: int, flaw: Flaw | None = None) -> Identity:
        """A new element of `kind`, certified at `at`, Unix seconds; with `flaw` if one is asked for.

        Raises ValueError for a weak key of a kind that has none.
        """
        if flaw is Flaw.WEAK and kind is not Kind.RSA:
            message = "only RSA keys come in weak sizes"
            raise ValueError(message)
        keys = new_keys(kind, rsa_bits=_WEAK_RSA_BITS) if flaw is Flaw.WEAK else new_keys(kind)
        return self.certify(keys, kind, at, flaw)

    def certify(self, keys: ElementKeys, kind: Kind, at: int, flaw: Flaw | None = None) -> Identity:
        """Certify the keys of an element; again, and it keeps its ids: they are its key's hash."""
        device_id = device_id_of(keys.signing.public_key())
        element_id = element_id_of(keys.signing.public_key())
        name = name_of(device_id, element_id)
        uses = (Use.CONTENT_COMMITMENT,) if flaw is Flaw.WRONG_USAGE else SIGNING_USES[kind]
        certificate = self._sign(keys.signing.public_key(), name, uses, _life(at, flaw))
        key_certificate = b""
        if kind in EXCHANGES and keys.exchange is not None:
            agrees = (Use.KEY_AGREEMENT,)
            key_certificate = self._sign(keys.exchange.public_key(), name, agrees, life(at))
        if flaw is Flaw.REVOKED:
            self.revoke(certificate)
        return Identity(
            device_id,
            keys.signing,
            certificate,
            kind,
            keys.exchange,
            key_certificate,
            keys.hybrid,
            (self.issuing.der,),
            element_id,
        )

    def revoke(self, certificate: bytes) -> None:
        """`certificate`, X.509 DER, holds no more once the next list is published."""
        self.revoked.add(x509.load_der_x509_certificate(certificate).serial_number)

    def crls(self, at: int) -> tuple[bytes, bytes]:
        """The revocation lists (DER) of the issuing authority and of the root, published at `at`."""
        return _crl(self.issuing, self.revoked, at), _crl(self.root, (), at)

    def _sign(self, public_key: object, name: x509.Name, uses: Iterable[Use], valid: Life) -> bytes:
        return build_certificate(
            public_key,  # type: ignore[arg-type]  # of a key that was made by new_keys
            name,
            uses,
            valid,
            signer=self.issuing.key,
            issuer=self.issuing.certificate,
        )


def _life(at: int, flaw: Flaw | None) -> Life:
    if flaw is Flaw.EXPIRED:
        return life(at, begins_s=-2 * _DAY_S, ends_s=-_DAY_S)
    if flaw is Flaw.NOT_YET_VALID:
        return life(at, begins_s=_DAY_S)
    return life(at)


def _crl(authority: Authority, serials: Iterable[int], at: int) -> bytes:
    published = dt.datetime.fromtimestamp(at, dt.UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(published)
        .next_update(published + _CRL_LIFE)
        .add_extension(x509.CRLNumber(at), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    for serial in sorted(serials):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(published).build()
        )
    return builder.sign(authority.key, SHA256()).public_bytes(Encoding.DER)
