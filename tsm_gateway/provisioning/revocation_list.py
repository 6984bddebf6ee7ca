"""A certificate revocation list (RFC 5280 §5), read once so that a million look-ups cost nothing.

Only complete lists of the authority's own certificates are taken. Refused when they are read, because
what they leave out cannot be told: delta lists, indirect lists, lists for some reasons only, lists with
a critical extension we do not know, and lists without a date for the next one.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.provisioning.x509_fields import UNREADABLE, is_authority, key_usage, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate, CertificateRevocationList, IssuingDistributionPoint

STRONG_HASHES: Final = (SHA256, SHA384, SHA512)
SKEW_S: Final = 300  # an issuer's clock may be ahead of ours by this
MAX_OCTETS: Final = 64 * 1024 * 1024  # some 1.5 million entries
_PEM: Final = b"-----BEGIN X509 CRL-----"
_UNDERSTOOD: Final = (  # in the list itself; others may be there unless they are critical
    x509.AuthorityKeyIdentifier,
    x509.CRLNumber,
    x509.FreshestCRL,
    x509.IssuerAlternativeName,
    x509.IssuingDistributionPoint,
)
_UNDERSTOOD_OF_ENTRIES: Final = (x509.CRLReason, x509.InvalidityDate)


class RevocationListUnusable(TsmError):
    """A revocation list cannot be used."""

    code, side, temporary = "crl-unusable", Side.OURS, False

    def __init__(self, *, problem: str) -> None:
        """`problem` is a sentence for people."""
        super().__init__()
        self.problem = problem

    def __str__(self) -> str:
        """The sentence with it."""
        return f"the revocation list cannot be used: {self.problem} [{self.code}]"


class RevocationList(NamedTuple):
    """What one authority said about all its certificates, or about those in its scope."""

    signer: bytes  # SHA-256 of the authority's SubjectPublicKeyInfo (DER)
    keys: frozenset[bytes]  # that hash of each key of the authority it speaks of: `signer`, and those it had
    subject: x509.Name  # of the authority
    this_update: int  # Unix seconds
    next_update: int  # Unix seconds; from then on it tells nothing new
    revoked: frozenset[int]  # serial numbers
    for_devices: bool  # speaks of certificates that are no authority's
    for_authorities: bool  # speaks of certificates of authorities
    places: frozenset[x509.GeneralName]  # speaks only of certificates that name one of these; empty = of all

    def bears_name_of(self, authority: Certificate) -> bool:
        """Whether it is by an authority of that name, whatever its key."""
        return authority.subject == self.subject

    def is_of(self, authority: Certificate) -> bool:
        """Whether it is the word of `authority`, by name and key.

        A renewed certificate is the same authority, and so is one with a new key that the same authority
        above certified under the same name (RFC 5280 §6.3.3(f): one trust anchor for both).
        """
        return self.bears_name_of(authority) and key_hash(authority) in self.keys

    def covers(self, certificate: Certificate) -> bool:
        """Whether it would list `certificate`, one of this authority's, if that were revoked."""
        in_scope = self.for_authorities if is_authority(certificate) else self.for_devices
        return in_scope and (not self.places or not self.places.isdisjoint(_places_of(certificate)))


def read_revocation_list(octets: bytes, authorities: Sequence[Certificate]) -> RevocationList:
    """Read a list in PEM or DER that one of `authorities` signed. Raises RevocationListUnusable."""
    if len(octets) > MAX_OCTETS:
        raise RevocationListUnusable(problem=f"it is longer than {MAX_OCTETS} octets")
    try:
        crl = x509.load_pem_x509_crl(octets) if _PEM in octets else x509.load_der_x509_crl(octets)
        scope = _scope(crl)
        next_update = crl.next_update_utc
        if next_update is None:
            raise RevocationListUnusable(problem="it does not say when the next one is due")
        signer = _signer(crl, authorities)
        return RevocationList(
            signer=key_hash(signer),
            keys=_keys_of(signer, authorities),
            subject=crl.issuer,
            this_update=int(crl.last_update_utc.timestamp()),
            next_update=int(next_update.timestamp()),
            revoked=_serials(crl),
            for_devices=scope is None or not scope.only_contains_ca_certs,
            for_authorities=scope is None or not scope.only_contains_user_certs,
            places=frozenset(scope.full_name or ()) if scope else frozenset(),
        )
    except UNREADABLE:
        raise RevocationListUnusable(problem="it is neither PEM nor DER of a revocation list") from None


