"""Whose key packages an element believes: a key-delivery certificate under the root it was made with.

The root of a TSM certifies its servers too, so a certificate for TLS is no key-delivery certificate.
"""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from tsm_gateway.virtual.errors import PackageRefused

_FOR_TLS = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


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
    """Whether it signs octets, is no authority and no end of TLS."""
    try:
        extensions = signer.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    authority = any(each.value.ca for each in extensions if isinstance(each.value, x509.BasicConstraints))
    purposes = {
        purpose
        for each in extensions
        if isinstance(each.value, x509.ExtendedKeyUsage)
        for purpose in each.value
    }
    return usage.digital_signature and not authority and not purposes & _FOR_TLS
