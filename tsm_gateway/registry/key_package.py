"""Key packages as stored, and orders for new ones (design §5.4).

A package is ciphertext and signature, fit to rest and to travel: it is stored with the wrapped key it
carries, so that a device that asks again, after a cut or a crash, is answered with the same octets.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Delivery(Enum):
    """How a package reaches the crypto SE."""

    CHANNEL = "channel"  # fetched over channel 1
    SMS = "sms"  # sent as short messages


class StoredPackage(NamedTuple):
    """One signed key package and what became of it."""

    kid: bytes  # 4 octets, the key it carries
    device_id: str
    epoch: int  # 1, 2, …
    first_piv: int  # below 2**31
    kem: int  # how it is sealed: the number of keys/seal.py
    recipient: bytes  # SHA-256 over the X.509 DER it is sealed to
    package: bytes  # COSE_Sign1
    delivery: Delivery
    made_at: int  # Unix seconds
    confirmed_at: int  # Unix seconds; 0 = the device has not confirmed the key


class KeyOrder(NamedTuple):
    """Somebody wants a device to get a new key; provisioning makes it."""

    device_id: str
    delivery: Delivery
    reason: str
    ordered_at: int  # Unix seconds
