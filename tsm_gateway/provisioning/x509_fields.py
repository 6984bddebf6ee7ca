"""What a certificate says of itself, by RFC 5280 §4.2.1; every function reads and none judges.

Each raises one of `UNREADABLE`, as the crypto library does, when the extensions cannot be read.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final, TypeVar, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID

from tsm_gateway.envelope.x509_octets import read_der

if TYPE_CHECKING:
    from collections.abc import Collection

    from cryptography.x509 import Certificate, Extensions, ExtensionType, KeyUsage

T = TypeVar("T", bound="ExtensionType")
UNREADABLE: Final = (  # all the crypto library raises for octets it cannot make sense of
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    CryptographyDeprecationWarning,  # where warnings are errors: what a later release refuses
)
ANY_PURPOSE: Final = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


def same_certificate(one: bytes, other: bytes) -> bool:
    """Whether two certificates (DER) say the same: their to-be-signed parts are equal, octet by octet.

    The signature beside it does not count. Of ECDSA's anybody can make a second one from the first, (r, n-s)
    of (r, s), and so have a certificate of other octets without its issuer.
    """
    if one == other:
        return True
    first, second = (read_der(each) for each in (one, other))
    return first.tbs_certificate_bytes == second.tbs_certificate_bytes


def value_of(extensions: Extensions, kind: type[T]) -> T | None:
    """The extension of that kind; None when there is none."""
    for extension in extensions:
        if extension.oid == kind.oid:
            return cast("T", extension.value)
    return None


def key_usage(certificate: Certificate) -> KeyUsage | None:
    """§4.2.1.3; None = every use is allowed."""
    return value_of(certificate.extensions, x509.KeyUsage)


def is_authority(certificate: Certificate) -> bool:
    """§4.2.1.9: whether it may issue others."""
    constraints = value_of(certificate.extensions, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def allows_purpose(purposes: Collection[x509.ObjectIdentifier] | None, wanted: x509.ObjectIdentifier) -> bool:
    """§4.2.1.12: without the extension (None) every purpose is allowed."""
    return purposes is None or wanted in purposes or ANY_PURPOSE in purposes


def purposes_of(certificate: Certificate) -> list[x509.ObjectIdentifier] | None:
    """§4.2.1.12; None = every purpose."""
    found = value_of(certificate.extensions, x509.ExtendedKeyUsage)
    return None if found is None else list(found)


def moment(at: int) -> dt.datetime:
    """Unix seconds as the crypto library takes them."""
    return dt.datetime.fromtimestamp(at, dt.UTC)


def seconds(time: dt.datetime) -> int:
    """Unix seconds of what the crypto library gives (its `…_utc`)."""
    return int(time.timestamp())
