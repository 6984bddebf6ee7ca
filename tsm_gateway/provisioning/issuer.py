"""An issuer of secure elements as the operator trusts it: anchors, and what it says of revocation."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate

    from tsm_gateway.provisioning.revocation_list import RevocationList


class RevocationPolicy(Enum):
    """What it takes to believe that a certificate is not revoked."""

    REQUIRED = "required"  # a valid word of the issuer on every certificate of the chain
    WHEN_KNOWN = "when_known"  # refused only when a word of the issuer says that it is revoked
    OFF = "off"  # nobody is asked


class Issuer(NamedTuple):
    """One `[[provisioning.issuer]]`, read."""

    name: str
    anchors: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...] = ()
    crls: tuple[RevocationList, ...] = ()
    ocsp: str = ""  # URL of its responder; "" = none is asked
    revocation: RevocationPolicy = RevocationPolicy.WHEN_KNOWN


def read_issuer(
    name: str,
    *,
    anchors: bytes,
    intermediates: bytes = b"",
    crls: Sequence[bytes] = (),
    ocsp: str = "",
    revocation: RevocationPolicy = RevocationPolicy.WHEN_KNOWN,
) -> Issuer:
    """Read an issuer from the octets of its files: certificates in PEM (or one in DER), CRLs in PEM or DER.

    Raises IssuerUnusable with a sentence about what is wrong.
    """
    raise NotImplementedError
