"""Whether a key, certificate or request that people hand over is fit for its use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tsm_gateway.provisioning.certificate_errors import CertificateRefused
from tsm_gateway.provisioning.device_key import SIGNING, kind_of
from tsm_gateway.provisioning.pki import CHANNELS, LONGEST_NAME, PROFILES, SIGNERS, Pair, SigningKey, Use
from tsm_gateway.provisioning.pki_errors import PkiUnfit
from tsm_gateway.provisioning.revocation_list import STRONG_HASHES
from tsm_gateway.provisioning.weak_key import refuse_weak
from tsm_gateway.provisioning.x509_fields import (
    UNREADABLE,
    allows_purpose,
    is_authority,
    key_usage,
    moment,
    purposes_of,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
    from cryptography.x509 import Certificate, CertificateSigningRequest

    from tsm_gateway.secret import Secret

RSA_BITS: Final = 2048  # of an application-signing key: what cards verify (GlobalPlatform, RSASSA-PSS)
MAX_REQUEST: Final = 16 * 1024  # octets of a certificate signing request
_PEM_REQUEST: Final = b"-----BEGIN CERTIFICATE REQUEST-----"


def read_certificate(what: str, octets: bytes) -> Certificate:
    """The first certificate in PEM text. Raises PkiUnfit; `what` is what it calls the file."""
    try:
        certificate = x509.load_pem_x509_certificate(octets)
        certificate.public_key()
        is_authority(certificate)
    except UNREADABLE:
        raise PkiUnfit(what=what, problem="no readable certificate in PEM") from None
    return certificate


def read_key(what: str, octets: Secret) -> SigningKey:
    """An unencrypted private key in PEM: EC P-256, or RSA. Raises PkiUnfit."""
    try:
        key = load_pem_private_key(octets.reveal(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        problem = "no readable private key in PEM (an encrypted one is not taken)"
        raise PkiUnfit(what=what, problem=problem) from None
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key
    if isinstance(key, RSAPrivateKey):
        return key
    raise PkiUnfit(what=what, problem="the key is neither EC P-256 nor RSA")


def read_p256_key(what: str, octets: Secret) -> EllipticCurvePrivateKey:
    """As `read_key`, and nothing but EC P-256. Raises PkiUnfit."""
    key = read_key(what, octets)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise PkiUnfit(what=what, problem="it has to be a key over EC P-256")
    return key


def read_pair(what: str, certificate: bytes, key: Secret) -> Pair:
    """A certificate and its key, both PEM. Raises PkiUnfit, also when they do not belong together."""
    pair = Pair(read_certificate(what, certificate), read_key(what, key))
    if _spki(pair.certificate.public_key()) != _spki(pair.key.public_key()):
        raise PkiUnfit(what=what, problem="certificate and key do not belong together")
    return pair


def check_fit(use: Use, certificate: Certificate, at: int, root: Certificate | None) -> None:
    """Pass a certificate that can serve `use` at Unix second `at`, and was issued by `root` if given.

    Raises PkiUnfit with the first thing that is against it.
    """
    problem = _problem_of(use, certificate, at) or _problem_with_root(certificate, root)
    if problem:
        raise PkiUnfit(what=use.value, problem=problem)


def check_apart(what: str, certificate: Certificate, others: Mapping[str, Certificate]) -> None:
    """Pass a certificate over a key of its own; `others`: those of other uses, by name. Raises PkiUnfit."""
    check_key_apart(what, certificate.public_key(), others)


def check_key_apart(what: str, key: CertificatePublicKeyTypes, others: Mapping[str, Certificate]) -> None:
    """As `check_apart`, of the public half of a key that has no certificate."""
    own = _spki(key)
    for name, other in others.items():
        if _spki(other.public_key()) == own:
            raise PkiUnfit(what=what, problem=f"its key is that of {name}: each use has a key of its own")


def read_request(octets: bytes) -> CertificateSigningRequest:
    """An agent's request (PKCS #10), PEM or DER: signed by its own key, a good one, with one common name.

    Raises PkiUnfit.
    """
    if len(octets) > MAX_REQUEST:
        raise PkiUnfit(what="csr", problem=f"longer than {MAX_REQUEST} octets")
    try:
        is_pem = _PEM_REQUEST in octets
        request = x509.load_pem_x509_csr(octets) if is_pem else x509.load_der_x509_csr(octets)
        problem = _problem_of_request(request)
    except UNREADABLE:
        raise PkiUnfit(what="csr", problem="neither PEM nor DER of a certificate signing request") from None
    if problem:
        raise PkiUnfit(what="csr", problem=problem)
    return request


def _problem_of_request(request: CertificateSigningRequest) -> str | None:
    """Raises UNREADABLE."""
    key = request.public_key()
    if not request.is_signature_valid:
        return "its signature does not hold"
    try:
        if kind_of(key) not in SIGNING:
            return "its key cannot sign"
        refuse_weak(key)
    except CertificateRefused as refused:
        return str(refused)
    return None


def agent_subject(request: CertificateSigningRequest, owner: str, app_se: bytes) -> x509.Name:
    """The agent's name in its certificate. Raises PkiUnfit.

    The request's common name, our organisation, and as serialNumber the app SE it stands in front of
    (`app_se`, 8 to 32 octets, in hexadecimal; b"" = of none, and then channel 2 refuses it).
    """
    stated = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(stated[0].value) if len(stated) == 1 else ""
    if not name.strip() or not name.isprintable():
        raise PkiUnfit(what="csr", problem="its subject has to state one common name, the agent's")
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, owner[:LONGEST_NAME])
    element = [x509.NameAttribute(NameOID.SERIAL_NUMBER, app_se.hex())] if app_se else []
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, name), *element])


def _problem_of(use: Use, certificate: Certificate, at: int) -> str | None:
    usage, profile = key_usage(certificate), PROFILES[use]
    try:
        refuse_weak(certificate.public_key())
    except CertificateRefused as refused:
        return str(refused)
    if not certificate.not_valid_before_utc <= moment(at) <= certificate.not_valid_after_utc:
        return "the certificate is not valid now"
    if is_authority(certificate) is not profile.is_authority:
        return f"basicConstraints cA has to be {'set' if profile.is_authority else 'unset'}"
    wanted = "key_cert_sign" if profile.is_authority else "digital_signature"
    if usage is not None and not getattr(usage, wanted):
        return f"its key usage leaves out {wanted}"
    return _problem_of_purpose(use, certificate)


def _problem_of_purpose(use: Use, certificate: Certificate) -> str | None:
    purpose = PROFILES[use].purpose
    if purpose is not None and not allows_purpose(purposes_of(certificate), purpose):
        return "its extended key usage does not allow this"
    if use in CHANNELS and value_of(certificate.extensions, x509.SubjectAlternativeName) is None:
        return "it has no subjectAltName, so that no client could match the host name"
    return _problem_of_signer(use, certificate) if use in SIGNERS else None


def _problem_of_signer(use: Use, certificate: Certificate) -> str | None:
    """The root certifies servers as well: only a purpose of its own tells who signs what."""
    purposes, own = purposes_of(certificate) or (), PROFILES[use].purpose
    kind, key = _kind_name(certificate.public_key()), certificate.public_key()
    if use is Use.KEY_DELIVERY and kind != "P-256":
        return "key packages are signed with ES256: the key has to be EC P-256"
    if use is Use.APPLICATION_SIGNING and kind != "P-256" and getattr(key, "key_size", 0) != RSA_BITS:
        return f"applications are signed with EC P-256, or RSA of {RSA_BITS} bits"
    if own is not None and own not in purposes:
        return f"its extended key usage has to name {use.value}, {own.dotted_string}"
    if ExtendedKeyUsageOID.SERVER_AUTH in purposes:
        return "a TLS server's certificate signs neither key packages nor applications"
    if any(PROFILES[other].purpose in purposes for other in SIGNERS if other is not use):
        return "its extended key usage names more than one thing to sign: each has a key of its own"
    return None


def _kind_name(key: CertificatePublicKeyTypes) -> str | None:
    """`P-256`, `RSA`, …; None for a key of another kind."""
    try:
        return kind_of(key).value
    except CertificateRefused:
        return None


def _problem_with_root(certificate: Certificate, root: Certificate | None) -> str | None:
    if root is None:
        return None
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return "it was not issued by root.pem, which secure elements pin"
    if not isinstance(certificate.signature_hash_algorithm, STRONG_HASHES):
        return "it is signed with a hash that can be forged"
    return None


def _spki(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
