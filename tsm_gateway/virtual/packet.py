"""The TSM-1 sealed packet (design §5.2), written from its hexadecimal picture.

`83  43 A10103  A2 04 44 kid:4 06 4n PIV:1..5  <ciphertext || tag:16>`
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tsm_gateway.virtual.cbor_literal import decode, encode
from tsm_gateway.virtual.cose_literal import A256GCM, as_list, enc_structure, octet_string
from tsm_gateway.virtual.errors import CounterExhausted, FormatMalformed, PacketNotAuthentic

if TYPE_CHECKING:
    from tsm_gateway.secret import Secret

KID_OCTETS = 4
PIV_OCTETS = 5
MAX_PIV = 2**40 - 1
_KEY_OCTETS, _IV_OCTETS, _TAG_OCTETS = 32, 12, 16


class Direction(IntEnum):
    """Who seals for whom; part of what is authenticated."""

    DEVICE_TO_TSM = 0
    TSM_TO_DEVICE = 1
    TSM_TO_PROVIDER = 2
    PROVIDER_TO_TSM = 3


LABELS = {
    Direction.DEVICE_TO_TSM: "up",
    Direction.TSM_TO_DEVICE: "down",
    Direction.TSM_TO_PROVIDER: "to provider",
    Direction.PROVIDER_TO_TSM: "from provider",
}


class Packet(NamedTuple):
    """A packet read and not opened."""

    kid: bytes  # 4 octets
    piv: int
    ciphertext: bytes  # with its tag of 16 octets


def derive(key: Secret, kid: bytes, label: str, length: int) -> bytes:
    """HKDF-SHA256 with salt `kid` and info CBOR ["tsm-1", label, length] (design §6)."""
    info = encode(["tsm-1", label, length])
    return HKDF(algorithm=SHA256(), length=length, salt=kid, info=info).derive(key.reveal())


def nonce(iv: bytes, kid: bytes, piv: bytes) -> bytes:
    """The nonce of one packet (RFC 8613 §5.2): `iv` of n octets xor (len(kid) || kid || PIV), padded left."""
    wide = len(iv) - PIV_OCTETS - 1  # what is left for the id
    mask = bytes((len(kid),)) + kid.rjust(wide, b"\0") + piv.rjust(PIV_OCTETS, b"\0")
    return (int.from_bytes(iv, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(iv), "big")


def piv_octets(piv: int) -> bytes:
    """`piv` big-endian without a leading zero octet; 0 is one zero octet. Raises CounterExhausted."""
    if not 0 <= piv <= MAX_PIV:
        raise CounterExhausted
    return piv.to_bytes(max(1, (piv.bit_length() + 7) // 8), "big")


class Traffic:
    """One direction of one key: cipher, IV and additional data, made once."""

    __slots__ = ("_aad", "_cipher", "_iv", "kid")

    def __init__(self, key: Secret, kid: bytes, direction: Direction, owner: str, port: int) -> None:
        """`key` 32 octets, `kid` 4, `owner` the device id or provider name, `port` the application port."""
        label = LABELS[direction]
        self.kid = kid
        self._cipher = AESGCM(derive(key, kid, f"{label} key", _KEY_OCTETS))
        self._iv = derive(key, kid, f"{label} iv", _IV_OCTETS)
        self._aad = enc_structure(A256GCM, encode([1, int(direction), owner, port]))

    def __repr__(self) -> str:
        """Name the key, never show it."""
        return f"Traffic(kid={self.kid.hex()})"

    def seal(self, plaintext: bytes, piv: int) -> bytes:
        """The packet over `plaintext`; `piv` must never have been used with this key before."""
        counter = piv_octets(piv)
        sealed = self._cipher.encrypt(nonce(self._iv, self.kid, counter), plaintext, self._aad)
        header = b"\xa2\x04" + octet_string(self.kid) + b"\x06" + octet_string(counter)
        return b"\x83" + octet_string(A256GCM) + header + octet_string(sealed)

    def open(self, packet: Packet) -> bytes:
        """The plaintext of `packet`. Raises PacketNotAuthentic, for another key as for a changed octet."""
        try:
            this_nonce = nonce(self._iv, packet.kid, piv_octets(packet.piv))
            return self._cipher.decrypt(this_nonce, packet.ciphertext, self._aad)
        except InvalidTag:
            raise PacketNotAuthentic from None


def read_packet(octets: bytes) -> Packet:
    """Take a packet apart. Raises FormatMalformed."""
    protected, unprotected, ciphertext = as_list(decode(octets), 3)
    match unprotected:
        case {4: bytes(kid), 6: bytes(piv), **others} if not others:
            value = int.from_bytes(piv, "big")
        case _:
            raise FormatMalformed(what="unprotected header")
    if len(kid) != KID_OCTETS or len(piv) > PIV_OCTETS or piv != piv_octets(value):
        raise FormatMalformed(what="kid or PIV")
    if protected != A256GCM or not isinstance(ciphertext, bytes) or len(ciphertext) < _TAG_OCTETS:
        raise FormatMalformed(what="protected header or ciphertext")
    return Packet(kid, value, ciphertext)
