"""The card's end of a secure channel: SCP03, GlobalPlatform Amendment D.

Session keys come out of the static ones by the counter-mode KDF of NIST SP 800-108 with AES-CMAC. Per block:
11 octets 00, constant, 00, L in bits (2), block number (1), host challenge || card challenge.

| constant | derives |
|---|---|
| 00, 01 | card cryptogram, host cryptogram |
| 02 | the pseudo-random card challenge; its context is sequence counter || AID |
| 04, 06, 07 | S-ENC, S-MAC, S-RMAC |

Every command steps the encryption counter, with data or without. MACs are chained by their full 16 octets;
8 of them are sent, or all 16 (S16).
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from tsm_gateway.virtual.card_apdu import SECURE_MESSAGING, Answer, Command, Refusal, Status

if TYPE_CHECKING:
    from tsm_gateway.virtual.card_state import KeySet

S16, PSEUDO_RANDOM, HAS_R_MAC, HAS_R_ENC = 0x01, 0x10, 0x20, 0x40  # bits of "i"
C_MAC, C_ENC, R_MAC, R_ENC = 0x01, 0x02, 0x10, 0x20  # bits of a security level
LEVELS = (0x00, 0x01, 0x03, 0x11, 0x13, 0x33)
_CARD_CRYPTOGRAM, _HOST_CRYPTOGRAM, _CARD_CHALLENGE = 0x00, 0x01, 0x02
_S_ENC, _S_MAC, _S_RMAC = 0x04, 0x06, 0x07
_BLOCK = 16
_RESPONSE = 1 << 127  # top bit of the counter block: a response
_PAD = b"\x80"


def derive(key: bytes, constant: int, context: bytes, octets: int) -> bytes:
    """`octets` derived out of `key` (Amendment D §4.1.5)."""
    out = b""
    while len(out) < octets:
        mac = CMAC(AES(key))
        mac.update(bytes(11) + bytes([constant, 0]) + (octets * 8).to_bytes(2, "big"))
        mac.update(bytes([len(out) // _BLOCK + 1]) + context)
        out += mac.finalize()
    return out[:octets]


def challenge_length(protocol: int) -> int:
    """Octets of challenges, cryptograms and MACs: 8 or 16."""
    return _BLOCK if protocol & S16 else _BLOCK // 2


def is_level(level: int, protocol: int) -> bool:
    """Whether a card of parameter `protocol` can work at security level `level`."""
    enough = protocol & HAS_R_MAC or not level & R_MAC
    return level in LEVELS and bool(enough) and bool(protocol & HAS_R_ENC or not level & R_ENC)


def pseudo_random(keys: KeySet, sd_aid: bytes, octets: int) -> bytes:
    """The card challenge that `keys.sequence` makes."""
    return derive(keys.enc.reveal(), _CARD_CHALLENGE, keys.sequence.to_bytes(3, "big") + sd_aid, octets)


class Handshake(NamedTuple):
    """A session between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE."""

    keys: KeySet
    s_enc: bytes
    s_mac: bytes
    s_rmac: bytes
    card_cryptogram: bytes
    host_cryptogram: bytes

    def __repr__(self) -> str:
        """Name the key set, show nothing else."""
        return f"Handshake({self.keys!r})"


def shake(keys: KeySet, host_challenge: bytes, card_challenge: bytes) -> Handshake:
    """Derive everything of one session."""
    context, octets = host_challenge + card_challenge, len(keys.enc)
    s_mac = derive(keys.mac.reveal(), _S_MAC, context, octets)
    return Handshake(
        keys=keys,
        s_enc=derive(keys.enc.reveal(), _S_ENC, context, octets),
        s_mac=s_mac,
        s_rmac=derive(keys.mac.reveal(), _S_RMAC, context, octets),
        card_cryptogram=derive(s_mac, _CARD_CRYPTOGRAM, context, len(host_challenge)),
        host_cryptogram=derive(s_mac, _HOST_CRYPTOGRAM, context, len(host_challenge)),
    )


class SecureChannel:
    """An open session; it ends for good with the first command that is not authentic."""

    def __init__(self, shaken: Handshake, mac_octets: int) -> None:
        """`mac_octets`: 8, or 16 in S16 mode. Security level 00 until `level` is set."""
        self.keys = shaken.keys
        self.level = 0
        self._host_cryptogram = shaken.host_cryptogram
        self._s_enc = AES(shaken.s_enc)
        self._counters = Cipher(self._s_enc, ECB()).encryptor()  # noqa: S305 - block by block, a counter
        self._c_mac, self._r_mac = CMAC(AES(shaken.s_mac)), CMAC(AES(shaken.s_rmac))  # copied for each use
        self._mac_octets = mac_octets
        self._chain = bytes(_BLOCK)
        self._counter = 0

    def __repr__(self) -> str:
        """Level and key set, nothing else."""
        return f"SecureChannel(level={self.level:02X}, {self.keys!r})"

    def authenticate(self, command: Command) -> bool:
        """Whether `command`, EXTERNAL AUTHENTICATE, has the right cryptogram and C-MAC."""
        cryptogram = self._without_mac(command)
        return cryptogram is not None and hmac.compare_digest(cryptogram, self._host_cryptogram)

    def unwrap(self, command: Command) -> Command:
        """The plain command in `command`. Raises Refusal (6982): end the session then."""
        self._counter += 1
        if not self.level & C_MAC:
            return command
        if not command.is_secured:
            raise Refusal(Status.NOT_SECURE, "no C-MAC within a session")
        data = self._without_mac(command)
        if data is None:
            raise Refusal(Status.NOT_SECURE, "wrong C-MAC")
        if data and self.level & C_ENC:
            data = self._decipher(data)
        cla, ins, p1, p2, _, expected, is_extended = command  # `_replace` takes as long as the cipher does
        return Command(cla & ~SECURE_MESSAGING, ins, p1, p2, data, expected, is_extended)

    def wrap(self, answer: Answer) -> Answer:
        """`answer` as the level protects it. Errors are refusals, and go without passing here."""
        if not self.level & R_MAC:
            return answer
        data = answer.data
        if data and self.level & R_ENC:
            padded = (data + _PAD).ljust(len(data) // _BLOCK * _BLOCK + _BLOCK, b"\0")
            cipher = self._cbc(self._counter | _RESPONSE).encryptor()
            data = cipher.update(padded) + cipher.finalize()
        mac = self._r_mac.copy()
        mac.update(self._chain + data + answer.status.to_bytes(2, "big"))
        return Answer(data + mac.finalize()[: self._mac_octets], answer.status)

    def _without_mac(self, command: Command) -> bytes | None:
        """The data field ahead of the C-MAC, None when that is wrong; the chain steps only if it is right."""
        cut = len(command.data) - self._mac_octets
        if cut < 0:
            return None
        length = len(command.data)
        lc = b"\0" + length.to_bytes(2, "big") if command.is_extended else bytes([length])
        mac = self._c_mac.copy()
        mac.update(self._chain + bytes([command.cla, command.ins, command.p1, command.p2]))
        mac.update(lc + command.data[:cut])
        whole = mac.finalize()
        if not hmac.compare_digest(whole[: self._mac_octets], command.data[cut:]):
            return None
        self._chain = whole
        return command.data[:cut]

    def _decipher(self, data: bytes) -> bytes:
        if len(data) % _BLOCK:
            raise Refusal(Status.NOT_SECURE, "a data field of broken blocks")
        cipher = self._cbc(self._counter).decryptor()
        padded = (cipher.update(data) + cipher.finalize()).rstrip(b"\0")
        if not padded.endswith(_PAD) or len(data) - len(padded) >= _BLOCK:
            raise Refusal(Status.NOT_SECURE, "wrong padding")
        return padded[:-1]

    def _cbc(self, counter: int) -> Cipher[CBC]:
        return Cipher(self._s_enc, CBC(self._counters.update(counter.to_bytes(_BLOCK, "big"))))
