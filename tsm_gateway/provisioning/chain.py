"""The chain from a device's certificate to an anchor (RFC 5280 §6), by the crypto library's verifier.

What the library's verifier looks at: signatures and their algorithms (no SHA-1; a device's certificate may
hold any key, authorities hold P-256, P-384, P-521 or RSA from 2048 bits), names, validity, cA and path
length, name constraints, unknown critical extensions. What it leaves to us, and where that is done: uses
of authorities (here), uses and key of the device (`device_trust`), revocation (`revocation`).
Of name constraints the verifier knows some kinds only: an authority constrained in directory names vouches
for nobody here, whether what it issued keeps to them or not. It is refused rather than overlooked.
Device certificates seldom have a subjectAltName, hence no Web PKI profile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from tsm_gateway.provisioning.certificate_errors import (
    CertificateUnreadable,
    CertificateUntrusted,
    IssuerExpired,
)
from tsm_gateway.provisioning.x509_fields import allows_purpose, moment, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate, ExtendedKeyUsage, KeyUsage
    from cryptography.x509.verification import Policy

    from tsm_gateway.provisioning.issuer import Issuer

MAX_DEPTH: Final = 4  # authorities between device and anchor
MAX_PATHS: Final = 8  # looked at under one issuer; more than one takes authorities with two certificates


class Vouching(NamedTuple):
    """An issuer that vouches for a certificate, and every way it does so."""

    issuer: Issuer
    paths: tuple[tuple[Certificate, ...], ...]  # each from the device's certificate to an anchor


def find_chains(certificate: Certificate, issuers: Sequence[Issuer], at: int) -> list[Vouching]:
    """The issuers that vouch for `certificate` at Unix second `at`, in their order; one at least.

    Its own validity is not judged here: outside it the nearest moment inside counts, so that an expired
    certificate of a trusted issuer is told from a stranger's. Raises CertificateUnreadable for a validity
    that is no time, such as the year 0; CertificateUntrusted; IssuerExpired when the path was good at some
    time of the certificate's life.
    """
    try:
        first, last = seconds(certificate.not_valid_before_utc), seconds(certificate.not_valid_after_utc)
    except (ValueError, OverflowError):
        raise CertificateUnreadable from None
    now = min(max(at, first), last)
    found = [Vouching(issuer, paths) for issuer in issuers if (paths := _paths(certificate, issuer, now))]
    if found:
        return found
    was_good = any(_path(certificate, issuer, then) for issuer in issuers for then in (first, last))
    raise IssuerExpired if was_good else CertificateUntrusted


def _paths(certificate: Certificate, issuer: Issuer, at: int) -> tuple[tuple[Certificate, ...], ...]:
    """Every path: where an authority has another certificate, also those that leave out the one found."""
    found: list[tuple[Certificate, ...]] = []
    left_out: list[frozenset[Certificate]] = [frozenset()]
    for without in left_out:
        path = _path(certificate, issuer, at, without)
        if path is None or path in found:
            continue
        found.append(path)
        if len(found) == MAX_PATHS:
            break
        left_out += [without | {each} for each in path[1:-1] if _has_twin(each, issuer)]
    return tuple(found)


def _has_twin(authority: Certificate, issuer: Issuer) -> bool:
    """Whether the issuer's files hold another certificate of that name, and with it perhaps another path."""
    known = (*issuer.anchors, *issuer.intermediates)
    return any(each.subject == authority.subject and each != authority for each in known)


def _path(
    certificate: Certificate, issuer: Issuer, at: int, without: frozenset[Certificate] = frozenset()
) -> tuple[Certificate, ...] | None:
    if certificate in issuer.anchors:  # would be trusted without any authority's word
        return None
    policy = (
        PolicyBuilder()
        .store(Store(list(issuer.anchors)))
        .time(moment(at))
        .max_chain_depth(MAX_DEPTH)
        .extension_policies(ca_policy=_AUTHORITIES, ee_policy=ExtensionPolicy.permit_all())
    )
    between = [each for each in issuer.intermediates if each not in without]
    try:
        verified = policy.build_client_verifier().verify(certificate, between)
    except VerificationError:
        return None
    return tuple(verified.chain)


def _may_issue(_policy: Policy, _authority: Certificate, usage: KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        message = "its key usage leaves out keyCertSign"
        raise ValueError(message)


def _for_clients(_policy: Policy, _authority: Certificate, purposes: ExtendedKeyUsage | None) -> None:
    """What an authority limits its purposes to also holds for what it issues, as everybody reads it."""
    stated = None if purposes is None else list(purposes)
    if not allows_purpose(stated, ExtendedKeyUsageOID.CLIENT_AUTH):
        message = "it does not issue certificates of clients"
        raise ValueError(message)


_AUTHORITIES: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_issue)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_clients)
)
