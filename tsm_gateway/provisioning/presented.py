"""What a certificate that is refused says of itself, so that an operator finds the phone it belongs to."""

from __future__ import annotations

from typing import Final, NamedTuple

from cryptography import x509

from tsm_gateway.provisioning.certificate_errors import CertificateRefused
from tsm_gateway.provisioning.device_key import SIGNING, kind_of
from tsm_gateway.provisioning.device_trust import MAX_CERTIFICATE, device_id_of
from tsm_gateway.provisioning.x509_fields import UNREADABLE

LONGEST_SUBJECT: Final = 128  # characters; the peer may have written anything there
LONGEST_SERIAL: Final = 64  # hexadecimal digits; RFC 5280 §4.1.2.2 allows 40


class Presented(NamedTuple):
    """Words of the certificate itself: nobody vouches for them. "" where it cannot be told."""

    device: str = ""  # the id its key would have
    serial: str = ""  # hexadecimal
    subject: str = ""  # RFC 4514, printable characters only, cut


def presented(der: bytes) -> Presented:
    """Read `der`, whatever it is; raises nothing."""
    if len(der) > MAX_CERTIFICATE:
        return Presented()
    try:
        certificate = x509.load_der_x509_certificate(der)
        subject = certificate.subject.rfc4514_string()
        serial = f"{certificate.serial_number:x}"
    except UNREADABLE:
        return Presented()
    shown = "".join(each if each.isprintable() else "?" for each in subject[:LONGEST_SUBJECT])
    return Presented(_device_of(certificate), serial[:LONGEST_SERIAL], shown)


def _device_of(certificate: x509.Certificate) -> str:
    try:
        key = certificate.public_key()
        if kind_of(key) in SIGNING:
            return device_id_of(key)  # type: ignore[arg-type]  # the kinds that sign
    except (*UNREADABLE, CertificateRefused):
        pass
    return ""
