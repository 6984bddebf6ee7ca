"""Whose key packages an element believes: a key-delivery certificate under the root it was made with.

The root of a TSM certifies its servers too, so a certificate that does not name this very purpose, be it
for TLS or for anything, is no key-delivery certificate.
"""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from tsm_gateway.virtual.errors import PackageRefused

KEY_DELIVERY = x509.ObjectIdentifier("2.25.5279910222826087297256029102353267540")  # the TSM's own purpose


def delivery_key(certificate: bytes, root: bytes, at: int) -> ec.EllipticCurvePublicKey:
    """The key that signs packages, out of `certificate` issued by `root` (X.509 DER both).

    `at`: Unix seconds. Raises PackageRefused.
    """
    try:
        signer, anchor = (x509.load_der_x509_certificate(der) for der in (certificate, root))
        signer.verify_directly_issued_by(anchor)
    except (ValueError, TypeError, InvalidSignature):
        raise PackageRefused(what="the signer is not of the pinned TSM") from None
    now = dt.datetime.fromtimestamp(at, dt.UTC)
    if not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc:
        raise PackageRefused(what="the signer's certificate holds no more, or not yet")
    public_key = signer.public_key()
    if not _may_deliver(signer) or not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise PackageRefused(what="the signer's certificate is for another use")
    return public_key


def _may_deliver(signer: x509.Certificate) -> bool:
    """Whether it signs octets, is no authority, and says that it is for key delivery."""
    try:
        extensions = signer.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    stated = [each.value for each in extensions]
    authority = any(value.ca for value in stated if isinstance(value, x509.BasicConstraints))
    return usage.digital_signature and not authority and KEY_DELIVERY in purposes
