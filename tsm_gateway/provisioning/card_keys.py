"""Key sets of a card: three AES keys, how they are diversified, checked and replaced.

| key | what it does |
|---|---|
| ENC | makes S-ENC and the card's pseudo-random challenges |
| MAC | makes S-MAC, S-RMAC and both cryptograms |
| DEK | encrypts keys that travel inside the channel; it is used as it is, no session key is made of it |

References: GlobalPlatform Card Specification 2.3 §11.8 (PUT KEY), its Amendment D §5.1 (parameter "i") and
§7.2 (AES keys in PUT KEY).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from tsm_gateway.provisioning.apdu import ANSWER_DATA, Command
from tsm_gateway.provisioning.card_errors import (
    CardAnswerMalformed,
    CardKeysMalformed,
    CardProtocolUnsupported,
    KeyCheckMismatch,
)
from tsm_gateway.provisioning.card_kdf import BLOCK, expand
from tsm_gateway.secret import Secret

KEY_LENGTHS: Final = (16, 24, 32)
CHECK_OCTETS: Final = 3
MAX_KVN: Final = 0x7F  # FF is a card's first set, as made: it is used and never put
_ANY_KVN: Final = range(256)

_AES_KEY: Final = 0x88  # key type, Card Specification table 11-16
_INS_PUT_KEY: Final = 0xD8
_THREE_FROM_KEY_1: Final = 0x81  # P2: more than one key, the first of them is key identifier 01
_ZERO_IV: Final = bytes(BLOCK)
_CHECK_BLOCK: Final = b"\x01" * BLOCK

# Who is who in the labels of KDF3.
_KDF3_ENC: Final = 1
_KDF3_MAC: Final = 2
_KDF3_DEK: Final = 3


@dataclass(frozen=True, slots=True)
class KeySet:
    """ENC, MAC and DEK, 16, 24 or 32 octets each and of equal length, under one key version number (0..255).

    Version 0 is nobody's: it asks for the card's first set. Raises CardKeysMalformed.
    """

    kvn: int
    enc: Secret
    mac: Secret
    dek: Secret

    def __post_init__(self) -> None:
        """Refuse what no card could hold."""
        lengths = {len(key) for key in (self.enc, self.mac, self.dek)}
        if len(lengths) != 1 or not lengths <= {*KEY_LENGTHS} or self.kvn not in _ANY_KVN:
            raise CardKeysMalformed(kvn=self.kvn)

    @property
    def length(self) -> int:
        """Octets of each key."""
        return len(self.enc)


class Protocol03(NamedTuple):
    """SCP03 as one card speaks it: its parameter "i" (Amendment D §5.1)."""

    i: int

    @classmethod
    def read(cls, i: int) -> Protocol03:
        """Take `i` unless it sets reserved bits or R-ENC without R-MAC. Raises CardProtocolUnsupported."""
        if i & ~0x71 or i & 0x60 == 0x40:  # noqa: PLR2004
            raise CardProtocolUnsupported(i=f"{i:02x}")
        return cls(i)

    @property
    def pseudo_random(self) -> bool:
        """Whether the card's challenges come of its keys and a counter, so that scripts can be prepared."""
        return bool(self.i & 0x10)

    @property
    def has_r_mac(self) -> bool:
        """Whether the card can authenticate its answers."""
        return bool(self.i & 0x20)

    @property
    def has_r_enc(self) -> bool:
        """Whether the card can encrypt its answers."""
        return self.i & 0x60 == 0x60  # noqa: PLR2004

    @property
    def s16(self) -> bool:
        """Whether challenges, cryptograms and MACs have 16 octets (S16), and not 8 (S8)."""
        return bool(self.i & 0x01)

    @property
    def mac_octets(self) -> int:
        """Octets of a challenge, of a cryptogram and of a MAC on the wire."""
        return 16 if self.s16 else 8


def check_value(key: Secret) -> bytes:
    """The key check value (3 octets) of an AES key: the beginning of sixteen octets 01 encrypted under it."""
    return _encrypted(key, _CHECK_BLOCK)[:CHECK_OCTETS]


def diversify(master: Secret, data: bytes, kvn: int, length: int) -> KeySet:
    """The key set of one card out of the issuer's `master` and the card's diversification `data`.

    `data` is what the card states in its answer to INITIALIZE UPDATE (10 octets), or what a manifest names.
    SP 800-108 in counter mode with AES-CMAC in the layout of GlobalPlatformPro's "KDF3": counter (1 octet),
    label 00 00 00 n (n = 1 ENC, 2 MAC, 3 DEK), 00, `data`. The length is not part of it, so keys of 16 octets
    are the beginning of those of 32: an issuer uses one length only. Raises CardKeysMalformed.
    """
    if len(master) not in KEY_LENGTHS or length not in KEY_LENGTHS or not data:
        raise CardKeysMalformed(kvn=kvn)
    enc, mac, dek = (
        Secret(expand(master, b"", purpose.to_bytes(4, "big") + b"\x00" + data, length))
        for purpose in (_KDF3_ENC, _KDF3_MAC, _KDF3_DEK)
    )
    return KeySet(kvn, enc, mac, dek)


def put_key(new: KeySet, current: KeySet, *, replaces: int) -> Command:
    """PUT KEY of the whole `new` set (kvn 1..127), encrypted under the DEK of the `current` one.

    `replaces` is the key version number that goes, 0 where `new` is added (and takes the place of a set FF).
    Data: the new version number, then for ENC, MAC and DEK `88 <length> <key length> <encrypted> 03 <check
    value>`; AES-CBC with a zero IV, keys of 24 octets padded with zeros to 32. The key length is always
    there, as GlobalPlatformPro and kaoh/globalplatform send it; a host that leaves it out where nothing is
    padded (yubikit) is read by a card of Card Specification 2.3 just the same. Wrap it: check values and
    versions are clear. Raises CardKeysMalformed when a version number is none that can be put.
    """
    if not (1 <= new.kvn <= MAX_KVN and 0 <= replaces <= MAX_KVN):
        raise CardKeysMalformed(kvn=new.kvn)
    fields = b"".join(_key_field(key, current.dek) for key in (new.enc, new.mac, new.dek))
    data = bytes((new.kvn,)) + fields
    return Command(0x80, _INS_PUT_KEY, replaces, _THREE_FROM_KEY_1, data, ANSWER_DATA)


def read_put_key_answer(data: bytes, new: KeySet) -> None:
    """Check that the card (`data`: version number and three check values, 10 octets) holds `new` now.

    Raises CardAnswerMalformed, KeyCheckMismatch.
    """
    if len(data) != 1 + 3 * CHECK_OCTETS:
        raise CardAnswerMalformed(length=len(data))
    expected = bytes((new.kvn,)) + b"".join(check_value(key) for key in (new.enc, new.mac, new.dek))
    if not hmac.compare_digest(data, expected):
        raise KeyCheckMismatch(kvn=new.kvn)


def _key_field(key: Secret, dek: Secret) -> bytes:
    padded = key.reveal() + bytes(-len(key) % BLOCK)
    encrypted = _encrypted(dek, padded)
    key_data = bytes((_AES_KEY, 1 + len(encrypted), len(key))) + encrypted
    return key_data + bytes((CHECK_OCTETS,)) + check_value(key)


def _encrypted(key: Secret, blocks: bytes) -> bytes:
    return Cipher(AES(key.reveal()), CBC(_ZERO_IV)).encryptor().update(blocks)
