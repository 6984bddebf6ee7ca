"""The key package (design §5.4) as a crypto element reads it.

It is a COSE_Sign1 with ES256 over the map

    {1: "tsm-key-1", 2: device id, 3: kid, 4: epoch, 5: first PIV, 6: kem, 7: sealed}

What opens `sealed` stands in a table; every way of it is bound to the TSM, the device, the key and the
certificate by the HPKE info or the OAEP label.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.cbor_literal import decode, encode
from tsm_gateway.virtual.cose_literal import read_sign1, verify_sign1
from tsm_gateway.virtual.element_record import KEY_OCTETS
from tsm_gateway.virtual.errors import FormatMalformed, PackageRefused, PaymentRefused
from tsm_gateway.virtual.packet import KID_OCTETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.virtual.element_record import ElementRecord
    from tsm_gateway.virtual.signature_literal import SigningKey

PURPOSE = "tsm-key-1"
FIRST_PIVS = 2**31  # a first PIV is below it
_HPKE_P256, _HPKE_X25519, _HPKE_XWING, _RSA_OAEP = 0x0010, 0x0020, 0x647A, -41
_SUITES = {
    _HPKE_P256: Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    _HPKE_X25519: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    _HPKE_XWING: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
}


class KeyPackage(NamedTuple):
    """A package read and its signature verified; the key in it still sealed."""

    device_id: str
    kid: bytes  # 4 octets
    epoch: int  # 1, 2, …
    first_piv: int  # below 2**31
    kem: int
    sealed: bytes
    digest: bytes  # SHA-256 over the whole package


class Opener(NamedTuple):
    """What an element has to open packages with."""

    signing: SigningKey
    certificate: bytes  # X.509 DER over it
    element: ElementRecord

    def __repr__(self) -> str:
        """Show nothing."""
        return "Opener(…)"


def read_package(octets: bytes, signer: ec.EllipticCurvePublicKey) -> KeyPackage:
    """The package `octets` that `signer` signed. Raises FormatMalformed, PackageRefused."""
    try:
        fields = decode(verify_sign1(read_sign1(octets), signer))
    except PaymentRefused:
        raise PackageRefused(what="signature") from None
    match fields:
        case {
            1: "tsm-key-1",
            2: str(device_id),
            3: bytes(kid),
            4: int(epoch),
            5: int(first_piv),
            6: int(kem),
            7: bytes(sealed),
            **others,
        } if not others and len(kid) == KID_OCTETS and epoch > 0 and 0 <= first_piv < FIRST_PIVS:
            return KeyPackage(device_id, kid, epoch, first_piv, kem, sealed, hashlib.sha256(octets).digest())
    raise FormatMalformed(what="not a key package")


def open_package(package: KeyPackage, opener: Opener) -> Secret:
    """The random key, 32 octets. Raises PackageRefused when this element has not the key it takes."""
    open_it = _OPENERS.get(package.kem)
    if open_it is None:
        raise PackageRefused(what="unknown kem", kem=package.kem)
    try:
        return Secret(open_it(package, opener), length=KEY_OCTETS)
    except (InvalidTag, ValueError):
        raise PackageRefused(what="sealed") from None


def _info(package: KeyPackage, opener: Opener, certificate: bytes) -> bytes:
    """What a package is bound to beside its recipient's key."""
    digest = hashlib.sha256(certificate).digest()
    return encode([PURPOSE, opener.element.tsm_id, package.device_id, package.kid, package.epoch, digest])


def _open_p256(package: KeyPackage, opener: Opener) -> bytes:
    if not isinstance(opener.signing, ec.EllipticCurvePrivateKey) or opener.element.key_certificate:
        raise PackageRefused(what="kem of another kind of key", kem=package.kem)
    info = _info(package, opener, opener.certificate)
    return _SUITES[package.kem].decrypt(package.sealed, opener.signing, info=info)


def _open_x25519(package: KeyPackage, opener: Opener) -> bytes:
    element = opener.element
    if element.exchange is None:
        raise PackageRefused(what="kem of another kind of key", kem=package.kem)
    info = _info(package, opener, element.key_certificate)
    return _SUITES[package.kem].decrypt(package.sealed, element.exchange, info=info)


def _open_xwing(package: KeyPackage, opener: Opener) -> bytes:
    if opener.element.hybrid is None:
        raise PackageRefused(what="kem of another kind of key", kem=package.kem)
    info = _info(package, opener, opener.certificate)
    return _SUITES[package.kem].decrypt(package.sealed, opener.element.hybrid.private_key, info=info)


def _open_oaep(package: KeyPackage, opener: Opener) -> bytes:
    if not isinstance(opener.signing, rsa.RSAPrivateKey):
        raise PackageRefused(what="kem of another kind of key", kem=package.kem)
    label = _info(package, opener, opener.certificate)
    oaep = padding.OAEP(mgf=padding.MGF1(SHA256()), algorithm=SHA256(), label=label)
    return opener.signing.decrypt(package.sealed, oaep)


_OPENERS: dict[int, Callable[[KeyPackage, Opener], bytes]] = {
    _HPKE_P256: _open_p256,
    _HPKE_X25519: _open_x25519,
    _HPKE_XWING: _open_xwing,
    _RSA_OAEP: _open_oaep,
}
