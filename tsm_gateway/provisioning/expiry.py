"""What runs out, and when: certificates and revocation lists, ours and the issuers'."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from tsm_gateway.provisioning.certificate_errors import CertificateRefused
from tsm_gateway.provisioning.device_key import kind_of
from tsm_gateway.provisioning.pki_errors import PkiUnfit
from tsm_gateway.provisioning.x509_fields import UNREADABLE, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
    from cryptography.x509 import Certificate

    from tsm_gateway.provisioning.issuer import Issuer

DAY_S: Final = 86_400
_NAMES: Final = {NameOID.SERIAL_NUMBER: "serialNumber"}  # beside those RFC 4514 has short names for
OWN: Final = "tsm"  # the owner of what is the gateway's


class Urgency(Enum):
    """How soon somebody has to act."""

    GOOD = "good"
    SOON = "expires soon"
    EXPIRED = "expired"


class ExpiringItem(NamedTuple):
    """One thing with an end."""

    owner: str  # OWN, or an issuer's configured name
    use: str  # "channel-1", "anchor", "intermediate", "crl", …
    subject: str  # as RFC 4514 writes names
    key: str  # "P-256", "RSA 2048", …; "" for a list
    fingerprint: str  # SHA-256 of the DER in hex; "" for a list
    not_after: int  # Unix seconds: its end, or when the next list was due

    def days_left(self, at: int) -> int:
        """Whole days until the end, from Unix second `at`; negative once it is past."""
        return (self.not_after - at) // DAY_S

    def urgency(self, at: int, warning_days: int) -> Urgency:
        """At Unix second `at`. A list is due every few days by nature: it only warns once it is late."""
        if at > self.not_after:
            return Urgency.EXPIRED
        if self.use != "crl" and self.days_left(at) < warning_days:
            return Urgency.SOON
        return Urgency.GOOD


def items_of_certificates(owner: str, use: str, octets: bytes) -> list[ExpiringItem]:
    """Every certificate in PEM text, or the one in DER. Raises PkiUnfit."""
    try:
        is_pem = b"-----BEGIN CERTIFICATE-----" in octets
        found = (
            x509.load_pem_x509_certificates(octets) if is_pem else [x509.load_der_x509_certificate(octets)]
        )
        return [item_of(owner, use, each) for each in found]
    except UNREADABLE:
        raise PkiUnfit(what=use, problem="neither PEM nor DER of X.509 certificates") from None


def items_of_issuers(issuers: Iterable[Issuer]) -> list[ExpiringItem]:
    """Anchors, intermediates and revocation lists of issuers."""
    return [item for issuer in issuers for item in _items_of_issuer(issuer)]


def worst(items: Sequence[ExpiringItem], at: int, warning_days: int) -> Urgency:
    """The greatest urgency among `items` at Unix second `at`."""
    order = list(Urgency)
    return max((each.urgency(at, warning_days) for each in items), key=order.index, default=Urgency.GOOD)


def _items_of_issuer(issuer: Issuer) -> list[ExpiringItem]:
    return [
        *(item_of(issuer.name, "anchor", each) for each in issuer.anchors),
        *(item_of(issuer.name, "intermediate", each) for each in issuer.intermediates),
        *(
            ExpiringItem(issuer.name, "crl", each.subject.rfc4514_string(), "", "", each.next_update)
            for each in issuer.crls
        ),
    ]


def item_of(owner: str, use: str, certificate: Certificate) -> ExpiringItem:
    """One certificate."""
    return ExpiringItem(
        owner,
        use,
        certificate.subject.rfc4514_string(_NAMES),
        _key_name(certificate.public_key()),
        certificate.fingerprint(SHA256()).hex(),
        seconds(certificate.not_valid_after_utc),
    )


def _key_name(key: CertificatePublicKeyTypes) -> str:
    if isinstance(key, RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, EllipticCurvePublicKey):
        return f"P-{key.key_size}" if key.curve.name.startswith("secp") else key.curve.name
    try:
        return kind_of(key).value
    except CertificateRefused:
        return type(key).__name__
