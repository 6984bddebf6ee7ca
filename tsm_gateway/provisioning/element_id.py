"""Whose word a crypto SE's id is: the device's own, or its issuer's.

By the format of the proof an id is a claim: a device may register with ids that are another's, as long as
that one has not registered itself. An issuer that writes the id into the subject of the certificates it
issues (serialNumber, X.520 §6.2.9: the id's octets in hexadecimal) takes that freedom from it. The byte-equal
subject of a key certificate then names one element, too, and not just a make of them.
"""

from __future__ import annotations

import hmac
from enum import Enum
from typing import TYPE_CHECKING

from cryptography.x509.oid import NameOID

from tsm_gateway.envelope.x509_octets import read_der
from tsm_gateway.provisioning.certificate_errors import CertificateRefused, CertificateUntrusted
from tsm_gateway.provisioning.chain import find_chains
from tsm_gateway.provisioning.proof_errors import ElementIdMismatch
from tsm_gateway.provisioning.x509_fields import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.provisioning.issuer import Issuer


class ElementIdRule(Enum):
    """What a crypto SE's id in a proof has to be."""

    CLAIMED = "claimed"  # any that no other live device has
    SERIAL_NUMBER = "serial_number"  # the serialNumber in the subject of the device's certificate


def check_element_id(crypto_se: bytes, certificate: bytes, issuers: Sequence[Issuer], at: int) -> None:
    """Whether a device may register with the crypto SE's id at Unix second `at`, by whoever vouches for it.

    `crypto_se` is 8 to 32 octets, `certificate` the device's registered one (X.509 DER). Of several issuers
    that vouch for it, the strictest rule decides; one whose own time is over still counts. A device that no
    configured issuer vouches for was added by an operator, whose word is the id. Raises ElementIdMismatch.
    """
    if ElementIdRule.SERIAL_NUMBER not in _rules(certificate, issuers, at):
        return
    named = serial_number_of(certificate)
    if named is None or not hmac.compare_digest(named, crypto_se):
        raise ElementIdMismatch


def _rules(certificate: bytes, issuers: Sequence[Issuer], at: int) -> set[ElementIdRule]:
    """The rules of the issuers that vouch for a certificate."""
    configured = {each.element_id for each in issuers}
    if ElementIdRule.SERIAL_NUMBER not in configured:
        return configured  # the same, whoever vouches: spare building the chain again
    try:
        vouched = find_chains(read_der(certificate), issuers, at)
    except CertificateUntrusted:
        return set()
    except CertificateRefused:
        return configured
    return {each.issuer.element_id for each in vouched}


def serial_number_of(certificate: bytes) -> bytes | None:
    """The octets of the subject's one serialNumber; None when there is none, or more, or no hexadecimal."""
    try:
        subject = read_der(certificate).subject
        (found,) = subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
        text = found.value
        return bytes.fromhex(text) if isinstance(text, str) and text.isalnum() else None
    except UNREADABLE:
        return None
