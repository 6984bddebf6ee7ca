"""A card's half of SCP03, written out literally for the tests: nothing here is taken from the gateway.

CMAC is RFC 4493's text over single AES blocks, the rest Amendment D's; octets go in and come out as the
card sees them. It checks what it is sent by `assert`.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB


def block(key: bytes, octets: bytes) -> bytes:
    return Cipher(AES(key), ECB()).encryptor().update(octets)  # noqa: S305  # the bare cipher is meant


def cmac(key: bytes, message: bytes) -> bytes:
    def doubled(octets: bytes) -> bytes:
        number = int.from_bytes(octets, "big") << 1
        return ((number & (2**128 - 1)) ^ (0x87 if number >> 128 else 0)).to_bytes(16, "big")

    k1 = doubled(block(key, bytes(16)))
    k2 = doubled(k1)
    whole = bool(message) and len(message) % 16 == 0
    if not whole:
        message += b"\x80"
        message += bytes(-len(message) % 16)
    last = bytes(a ^ b for a, b in zip(message[-16:], k1 if whole else k2, strict=True))
    chain = bytes(16)
    for piece in (*(message[at : at + 16] for at in range(0, len(message) - 16, 16)), last):
        chain = block(key, bytes(a ^ b for a, b in zip(chain, piece, strict=True)))
    return chain


def kdf(key: bytes, constant: int, context: bytes, octets: int) -> bytes:
    out = b""
    for number in range(1, 3):
        head = bytes(11) + bytes([constant, 0]) + (8 * octets).to_bytes(2, "big") + bytes([number])
        out += cmac(key, head + context)
    return out[:octets]


class Card:
    """One card with one key set; `i` says how it speaks SCP03."""

    def __init__(
        self, enc: bytes, mac: bytes, *, i: int, kvn: int = 0x30, sd_aid: bytes = b"\xa0" * 8
    ) -> None:
        self.enc, self.mac, self.i, self.kvn, self.sd_aid = enc, mac, i, kvn, sd_aid
        self.size = 16 if i & 1 else 8
        self.level = 0
        self.counter = 0
        self.chain = bytes(16)

    def greet(self, host: bytes, *, seq: int = 1, random: bytes | None = None) -> bytes:
        """The answer to INITIALIZE UPDATE with the challenge `host`."""
        count = seq.to_bytes(3, "big") if self.i & 0x10 else b""
        challenge = random or kdf(self.enc, 2, count + self.sd_aid, self.size)
        self.context = host + challenge
        self.s_enc = kdf(self.enc, 4, self.context, len(self.enc))
        self.s_mac = kdf(self.mac, 6, self.context, len(self.mac))
        self.s_rmac = kdf(self.mac, 7, self.context, len(self.mac))
        cryptogram = kdf(self.s_mac, 0, self.context, self.size)
        return bytes(10) + bytes([self.kvn, 3, self.i]) + challenge + cryptogram + count + b"\x90\x00"

    def authenticate(self, octets: bytes) -> bytes:
        """Take EXTERNAL AUTHENTICATE."""
        assert octets[:2] == b"\x84\x82"
        assert octets[3] == 0
        assert self._checked(octets) == kdf(self.s_mac, 1, self.context, self.size)
        self.level = octets[2]
        return b"\x90\x00"

    def take(self, octets: bytes) -> bytes:
        """The data of a wrapped command, in clear."""
        data = self._checked(octets)
        self.counter += 1
        if data and self.level & 2:
            padded = self._cbc(self.counter).decryptor().update(data)
            data = padded.rstrip(b"\x00")
            assert data[-1:] == b"\x80"
            data = data[:-1]
        return data

    def answer(self, data: bytes, sw: bytes = b"\x90\x00", *, pad: bool = True) -> bytes:
        """The octets of an answer to the command taken last."""
        if data and self.level & 0x20:
            if pad:
                data += b"\x80" + bytes(-(len(data) + 1) % 16)
            data = self._cbc(self.counter | 1 << 127).encryptor().update(data)
        mac = cmac(self.s_rmac, self.chain + data + sw)[: self.size] if self.level & 0x10 else b""
        return data + mac + sw

    def _checked(self, octets: bytes) -> bytes:
        """The data before its C-MAC, which is right; an Le may follow."""
        lc = octets[4]
        body, rest = octets[5 : 5 + lc], octets[5 + lc :]
        assert len(body) == lc
        assert len(rest) <= 1
        self.chain = cmac(self.s_mac, self.chain + octets[:5] + body[: -self.size])
        assert body[-self.size :] == self.chain[: self.size]
        return body[: -self.size]

    def _cbc(self, counter: int) -> Cipher[CBC]:
        return Cipher(AES(self.s_enc), CBC(block(self.s_enc, counter.to_bytes(16, "big"))))
