"""The TSM-1 sealed packet: from octets to an opened payment and back.

A packet is a COSE_Encrypt0 under AES-256-GCM (cose.py). What its key alone decides is worked out once
per key, in a `TrafficKey`:

- AAD = Enc_structure over external_aad = CBOR `[1, direction, owner-id, port]`;
- nonce (12) = IV xor ( len(kid) || kid left-padded to 6 || PIV left-padded to 5 ), as RFC 8613 §5.2.

`parse_packet` touches no key and raises Malformed; from `open_packet` on every failure is NotAuthentic.
The payloads, all in deterministic CBOR:

| direction | plaintext |
|---|---|
| device to TSM | `[address: tstr, certificate: bstr]` |
| TSM to provider | `[certificate: bstr, received_at: uint, message_id: bstr .size 16]` |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tsm_gateway.envelope import cose
from tsm_gateway.envelope.cbor import Reader
from tsm_gateway.envelope.cose import KID_OCTETS, MAX_PIV, MAX_STRUCTURE
from tsm_gateway.envelope.errors import NotAuthentic, PivExhausted
from tsm_gateway.envelope.redacted import Redacted
from tsm_gateway.keys import derive
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT: Final = 1  # the version in external_aad
NONCE_OCTETS: Final = 12
MESSAGE_ID_OCTETS: Final = 16
MAX_ADDRESS: Final = 64  # characters; "sp:" and a name of 32 is the longest that leads anywhere
MAX_PORT: Final = 0xFFFF
_PIV_FIELD: Final = 40  # bits of the nonce below the kid
_SIZE_FIELD: Final = 88  # bits of the nonce below the length of the kid

Packet = cose.Encrypt0
parse_packet = cose.parse_encrypt0


class Direction(IntEnum):
    """Which way a packet travels; part of what is authenticated."""

    DEVICE_TO_TSM = 0
    TSM_TO_DEVICE = 1
    TSM_TO_PROVIDER = 2
    PROVIDER_TO_TSM = 3


_WAYS: Mapping[Direction, str] = {
    Direction.DEVICE_TO_TSM: "up",
    Direction.TSM_TO_DEVICE: "down",
    Direction.TSM_TO_PROVIDER: "to provider",
    Direction.PROVIDER_TO_TSM: "from provider",
}


class TrafficKey(Redacted):
    """One direction of one key, ready to open and seal."""

    __slots__ = ("aad", "aead", "base", "kid")

    def __init__(self, kid: bytes, aead: AESGCM, iv: bytes, aad: bytes) -> None:
        """Hold a cipher, its 12-octet IV and the Enc_structure; `traffic_key` derives them."""
        self.kid = kid
        self.aead = aead
        self.aad = aad
        fixed = len(kid) << _SIZE_FIELD | int.from_bytes(kid, "big") << _PIV_FIELD
        self.base = int.from_bytes(iv, "big") ^ fixed  # the nonce but for the PIV


def traffic_key(ikm: Secret, kid: bytes, direction: Direction, owner: str, port: int) -> TrafficKey:
    """Derive the traffic key of one direction from the 32-octet key `ikm` named by `kid` (4 octets).

    `owner` is the device id or provider name the key belongs to, `port` the application port of the
    short messages, 0..65535. Raises ValueError when a length or range is not met.
    """
    if len(kid) != KID_OCTETS or not 0 <= port <= MAX_PORT:
        message = "a traffic key takes a kid of 4 octets and a port of 16 bits"
        raise ValueError(message)
    key, iv = derive.traffic(ikm, kid, _WAYS[direction])
    external_aad = cbor2.dumps([FORMAT, int(direction), owner, port])
    aad = cose.enc_structure(cose.ENCRYPT0_PROTECTED, external_aad)
    return TrafficKey(kid, AESGCM(key.reveal()), iv.reveal(), aad)


def open_packet(packet: Packet, traffic: TrafficKey) -> Secret:
    """Check and decipher `packet`; returns its plaintext. Raises NotAuthentic.

    The kid is not in the AAD, so a packet that names another key than `traffic` is refused by name.
    """
    if packet.kid != traffic.kid:
        raise NotAuthentic
    nonce = (traffic.base ^ packet.piv).to_bytes(NONCE_OCTETS, "big")
    try:
        return Secret(traffic.aead.decrypt(nonce, packet.ciphertext, traffic.aad))
    except InvalidTag:
        raise NotAuthentic from None


def seal_packet(plaintext: Secret, traffic: TrafficKey, piv: int) -> bytes:
    """Encipher `plaintext` into a packet under `piv`, 0..2**40-1, which is never used twice with this key.

    Raises PivExhausted above the range, ValueError below it.
    """
    if piv > MAX_PIV:
        raise PivExhausted
    if piv < 0:
        message = "a PIV is not negative"
        raise ValueError(message)
    nonce = (traffic.base ^ piv).to_bytes(NONCE_OCTETS, "big")
    ciphertext = traffic.aead.encrypt(nonce, plaintext.reveal(), traffic.aad)
    return cose.build_encrypt0(traffic.kid, piv, ciphertext)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class DevicePayload(Redacted):
    """What a device sent: where to, and the payment certificate. Opened plaintext."""

    address: str  # as the device wrote it, 1..64 visible ASCII characters; not normalised
    certificate: bytes  # COSE_Sign1, unread


def read_device_payload(plaintext: Secret) -> DevicePayload:
    """Take `[address, certificate]` apart. Raises Malformed."""
    reader = Reader(plaintext.reveal())
    reader.literal(b"\x82")
    address = reader.text(1, MAX_ADDRESS)
    certificate = reader.octets(1, MAX_STRUCTURE)
    reader.end()
    return DevicePayload(address, certificate)


def provider_payload(certificate: bytes, received_at: int, message_id: bytes) -> Secret:
    """The plaintext for a provider: the device's certificate octet for octet, Unix seconds, 16 octets.

    Raises ValueError for a time below 0 or a message id of another length.
    """
    if received_at < 0 or len(message_id) != MESSAGE_ID_OCTETS:
        message = "a provider's payload takes a time from 0 and a message id of 16 octets"
        raise ValueError(message)
    return Secret(cbor2.dumps([certificate, received_at, message_id]))
