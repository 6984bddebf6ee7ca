"""A device's X.509 certificate when it is registered: what must hold of it, and the id made from it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tsm_gateway.envelope.certificate import load_public_key
from tsm_gateway.envelope.weak_key import weakness_of
from tsm_gateway.envelope.x509_octets import X509Unusable, load_certificate

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from tsm_gateway.envelope.signature import SigningKey

ID_OCTETS = 8  # of the hash
TEST_ONLY = "TEST ONLY"  # the subject's organisation, in certificates of virtual devices


class DeviceCertificate(NamedTuple):
    """A certificate fit for a device."""

    der: bytes
    device_id: str  # "d:" and the first 8 octets of SHA-256 over SubjectPublicKeyInfo (DER), in hex
    test_only: bool  # of a virtual device, whose private key lies in a file


def read_device_certificate(octets: bytes, at: int) -> DeviceCertificate:
    """Read PEM or DER: valid at Unix second `at`, and allowed to sign if it states its uses.

    Its key is EC P-256, Ed25519, or RSA of 2048 to 4096 bits, and does not give the private key away.
    Raises X509Unusable, DeviceCertificateUnusable for another kind of key.
    """
    certificate = load_certificate(octets, at)
    der = certificate.public_bytes(Encoding.DER)
    key = load_public_key(der)
    weakness = weakness_of(key)
    if weakness is not None:
        message = f"its key gives the private key away ({weakness})"
        raise X509Unusable(message)
    if not _may_sign(certificate):
        message = "its key usage leaves out digitalSignature, and a device signs payments"
        raise X509Unusable(message)
    return DeviceCertificate(der, device_id_of(key), test_only=is_test_only(certificate))


def device_id_of(key: SigningKey) -> str:
    """The id follows the key: a renewed certificate over the same key stays the same device."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"d:{sha256(spki).digest()[:ID_OCTETS].hex()}"


def is_test_only(certificate: Certificate) -> bool:
    """Whether a virtual device holds the private key; no real issuer certifies under that name."""
    organisations = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    return any(each.value == TEST_ONLY for each in organisations)


def _may_sign(certificate: Certificate) -> bool:
    """RFC 5280 §4.2.1.3: without the extension every use is allowed."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        message = "its extensions cannot be read"
        raise X509Unusable(message) from None
    return usage.digital_signature
