"""Key delivery over the air: control messages between gateway and crypto SE, as rows.

Down goes the signed key package itself (COSE_Sign1), in parts like any payment. Up comes a sealed packet
under the new key whose address is `CONFIRM`: its second element is the registration proof for
the challenge SHA-256(package). The relay authenticates it, uses up its number and leaves it, sealed as it
came, to provisioning, which alone judges proofs.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

CONFIRM: Final = "tsm-confirm-1"  # stands where a payment has its provider's address, and never is one


class ControlArrival(NamedTuple):
    """A sealed confirmation that the relay authenticated and provisioning has not judged yet."""

    kid: bytes  # 4 octets
    piv: int
    device_id: str
    packet: bytes  # COSE_Encrypt0, as it came
    received_at: int  # Unix seconds


class ControlState(Enum):
    """Where a key package on its way over the air stands."""

    QUEUED = "queued"
    SENT = "sent"  # every part was taken by the network; the confirmation is what counts
    FAILED = "failed"  # given up


class ControlMessage(NamedTuple):
    """A key package to be sent, or sent, as short messages."""

    message_id: bytes  # 16 octets
    device_id: str
    kid: bytes  # 4 octets, the key the package carries
    msisdn: str  # "+E.164", the device's number when it was queued
    packet: bytes  # final octets
    state: ControlState
    attempts: int
    due_at: int  # Unix seconds: not before
    created_at: int
    changed_at: int
    reason: str  # of the last attempt's failure
