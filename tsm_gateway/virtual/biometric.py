"""A fingerprint sensor, the finger on it, and the tunnel from the sensor to the crypto element.

Sensor and element were paired at the factory: both hold a pairing key. At power-up they agree on a session
key (X25519, HKDF-SHA256 salted with the pairing key), under which every captured sample is sealed with
AES-256-GCM and a counter. Whoever carries the octets between them (the handset's operating system) can
neither read nor repeat nor make a sample.

A record is `counter:8 || ciphertext:32 || tag:16`.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.errors import BiometricMismatch, TunnelBroken

if TYPE_CHECKING:
    import random

FEATURES = 32  # octets of a feature vector, one octet a feature
THRESHOLD = FEATURES * 8  # the sum of differences that still is the same finger; strangers differ by ~2,700
_NOISE = 4  # how far one feature of one touch strays, either way
_COUNT_OCTETS, _NONCE_OCTETS = 8, 12
_PURPOSE = b"tsm virtual sensor tunnel 1"


class Finger:
    """A finger: every touch gives its features anew, a little different each time."""

    __slots__ = ("_features",)

    def __init__(self, owner: str) -> None:
        """The finger of `owner`: any text; the same text has the same finger."""
        digest = hashlib.sha256(b"finger of " + owner.encode()).digest()
        self._features = bytes(_NOISE + feature * (255 - 2 * _NOISE) // 255 for feature in digest)

    def touch(self, chance: random.Random) -> bytes:
        """One sample, 32 octets; `chance` is how the finger happens to lie."""
        noise = chance.randbytes(FEATURES)
        pairs = zip(self._features, noise, strict=True)
        return bytes([feature + stray % (2 * _NOISE + 1) - _NOISE for feature, stray in pairs])


class Template:
    """What the crypto element enrolled; it never leaves the element."""

    __slots__ = ("_features",)

    def __init__(self, features: Secret) -> None:
        """Enrol `features`, 32 octets."""
        self._features = features

    def require_match(self, sample: Secret) -> None:
        """Raise BiometricMismatch unless `sample`, 32 octets, is of the enrolled finger."""
        if len(sample) != FEATURES:
            raise BiometricMismatch
        pairs = zip(self._features.reveal(), sample.reveal(), strict=True)
        if sum([abs(one - other) for one, other in pairs]) > THRESHOLD:
            raise BiometricMismatch


class Tunnel:
    """One end's session: seals or opens samples in order, each exactly once."""

    __slots__ = ("_cipher", "_count")

    def __init__(self, key: bytes) -> None:
        """`key`: 32 octets, agreed on for this session."""
        self._cipher = AESGCM(key)
        self._count = 0

    def seal(self, sample: bytes) -> bytes:
        """The next record."""
        self._count += 1
        count = self._count.to_bytes(_COUNT_OCTETS, "big")
        return count + self._cipher.encrypt(count.rjust(_NONCE_OCTETS, b"\0"), sample, _PURPOSE)

    def open(self, record: bytes) -> Secret:
        """The sample of a record later than every one opened before. Raises TunnelBroken for any other."""
        count = record[:_COUNT_OCTETS]
        if int.from_bytes(count, "big") <= self._count:
            raise TunnelBroken
        nonce = count.rjust(_NONCE_OCTETS, b"\0")
        try:
            sample = Secret(self._cipher.decrypt(nonce, record[_COUNT_OCTETS:], _PURPOSE))
        except InvalidTag:
            raise TunnelBroken from None
        self._count = int.from_bytes(count, "big")
        return sample


class TunnelEnd:
    """Either end while the session is agreed on."""

    __slots__ = ("_ephemeral", "_pairing", "public")

    def __init__(self, pairing: Secret) -> None:
        """`pairing`: the 32 octets both ends were given at the factory."""
        self._pairing = pairing
        self._ephemeral = X25519PrivateKey.generate()
        self.public = self._ephemeral.public_key().public_bytes_raw()

    def agree(self, other: bytes, *, asked_first: bool) -> Tunnel:
        """The session with the end whose public value, 32 octets, is `other`."""
        shared = self._ephemeral.exchange(X25519PublicKey.from_public_bytes(other))
        order = (self.public, other) if asked_first else (other, self.public)
        kdf = HKDF(
            algorithm=SHA256(),
            length=32,
            salt=self._pairing.reveal(),
            info=_PURPOSE + b"".join(order),
        )
        return Tunnel(kdf.derive(shared))


class Sensor:
    """The sensor: captures a touch and seals it for the element."""

    __slots__ = ("_chance", "_end", "_tunnel", "method")

    def __init__(self, pairing: Secret, chance: random.Random, method: str = "fpt") -> None:
        """`method` is what the sensor senses, in the words of RFC 8176."""
        self.method = method
        self._chance = chance
        self._end = TunnelEnd(pairing)
        self._tunnel: Tunnel | None = None

    def connect(self, element_public: bytes) -> bytes:
        """Agree on a session with the element that asks; returns the sensor's public value, 32 octets."""
        self._tunnel = self._end.agree(element_public, asked_first=False)
        return self._end.public

    def capture(self, finger: Finger) -> bytes:
        """One touch, sealed for the element. Raises TunnelBroken before `connect`."""
        if self._tunnel is None:
            raise TunnelBroken
        return self._tunnel.seal(finger.touch(self._chance))


def new_pairing() -> Secret:
    """A pairing key for one sensor and one element."""
    return Secret(secrets.token_bytes(32))