def key_hash(certificate: Certificate) -> bytes:
    """SHA-256 of its SubjectPublicKeyInfo (DER), 32 octets."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(spki).digest()


def _scope(crl: CertificateRevocationList) -> IssuingDistributionPoint | None:
    """What the list limits itself to; None = nothing. Raises RevocationListUnusable."""
    if value_of(crl.extensions, x509.DeltaCRLIndicator):
        raise RevocationListUnusable(problem="it is a delta list")
    for extension in crl.extensions:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            problem = f"its critical extension {extension.oid.dotted_string} is unknown"
            raise RevocationListUnusable(problem=problem)
    scope = value_of(crl.extensions, x509.IssuingDistributionPoint)
    if scope is not None and (
        scope.indirect_crl
        or scope.only_some_reasons
        or scope.only_contains_attribute_certs
        or scope.relative_name
    ):
        raise RevocationListUnusable(problem="it is not a complete list of the authority's own certificates")
    return scope


def _signer(crl: CertificateRevocationList, authorities: Sequence[Certificate]) -> Certificate:
    """The authority whose name it bears and whose key signed it. Raises RevocationListUnusable."""
    if not isinstance(crl.signature_hash_algorithm, STRONG_HASHES):
        raise RevocationListUnusable(problem="its signature is by an algorithm we do not take")
    for authority in authorities:
        usage = key_usage(authority)
        may_sign = usage is None or usage.crl_sign
        key = authority.public_key()
        if authority.subject == crl.issuer and may_sign and crl.is_signature_valid(key):  # type: ignore[arg-type]
            return authority
    raise RevocationListUnusable(problem="none of the issuer's anchors and intermediates signed it")


def _keys_of(signer: Certificate, authorities: Sequence[Certificate]) -> frozenset[bytes]:
    """The keys `signer` goes by: its own, and others of its name that one authority certified as well."""
    namesakes = [each for each in authorities if each.subject == signer.subject]
    own = key_hash(signer)
    certified = [each for each in namesakes if key_hash(each) == own]
    above = [each for each in authorities if any(_issued(each, below) for below in certified)]
    also = (each for each in namesakes if any(_issued(authority, each) for authority in above))
    return frozenset({own, *(key_hash(each) for each in also)})


def _issued(authority: Certificate, certificate: Certificate) -> bool:
    """Whether `authority` signed `certificate`; by itself it says nothing of trust."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _serials(crl: CertificateRevocationList) -> frozenset[int]:
    """Every serial number in it. Raises RevocationListUnusable for an entry we cannot judge."""
    found = set()
    for entry in crl:
        removed = False
        for extension in entry.extensions:
            value = extension.value
            if extension.critical and not isinstance(value, _UNDERSTOOD_OF_ENTRIES):
                raise RevocationListUnusable(
                    problem=f"an entry's critical extension {extension.oid.dotted_string} is unknown"
                )
            removed |= isinstance(value, x509.CRLReason) and value.reason is x509.ReasonFlags.remove_from_crl
        if not removed:
            found.add(entry.serial_number)
    return frozenset(found)


def _places_of(certificate: Certificate) -> frozenset[x509.GeneralName]:
    """Where the certificate says that its lists are."""
    points = value_of(certificate.extensions, x509.CRLDistributionPoints)
    return frozenset(name for point in points or () for name in point.full_name or ())
