"""A virtual issuer's folder: what a gateway's configuration names, and the keys it signs with.

| file | holds |
|---|---|
| `root.pem` | the trust anchor |
| `issuing.pem` | the authority between root and devices |
| `root.key`, `issuing.key` | their keys, in clear (0600): for tests only |
| `issuing.crl`, `root.crl` | what holds no more (PEM) |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tsm_gateway.virtual.errors import PartyFileInvalid
from tsm_gateway.virtual.issuer import Authority, Issuer
from tsm_gateway.virtual.private_files import write_private

if TYPE_CHECKING:
    from pathlib import Path

ROOT, ISSUING = "root", "issuing"


def write_issuer(folder: Path, issuer: Issuer, at: int) -> None:
    """Put `issuer` into `folder`, its revocation lists published at `at`, Unix seconds. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, authority in ((ROOT, issuer.root), (ISSUING, issuer.issuing)):
        key = authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(folder / f"{name}.key", key)
        write_private(folder / f"{name}.pem", authority.certificate.public_bytes(Encoding.PEM))
    for name, crl in zip((ISSUING, ROOT), issuer.crls(at), strict=True):
        pem = x509.load_der_x509_crl(crl).public_bytes(Encoding.PEM)
        write_private(folder / f"{name}.crl", pem)


def read_issuer(folder: Path) -> Issuer:
    """The issuer in `folder`. Raises PartyFileInvalid, OSError."""
    try:
        crl = x509.load_pem_x509_crl((folder / f"{ISSUING}.crl").read_bytes())
        revoked = [each.serial_number for each in crl]
        return Issuer(_authority(folder, ROOT), _authority(folder, ISSUING), revoked)
    except (ValueError, TypeError):
        raise PartyFileInvalid(what="not the folder of a virtual issuer", file=folder.name) from None


def _authority(folder: Path, name: str) -> Authority:
    certificate = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
    key = load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PartyFileInvalid(what="an authority whose key is not on P-256", file=name)
    return Authority(certificate.public_bytes(Encoding.DER), key)
