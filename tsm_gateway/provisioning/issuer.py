"""An issuer of secure elements as the operator trusts it: anchors, and what it says of revocation."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tsm_gateway.provisioning.certificate_errors import IssuerUnusable, KeyWeak
from tsm_gateway.provisioning.element_id import ElementIdRule
from tsm_gateway.provisioning.revocation_list import RevocationListUnusable, read_revocation_list
from tsm_gateway.provisioning.weak_key import refuse_weak
from tsm_gateway.provisioning.x509_fields import UNREADABLE, is_authority, key_usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate

    from tsm_gateway.provisioning.revocation_list import RevocationList

MAX_CERTIFICATES: Final = 64  # in one file; chains are searched through them for whoever knocks
_PEM: Final = b"-----BEGIN CERTIFICATE-----"
_CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")  # those the chain's verifier takes


class RevocationPolicy(Enum):
    """What it takes to believe that a certificate is not revoked."""

    REQUIRED = "required"  # a valid word of the issuer on every certificate of the chain
    WHEN_KNOWN = "when_known"  # refused only when a word of the issuer says that it is revoked
    OFF = "off"  # nobody is asked


class Issuer(NamedTuple):
    """One `[[provisioning.issuer]]`, read."""

    name: str
    anchors: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...] = ()
    crls: tuple[RevocationList, ...] = ()
    ocsp: str = ""  # URL of its responder; "" = none is asked
    revocation: RevocationPolicy = RevocationPolicy.WHEN_KNOWN
    element_id: ElementIdRule = ElementIdRule.CLAIMED


def read_issuer(
    name: str,
    *,
    anchors: bytes,
    intermediates: bytes = b"",
    crls: Sequence[bytes] = (),
    ocsp: str = "",
    revocation: RevocationPolicy = RevocationPolicy.WHEN_KNOWN,
    element_id: ElementIdRule = ElementIdRule.CLAIMED,
) -> Issuer:
    """Read an issuer from the octets of its files: certificates in PEM (or one in DER), CRLs in PEM or DER.

    Whether something is out of date is not judged here: see `expiry`. Raises IssuerUnusable with a
    sentence about what is wrong.
    """
    roots = _read_authorities(name, "anchors", anchors)
    between = _read_authorities(name, "intermediates", intermediates) if intermediates else ()
    if revocation is RevocationPolicy.REQUIRED and not crls and not ocsp:
        raise IssuerUnusable(issuer=name, problem='revocation = "required" needs crls or ocsp')
    lists = tuple(_read_list(name, *each, (*roots, *between)) for each in enumerate(crls))
    return Issuer(name, roots, between, lists, ocsp, revocation, element_id)


def _read_list(issuer: str, number: int, octets: bytes, authorities: Sequence[Certificate]) -> RevocationList:
    """The list in the file of that number. Raises IssuerUnusable."""
    try:
        return read_revocation_list(octets, authorities)
    except RevocationListUnusable as error:
        raise IssuerUnusable(issuer=issuer, problem=error.problem, setting="crls", number=number) from None


def _read_authorities(issuer: str, setting: str, octets: bytes) -> tuple[Certificate, ...]:
    """The certificates in a file, each fit to issue others. Raises IssuerUnusable."""
    try:
        found = _load(octets)
        problems = [problem for each in found if (problem := _problem_of(each))]
    except UNREADABLE:
        problem = "neither PEM nor DER of X.509 certificates"
        raise IssuerUnusable(issuer=issuer, problem=problem, setting=setting) from None
    if len(found) > MAX_CERTIFICATES:
        problems = [f"more than {MAX_CERTIFICATES} certificates"]
    if problems:
        raise IssuerUnusable(issuer=issuer, problem=problems[0], setting=setting)
    return tuple(found)


def _load(octets: bytes) -> list[Certificate]:
    """Raises ValueError."""
    if _PEM in octets:
        return x509.load_pem_x509_certificates(octets)
    return [x509.load_der_x509_certificate(octets)]


def _problem_of(authority: Certificate) -> str | None:
    """What keeps a certificate from issuing others, None = nothing. Raises UNREADABLE."""
    usage, key = key_usage(authority), authority.public_key()
    if not is_authority(authority):
        return "a certificate that is no authority's (basicConstraints cA)"
    if usage is not None and not usage.key_cert_sign:
        return "an authority whose key usage leaves out keyCertSign"
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return None
    if not isinstance(key, RSAPublicKey):
        return "an authority with a key other than ECDSA P-256, P-384, P-521 and RSA"
    try:
        refuse_weak(key)
    except KeyWeak as error:
        return f"an authority with a weak key ({error.facts['reason']})"
    return None
