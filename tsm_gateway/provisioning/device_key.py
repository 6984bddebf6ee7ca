"""The kinds of public key a device may have, and what each is for."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from tsm_gateway.provisioning.certificate_errors import KeyUnsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

DevicePublicKey = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
PublicKey = DevicePublicKey | X25519PublicKey


class KeyKind(Enum):
    """Which public key a certificate holds."""

    P256 = "P-256"  # signs and receives
    ED25519 = "Ed25519"  # signs
    RSA = "RSA"  # signs and receives
    X25519 = "X25519"  # receives


SIGNING: Final = frozenset({KeyKind.P256, KeyKind.ED25519, KeyKind.RSA})
_KINDS: Mapping[type, KeyKind] = {
    Ed25519PublicKey: KeyKind.ED25519,
    RSAPublicKey: KeyKind.RSA,
    X25519PublicKey: KeyKind.X25519,
}


def kind_of(key: object) -> KeyKind:
    """The kind of a public key. Raises KeyUnsupported for any other, and for any curve but P-256."""
    if isinstance(key, EllipticCurvePublicKey):
        if isinstance(key.curve, SECP256R1):
            return KeyKind.P256
        raise KeyUnsupported
    for known, kind in _KINDS.items():
        if isinstance(key, known):
            return kind
    raise KeyUnsupported
