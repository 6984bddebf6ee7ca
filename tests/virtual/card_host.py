"""A host of smart cards for the tests of the virtual card; nothing of it is taken from either side.

Commands are CLA INS P1 P2 and data; sessions are SCP03 as Amendment D has it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.virtual.card import Card
    from tsm_gateway.virtual.card_state import KeySet

ISD = bytes.fromhex("A000000151000000")
PACKAGE = bytes.fromhex("F0112233445500")
APPLET = PACKAGE + b"\x01"
HOST_CHALLENGE = bytes(range(16))


class Reply(NamedTuple):
    data: bytes
    sw: int


def lv(*fields: bytes) -> bytes:
    return b"".join(bytes([len(field)]) + field for field in fields)


def tlv(tag: str, value: bytes) -> bytes:
    size = len(value)
    if size < 0x80:
        return bytes.fromhex(tag) + bytes([size]) + value
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes.fromhex(tag) + bytes([0x80 | len(octets)]) + octets + value


def kdf(key: bytes, constant: int, context: bytes, octets: int) -> bytes:
    out = b""
    for block in (1, 2):
        mac = CMAC(AES(key))
        mac.update(
            bytes(11) + bytes([constant, 0]) + (8 * octets).to_bytes(2, "big") + bytes([block]) + context
        )
        out += mac.finalize()
    return out[:octets]


def component(tag: int, info: bytes) -> bytes:
    return bytes([tag]) + len(info).to_bytes(2, "big") + info


def load_file(
    package: bytes = PACKAGE,
    applets: Sequence[bytes] = (APPLET,),
    *,
    code: int = 600,
    version: tuple[int, int] = (1, 0),
) -> bytes:
    """A load file data block with `code` octets of methods, such as no virtual machine would run."""
    flags = 4 if applets else 0
    parts = {1: bytes.fromhex("DECAFFED0102") + bytes([flags, version[1], version[0]]) + lv(package)}
    parts |= {2: bytes(31), 4: b"\0"}
    if applets:
        parts[3] = bytes([len(applets)]) + b"".join(lv(aid) + b"\0\x08" for aid in applets)
    parts |= {6: b"\0" * 8, 7: b"\x5a" * code, 8: bytes(10), 5: bytes(2), 9: bytes(4)}
    sizes = bytearray(24)
    for tag, info in parts.items():
        sizes[2 * tag - 2 : 2 * tag] = len(info).to_bytes(2, "big")
    parts[2] = bytes(sizes) + bytes(7)
    order = [tag for tag in (1, 2, 4, 3, 6, 7, 8, 10, 5, 9, 11) if tag in parts]
    return b"".join(component(tag, parts[tag]) for tag in order)


class Host:
    """A host with a card; `open` begins a session, and from then on `send` secures what it sends."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.level: int | None = None
        self.counter = 0
        self.chain = bytes(16)

    def raw(self, apdu: bytes | str) -> Reply:
        answer = self.card.transmit(bytes.fromhex(apdu) if isinstance(apdu, str) else apdu)
        return Reply(answer[:-2], int.from_bytes(answer[-2:], "big"))

    def select(self, aid: bytes = ISD) -> Reply:
        self.level = None
        return self.raw(bytes.fromhex("00A40400") + (lv(aid) if aid else b"") + b"\0")

    def initialize(self, keys: KeySet, kvn: int | None = None) -> Reply:
        """INITIALIZE UPDATE; the session's keys derive from what the card answers."""
        self.size = 16 if self.card.state.profile.protocol & 1 else 8
        challenge = HOST_CHALLENGE[: self.size]
        reply = self.raw(bytes([0x80, 0x50, keys.kvn if kvn is None else kvn, 0]) + lv(challenge) + b"\0")
        self.context = challenge + reply.data[13 : 13 + self.size]
        enc, mac = keys.enc.reveal(), keys.mac.reveal()
        self.s_enc = kdf(enc, 4, self.context, len(enc))
        self.s_mac = kdf(mac, 6, self.context, len(mac))
        self.s_rmac = kdf(mac, 7, self.context, len(mac))
        return reply

    def external(self, level: int) -> bytes:
        """The EXTERNAL AUTHENTICATE that fits the last INITIALIZE UPDATE."""
        cryptogram = kdf(self.s_mac, 1, self.context, self.size)
        head = bytes([0x84, 0x82, level, 0, 2 * self.size]) + cryptogram
        mac = CMAC(AES(self.s_mac))
        mac.update(bytes(16) + head)
        self.chain, self.counter = mac.finalize(), 0
        return head + self.chain[: self.size]

    def open(self, keys: KeySet, level: int = 0x33) -> None:
        """Select the security domain and open a session with it."""
        assert self.select().sw in {0x9000, 0x6283}
        assert self.initialize(keys).sw == 0x9000
        assert self.raw(self.external(level)) == (b"", 0x9000)
        self.level = level

    def secured(self, head: bytes, data: bytes = b"", *, pad_empty: bool = False) -> bytes:
        """The command with C-MAC and, at that level, enciphered."""
        assert self.level is not None
        self.counter += 1
        if self.level & 2 and (data or pad_empty):
            padded = data + b"\x80" + bytes(-(len(data) + 1) % 16)
            data = self._cbc(self.counter).encryptor().update(padded)
        cla = head[0] | 4
        whole = bytes([cla]) + head[1:] + bytes([len(data) + self.size]) + data
        mac = CMAC(AES(self.s_mac))
        mac.update(self.chain + whole)
        self.chain = mac.finalize()
        return whole + self.chain[: self.size]

    def unwrap(self, reply: Reply) -> Reply:
        """The plain reply; asserts that its R-MAC is right."""
        assert self.level is not None
        if not self.level & 0x10 or reply.sw >> 8 not in {0x90, 0x62, 0x63}:
            return reply
        data, got = reply.data[: -self.size], reply.data[-self.size :]
        mac = CMAC(AES(self.s_rmac))
        mac.update(self.chain + data + reply.sw.to_bytes(2, "big"))
        assert got == mac.finalize()[: self.size]
        if data and self.level & 0x20:
            padded = self._cbc(self.counter | 1 << 127).decryptor().update(data)
            data = padded[: padded.rindex(b"\x80")]
        return Reply(data, reply.sw)

    def send(self, head: str, data: bytes = b"", *, pad_empty: bool = False) -> Reply:
        """A command of CLA INS P1 P2 in hexadecimal and `data`, secured within a session."""
        octets = bytes.fromhex(head)
        if not self.level:
            return self.raw(octets + (lv(data) if data else b"") + b"\0")
        return self.unwrap(self.raw(self.secured(octets, data, pad_empty=pad_empty) + b"\0"))

    def _cbc(self, counter: int) -> Cipher[CBC]:
        block = Cipher(AES(self.s_enc), ECB()).encryptor().update(counter.to_bytes(16, "big"))  # noqa: S305
        return Cipher(AES(self.s_enc), CBC(block))

    # content

    def begin_load(self, block: bytes, aid: bytes = PACKAGE, *, domain: bytes = ISD, **other: bytes) -> Reply:
        digest = other.get("digest", hashlib.sha256(block).digest())
        parameters = other.get("parameters", tlv("EF", tlv("C6", len(block).to_bytes(4, "big"))))
        return self.send("80E60200", lv(aid, domain, digest, parameters, other.get("token", b"")))

    def load(self, block: bytes, daps: Sequence[bytes] = (), *, size: int = 200) -> Reply:
        """Every LOAD block up to the first refusal; the reply to the last one sent."""
        octets = b"".join(daps) + tlv("C4", block)
        pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
        reply = Reply(b"", 0)
        for number, piece in enumerate(pieces):
            last = 0x80 if number == len(pieces) - 1 else 0
            reply = self.send(f"80E8{last:02X}{number % 256:02X}", piece)
            if reply.sw != 0x9000:
                break
        return reply

    def install(
        self, instance: bytes = APPLET, *, module: bytes = APPLET, package: bytes = PACKAGE, p1: int = 0x0C
    ) -> Reply:
        return self.send(f"80E6{p1:02X}00", lv(package, module, instance, b"\0", tlv("C9", b""), b""))

    def put_application(self, block: bytes, daps: Sequence[bytes] = ()) -> None:
        """Load and install, all of which has to work."""
        assert self.begin_load(block).sw == 0x9000
        assert self.load(block, daps) == (b"\0", 0x9000)
        assert self.install() == (b"\0", 0x9000)


def dap(signature: bytes, domain: bytes = ISD) -> bytes:
    return tlv("E2", tlv("4F", domain) + tlv("C3", signature))
