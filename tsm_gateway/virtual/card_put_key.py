"""PUT KEY: three AES keys take the place of others (GlobalPlatform §11.8, Amendment D §7.2).

Data: new version number, then per key `88`, length, [key length,] cipher text, `03`, key check value.

The cipher text is AES-CBC with the static DEK of the session's key set and an IV of zeros; a key that does
not fill its last block is padded. The key check value is the head of 16 octets 01 enciphered with the key.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.card_apdu import Answer, Command, Refusal, Status
from tsm_gateway.virtual.card_state import KeySet

if TYPE_CHECKING:
    from tsm_gateway.virtual.card_session import Running

MULTIPLE = 0x80  # of P2: keys of this id and the ones behind it
_FIRST_KEY = 0x01
_KVNS = range(0x01, 0x70)  # 70 and above are for tokens, receipts and load file signatures
_KEYS = 3
_AES = 0x88
_KEY_OCTETS = (16, 24, 32)
_KCV_OCTETS = 3
_BLOCK = 16


def key_check_value(key: Secret) -> bytes:
    """The 3 octets that tell whether an AES key arrived (Amendment D §4.1.4)."""
    cipher = Cipher(AES(key.reveal()), ECB()).encryptor()  # noqa: S305 - one block, as the standard has it
    return cipher.update(b"\1" * _BLOCK)[:_KCV_OCTETS]


def put_key(running: Running, command: Command) -> Answer:
    """Add a key set (P1 00) or replace the one of version P1. Raises Refusal; then the old one stays."""
    state = running.state
    if command.p2 != MULTIPLE | _FIRST_KEY:
        raise Refusal(Status.WRONG_P1P2, "a key set is put whole: P2 is 81")
    if command.p1 and state.key_set(command.p1) is None:
        raise Refusal(Status.NOT_REFERENCED, f"no key set {command.p1:02X}")
    kvn = command.data[0] if command.data else 0
    if kvn not in _KVNS or (kvn != command.p1 and state.key_set(kvn)):
        raise Refusal(Status.WRONG_DATA, f"key version {kvn:02X} is taken, or none")
    keys = _read_keys(command.data[1:], running.channel.keys.dek)
    if len({len(key) for key in keys}) != 1:
        raise Refusal(Status.WRONG_DATA, "keys of several lengths")
    enc, mac, dek = keys
    new = KeySet(kvn, enc, mac, dek)
    kept = tuple(new if each.kvn == command.p1 else each for each in state.key_sets)
    running.state = replace(state, key_sets=kept if command.p1 else (*kept, new))
    return Answer(bytes([kvn]) + b"".join(map(key_check_value, keys)))


def _read_keys(octets: bytes, dek: Secret) -> list[Secret]:
    keys, at = [], 0
    for _ in range(_KEYS):
        if len(octets) < at + 2 or octets[at] != _AES:
            raise Refusal(Status.WRONG_DATA, "not three AES keys")
        end = at + 2 + octets[at + 1]
        key = _decipher(octets[at + 2 : end], octets[at + 1], dek)
        at = end + 1 + _KCV_OCTETS
        if octets[end:at] != bytes([_KCV_OCTETS]) + octets[end + 1 : at] or at > len(octets):
            raise Refusal(Status.WRONG_DATA, "a key check value of another length")
        if not hmac.compare_digest(octets[end + 1 : at], key_check_value(key)):
            raise Refusal(Status.WRONG_DATA, "the key check value is of another key")
        keys.append(key)
    if at != len(octets):
        raise Refusal(Status.WRONG_DATA, "octets behind the third key")
    return keys


def _decipher(field: bytes, length: int, dek: Secret) -> Secret:
    """One key. Its length stands ahead of the cipher text, or some hosts leave that away."""
    octets = field[0] if length % _BLOCK == 1 and field else length
    cipher_text = field[length % _BLOCK :]
    blocks = -(-octets // _BLOCK) * _BLOCK
    if octets not in _KEY_OCTETS or len(field) != length or len(cipher_text) != blocks:
        raise Refusal(Status.WRONG_DATA, "a key of another length")
    cipher = Cipher(AES(dek.reveal()), CBC(bytes(_BLOCK))).decryptor()
    return Secret((cipher.update(cipher_text) + cipher.finalize())[:octets])
