"""Stored keys, wrapped under a versioned master key.

A wrapped key is `nonce:12 || ciphertext || tag:16`, AES-256-GCM, with AAD = CBOR
`[table, row, owner, kid, purpose, master version]`. It therefore opens only in the place it was wrapped
for: copied to another row, owner, kid or purpose, or put back under an older master, it fails.

Random nonces of 96 bits allow 2**32 wrappings under one master key; a gateway makes a few per device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tsm_gateway.keys.errors import KeyUnwrapFailed, MasterKeyMissing
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

MASTER_OCTETS: Final = 32
NONCE_OCTETS: Final = 12
KID_OCTETS: Final = 4
DEVICE_KEYS: Final = "device_keys"  # `Place.table` of the keys of devices …
PROVIDER_KEYS: Final = "provider_keys"  # … and of providers
TRAFFIC: Final = "traffic"  # `Place.purpose` of both
CARD_KEYS: Final = "card_keys"  # `Place.table` of the key sets of cards …
SCP03: Final = "scp03"  # … and the purpose of an issuer's …
SCP03_OWN: Final = "scp03-own"  # … and of ours
_CHECK_NONCE: Final = bytes(NONCE_OCTETS)  # kept for check values; `wrap` refuses it
_CHECK_AAD: Final = cbor2.dumps(["tsm-1", "check value"])
_CHECK_OCTETS: Final = 4


class Place(NamedTuple):
    """Where a wrapped key is stored and for what."""

    table: str
    row: bytes  # the row's primary key
    owner: str  # device id, provider name, or a card's app SE id in hexadecimal
    kid: bytes  # 4 octets
    purpose: str  # what the key is for; a key of one purpose is never used for another


def traffic_place(table: str, owner: str, kid: bytes) -> Place:
    """Where the random key `kid` (4 octets) of `owner` is stored: DEVICE_KEYS or PROVIDER_KEYS."""
    return Place(table=table, row=kid, owner=owner, kid=kid, purpose=TRAFFIC)


def card_place(app_se: bytes, kvn: int, *, own: bool = False) -> Place:
    """Where the key set `kvn` (its key version number, 0x01..0x7f) of the card `app_se` is stored.

    `own`: we made it; else it is the issuer's, which has to go. That is bound as well, so an issuer's key set
    that the store calls ours does not open.

    What is wrapped there is ENC || MAC || DEK, and the receipt key behind them where the card has one.
    """
    number = bytes([kvn])
    kid = number.rjust(KID_OCTETS, b"\0")
    purpose = SCP03_OWN if own else SCP03
    return Place(table=CARD_KEYS, row=app_se + number, owner=app_se.hex(), kid=kid, purpose=purpose)


class MasterKey(NamedTuple):
    """One version of the wrapping key."""

    version: int  # 1, 2, …
    key: Secret  # 32 octets

    def check_value(self) -> str:
        """8 hexadecimal digits by which people compare keys without seeing them.

        The head of the AES-256-GCM tag of nothing under a nonce kept for it, so that the key is used
        with one algorithm only.
        """
        tag = AESGCM(self.key.reveal()).encrypt(_CHECK_NONCE, b"", _CHECK_AAD)
        return tag[:_CHECK_OCTETS].hex()


class MasterKeys:
    """Every version of the master key; new wrappings use the highest."""

    __slots__ = ("_by_version", "current")

    def __init__(self, keys: Iterable[MasterKey]) -> None:
        """Hold `keys`: at least one, 32 octets each, versions distinct and from 1. Raises ValueError."""
        held = list(keys)
        self._by_version = {master.version: master for master in held}
        unfit = any(len(master.key) != MASTER_OCTETS or master.version < 1 for master in held)
        if not held or unfit or len(self._by_version) != len(held):
            message = "master keys have 32 octets and distinct versions from 1"
            raise ValueError(message)
        self.current = self._by_version[max(self._by_version)]

    def version(self, number: int) -> MasterKey:
        """The master key of that version. Raises MasterKeyMissing."""
        master = self._by_version.get(number)
        if master is None:
            raise MasterKeyMissing(version=number)
        return master

    def versions(self) -> tuple[int, ...]:
        """Every version held, ascending."""
        return tuple(sorted(self._by_version))

    def __repr__(self) -> str:
        """Which versions, and nothing of the keys."""
        return f"MasterKeys(versions={self.versions()})"


def wrap(masters: MasterKeys, secret: Secret, place: Place, *, nonce: bytes) -> tuple[bytes, int]:
    """Wrap `secret` for `place` under the current master; returns the wrapped octets and its version.

    `nonce` is 12 octets fresh from the operating system's generator. Raises ValueError for any other
    length and for the all-zero nonce, which is kept for check values.
    """
    if len(nonce) != NONCE_OCTETS or not any(nonce):
        message = "a wrapping nonce is 12 random octets"
        raise ValueError(message)
    version, key = masters.current
    return nonce + AESGCM(key.reveal()).encrypt(nonce, secret.reveal(), _aad(place, version)), version


def unwrap(masters: MasterKeys, wrapped: bytes, version: int, place: Place) -> Secret:
    """The key wrapped for `place` under master `version`. Raises MasterKeyMissing or KeyUnwrapFailed."""
    aead = AESGCM(masters.version(version).key.reveal())
    nonce, sealed = wrapped[:NONCE_OCTETS], wrapped[NONCE_OCTETS:]
    try:
        return Secret(aead.decrypt(nonce, sealed, _aad(place, version)))
    except (InvalidTag, ValueError):  # ValueError: cut so short that there is no nonce
        raise KeyUnwrapFailed(owner=place.owner) from None


def _aad(place: Place, version: int) -> bytes:
    return cbor2.dumps([*place, version])
