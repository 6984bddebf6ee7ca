"""The Online Certificate Status Protocol (RFC 6960): what is asked, and what an answer is worth.

The signer of an answer is the authority that issued the certificate, or a responder to which that very
authority gave a certificate for OCSPSigning itself (§4.2.2.2). No nonce is sent (RFC 5019 §4): responders
may sign ahead, and how old an answer can be is bounded by `nextUpdate`, but also by `OLDEST_S`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.provisioning.revocation_list import SKEW_S, STRONG_HASHES
from tsm_gateway.provisioning.x509_fields import (
    UNREADABLE,
    key_usage,
    moment,
    purposes_of,
    seconds,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.hashes import HashAlgorithm
    from cryptography.x509 import Certificate
    from cryptography.x509.ocsp import OCSPResponse, OCSPSingleResponse

UNDATED_S: Final = 600  # how long an answer without nextUpdate is believed
OLDEST_S: Final = 10 * 86_400  # how long any other is, whatever it promises; public authorities' own limit
RSA_SIGNATURES: Final = frozenset(
    {
        x509.SignatureAlgorithmOID.RSA_WITH_SHA256,
        x509.SignatureAlgorithmOID.RSA_WITH_SHA384,
        x509.SignatureAlgorithmOID.RSA_WITH_SHA512,
    }
)


class Standing(Enum):
    """What is known of a certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class OcspAnswerUnusable(TsmError):
    """An OCSP responder's answer proves nothing."""

    code, side, temporary = "ocsp-answer-unusable", Side.PEER, True


class OcspQuestion(NamedTuple):
    """One certificate to ask about."""

    url: str
    request: bytes  # DER: the body to be posted, and what the answer is kept under
    certificate: Certificate
    authority: Certificate  # that issued it


class OcspAnswer(NamedTuple):
    """An answer whose signature, subject and dates hold."""

    standing: Standing
    this_update: int  # Unix seconds
    good_until: int  # Unix seconds
    responder: Certificate | None  # whom the authority delegated it to; None = the authority itself


_STANDINGS: Mapping[ocsp.OCSPCertStatus, Standing] = {
    ocsp.OCSPCertStatus.GOOD: Standing.GOOD,
    ocsp.OCSPCertStatus.REVOKED: Standing.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN: Standing.UNKNOWN,
}


def build_request(certificate: Certificate, authority: Certificate) -> bytes:
    """The OCSPRequest (DER) about `certificate`, which `authority` issued; always the same octets.

    SHA-1 only names the authority here; it is the one hash every responder knows (RFC 5019 §2.1.1).
    """
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, authority, SHA1())  # noqa: S303 - a name
    return builder.build().public_bytes(Encoding.DER)


def read_answer(octets: bytes, certificate: Certificate, authority: Certificate, at: int) -> OcspAnswer:
    """Read an OCSPResponse (DER) about `certificate` at Unix second `at`.

    Raises OcspAnswerUnusable with the reason, whatever the octets are.
    """
    try:
        return _read(octets, certificate, authority, at)
    except InvalidSignature:
        raise OcspAnswerUnusable(reason="signature") from None
    except UNREADABLE:
        raise OcspAnswerUnusable(reason="format") from None


def _read(octets: bytes, certificate: Certificate, authority: Certificate, at: int) -> OcspAnswer:
    response = ocsp.load_der_ocsp_response(octets)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise OcspAnswerUnusable(reason="refused")
    if any(each.critical for each in (*response.extensions, *response.single_extensions)):
        raise OcspAnswerUnusable(reason="extension")  # of the two kinds we could know neither is critical
    single = next(iter(response.responses))  # `single_extensions` refused more than one
    if not _is_about(single, certificate, authority):
        raise OcspAnswerUnusable(reason="other-certificate")
    responder = _signer(response, authority, at)
    _verify(response, responder or authority)
    this_update, good_until = _dates(single)
    if not this_update - SKEW_S <= at < good_until:
        raise OcspAnswerUnusable(reason="out-of-date")
    return OcspAnswer(_STANDINGS[single.certificate_status], this_update, good_until, responder)


def _is_about(single: OCSPSingleResponse, certificate: Certificate, authority: Certificate) -> bool:
    """Whether the CertID is this certificate's, under the hash the responder chose."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, authority, single.hash_algorithm)
    wanted = builder.build()
    return (single.issuer_name_hash, single.issuer_key_hash, single.serial_number) == (
        wanted.issuer_name_hash,
        wanted.issuer_key_hash,
        wanted.serial_number,
    )


def _dates(single: OCSPSingleResponse) -> tuple[int, int]:
    this_update, stated = seconds(single.this_update_utc), single.next_update_utc
    if stated is None:
        return this_update, this_update + UNDATED_S
    return this_update, min(seconds(stated), this_update + OLDEST_S)


def _signer(response: OCSPResponse, authority: Certificate, at: int) -> Certificate | None:
    """The delegated responder who signed, or None for the authority itself."""
    if _names(response, authority):
        return None
    for responder in response.certificates:
        if _names(response, responder):
            _check_delegation(responder, authority, at)
            return responder
    raise OcspAnswerUnusable(reason="responder")


def _names(response: OCSPResponse, signer: Certificate) -> bool:
    """Whether the ResponderID is this one, by name or by key."""
    if response.responder_name is not None:
        return response.responder_name == signer.subject
    key = x509.SubjectKeyIdentifier.from_public_key(signer.public_key())
    return response.responder_key_hash == key.digest


def _check_delegation(responder: Certificate, authority: Certificate, at: int) -> None:
    """§4.2.2.2: issued by the authority itself, for this purpose, and valid now."""
    responder.verify_directly_issued_by(authority)
    if not isinstance(responder.signature_hash_algorithm, STRONG_HASHES):
        raise OcspAnswerUnusable(reason="signature")
    usage, purposes = key_usage(responder), purposes_of(responder)
    if (usage is not None and not usage.digital_signature) or purposes is None:
        raise OcspAnswerUnusable(reason="responder")
    if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:  # anyExtendedKeyUsage delegates nothing: any device
        raise OcspAnswerUnusable(reason="responder")
    if not responder.not_valid_before_utc <= moment(at) <= responder.not_valid_after_utc:
        raise OcspAnswerUnusable(reason="responder")


def _verify(response: OCSPResponse, signer: Certificate) -> None:
    """Raises InvalidSignature, or OcspAnswerUnusable for an algorithm we do not take."""
    digest: HashAlgorithm | None = response.signature_hash_algorithm
    key = signer.public_key()
    if not isinstance(digest, STRONG_HASHES):
        raise OcspAnswerUnusable(reason="signature")
    if isinstance(key, EllipticCurvePublicKey):
        key.verify(response.signature, response.tbs_response_bytes, ECDSA(digest))
    elif isinstance(key, RSAPublicKey) and response.signature_algorithm_oid in RSA_SIGNATURES:
        key.verify(response.signature, response.tbs_response_bytes, PKCS1v15(), digest)
    else:
        raise OcspAnswerUnusable(reason="signature")
