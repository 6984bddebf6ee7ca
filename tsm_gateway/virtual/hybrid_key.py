"""An element's X-Wing key: ML-KEM-768 beside X25519, opened only by whoever breaks both.

The public key is `ML-KEM-768 encapsulation key:1184 || X25519:32`; the private one is kept as the seeds of
both, `ML-KEM-768 seed:64 || X25519:32`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.cbor_literal import encode
from tsm_gateway.virtual.cose_literal import sign1

if TYPE_CHECKING:
    from tsm_gateway.virtual.signature_literal import SigningKey

_SEED_OCTETS, _X25519_OCTETS = 64, 32
PURPOSE = "tsm-xwing-1"


class HybridKey:
    """Both halves of an X-Wing key."""

    __slots__ = ("_lattice", "_seeds", "_x25519")

    def __init__(self, seeds: Secret) -> None:
        """`seeds`: 96 octets. Raises ValueError for another length."""
        octets = seeds.reveal()
        if len(octets) != _SEED_OCTETS + _X25519_OCTETS:
            message = "the seeds of an X-Wing key have 96 octets"
            raise ValueError(message)
        self._seeds = seeds
        self._lattice = MLKEM768PrivateKey.from_seed_bytes(octets[:_SEED_OCTETS])
        self._x25519 = X25519PrivateKey.from_private_bytes(octets[_SEED_OCTETS:])

    @classmethod
    def generate(cls) -> Self:
        """A fresh one."""
        lattice, curve = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        return cls(Secret(lattice.private_bytes_raw() + curve.private_bytes_raw()))

    def __eq__(self, other: object) -> bool:
        """Compare the seeds."""
        return isinstance(other, HybridKey) and self._seeds == other._seeds

    __hash__ = None  # type: ignore[assignment]  # as a Secret

    @property
    def seeds(self) -> Secret:
        """96 octets."""
        return self._seeds

    @property
    def private_key(self) -> MLKEM768X25519PrivateKey:
        """As HPKE takes it."""
        return MLKEM768X25519PrivateKey(self._lattice, self._x25519)

    @property
    def public(self) -> bytes:
        """1216 octets."""
        return self._lattice.public_key().public_bytes_raw() + self._x25519.public_key().public_bytes_raw()

    def presented(self, device_id: str, signing: SigningKey) -> bytes:
        """What enrolment takes: a COSE_Sign1 by `signing` over {1: purpose, 2: device id, 3: public key}."""
        return sign1(encode({1: PURPOSE, 2: device_id, 3: self.public}), signing)
