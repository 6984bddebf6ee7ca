"""Certificates as people and devices hand them over: read, and inside their validity (RFC 5280 §4.1.2.5).

A device's certificate is asked about several times in a row, by its judge, by whoever seals to it and by
whoever checks what it signed. What was read last is therefore kept, with the key and the extensions that
the crypto library has found in it: a certificate cannot change.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography import x509

from tsm_gateway.errors import Side, TsmError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

PEM = b"-----BEGIN CERTIFICATE-----"
KEPT: Final = 1024  # certificates, a few kilobytes each


class X509Unusable(TsmError):
    """The certificate cannot be used."""

    code, side, temporary = "x509-unusable", Side.PEER, False

    def __init__(self, problem: str) -> None:
        """`problem` is a sentence for people."""
        super().__init__()
        self.problem = problem

    def __str__(self) -> str:
        """The sentence with it."""
        return f"The certificate cannot be used: {self.problem} [{self.code}]"


@lru_cache(KEPT)
def read_der(der: bytes) -> Certificate:
    """The certificate `der`. Raises what the crypto library does: ValueError, but not that alone."""
    return x509.load_der_x509_certificate(der)


def load_certificate(octets: bytes, at: int) -> Certificate:
    """The first certificate in PEM text, or the one in DER; valid at Unix second `at`.

    Raises X509Unusable.
    """
    try:
        certificate = x509.load_pem_x509_certificate(octets) if PEM in octets else read_der(octets)
    except ValueError:
        message = "it is neither PEM nor DER of X.509"
        raise X509Unusable(message) from None
    now = dt.datetime.fromtimestamp(at, dt.UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        span = f"{certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
        message = f"it is valid from {span} and not now"
        raise X509Unusable(message)
    return certificate
