"""COSE_Encrypt0 and COSE_Sign1 (RFC 9052) in the one spelling TSM-1 uses.

```
Encrypt0   83  43 A1 01 03   A2 04 44 <kid:4>  06 4n <PIV:1..5>   <ciphertext || tag:16 as a bstr>
Sign1      84  <protected>   A0   <payload as a bstr>   <signature as a bstr>
```

| alg | protected | signature | of |
|---|---|---|---|
| ES256 (-7) | 43 A1 01 26 | 64: r:32, s:32 (RFC 9053 §2.1) | EC P-256 |
| EdDSA (-8) | 43 A1 01 27 | 64 (RFC 9053 §2.2) | Ed25519 |
| PS256 (-37) | 44 A1 01 38 24 | 256..512: as long as the modulus (RFC 8230 §2) | RSA |

Untagged; `alg` is A256GCM (3) in the one and of this table in the other; no `crit`, no further header. So
all headers are literals: whatever differs in one octet is Malformed. Which of the three algorithms a
signature must have is no choice of its writer but follows from the key (signature.py).
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

import cbor2

from tsm_gateway.envelope.cbor import Reader
from tsm_gateway.envelope.errors import Malformed

KID_OCTETS: Final = 4
TAG_OCTETS: Final = 16
MAX_PIV: Final = (1 << 40) - 1  # five octets (RFC 8613 §7.2.1)
MAX_STRUCTURE: Final = 1024  # octets; the longest genuine packet, by RSA of 4096 bits, has under 900

ENCRYPT0_PROTECTED: Final = bytes.fromhex("a10103")  # {alg: A256GCM}

_ENCRYPT0_HEAD: Final = bytes.fromhex("83 43a10103 a2 0444")  # up to the kid's octets
_ENCRYPT0_LEAST: Final = 32  # with a PIV of one octet and an empty plaintext
_KID_END: Final = len(_ENCRYPT0_HEAD) + KID_OCTETS
_PIV_START: Final = _KID_END + 2
_PIV_LABEL: Final = 0x06
_BSTR: Final = 0x40


class SignatureAlgorithm(Enum):
    """How a statement is signed: COSE's number, then the least and most octets of a signature."""

    ES256 = (-7, 64, 64)  # ECDSA over P-256 with SHA-256
    EDDSA = (-8, 64, 64)  # Ed25519
    PS256 = (-37, 256, 512)  # RSASSA-PSS with SHA-256, MGF1-SHA-256 and a salt of 32 octets

    def __init__(self, number: int, least: int, most: int) -> None:
        """Spell the headers once."""
        self.number, self.least, self.most = number, least, most
        self.protected = cbor2.dumps({1: number})
        self.head = b"\x84" + cbor2.dumps(self.protected) + b"\xa0"  # up to the payload


_ALGORITHMS: Final = tuple(SignatureAlgorithm)  # the commonest first


class Encrypt0(NamedTuple):
    """A sealed packet taken apart; nothing of it is secret."""

    kid: bytes  # 4 octets
    piv: int  # 0..MAX_PIV
    ciphertext: bytes  # with its tag, at least 16 octets


class Sign1(NamedTuple):
    """A signed statement taken apart."""

    payload: bytes
    signature: bytes  # as long as the table says
    algorithm: SignatureAlgorithm

    @property
    def signed(self) -> bytes:
        """The Sig_structure: what the signature is over."""
        return sig_structure(self.algorithm.protected, self.payload)


def parse_encrypt0(octets: bytes) -> Encrypt0:
    """Take a COSE_Encrypt0 of at most MAX_STRUCTURE octets apart. Raises Malformed."""
    if not _ENCRYPT0_LEAST <= len(octets) <= MAX_STRUCTURE or not octets.startswith(_ENCRYPT0_HEAD):
        raise Malformed
    size = octets[_KID_END + 1] - _BSTR
    if octets[_KID_END] != _PIV_LABEL or not 1 <= size <= 5:  # noqa: PLR2004  # the layout's 4n
        raise Malformed
    if size > 1 and not octets[_PIV_START]:
        raise Malformed  # a leading zero octet is a second spelling; zero itself is the one octet 00
    piv_end = _PIV_START + size
    reader = Reader(octets, piv_end)
    ciphertext = reader.octets(TAG_OCTETS, MAX_STRUCTURE)
    reader.end()
    kid = octets[len(_ENCRYPT0_HEAD) : _KID_END]
    return Encrypt0(kid, int.from_bytes(octets[_PIV_START:piv_end], "big"), ciphertext)


def build_encrypt0(kid: bytes, piv: int, ciphertext: bytes) -> bytes:
    """Put a COSE_Encrypt0 together: `kid` 4 octets, `piv` 0..MAX_PIV, `ciphertext` with its tag."""
    counter = piv.to_bytes((piv.bit_length() + 7) // 8 or 1, "big")
    return b"".join(
        (_ENCRYPT0_HEAD, kid, bytes((_PIV_LABEL, _BSTR + len(counter))), counter, cbor2.dumps(ciphertext))
    )


def enc_structure(protected: bytes, external_aad: bytes) -> bytes:
    """The Enc_structure of a COSE_Encrypt0, which its AEAD authenticates (RFC 9052 §5.3)."""
    return cbor2.dumps(["Encrypt0", protected, external_aad])


def parse_sign1(octets: bytes, most: int = MAX_STRUCTURE) -> Sign1:
    """Take a COSE_Sign1 of at most `most` octets apart. Raises Malformed."""
    if len(octets) > most:
        raise Malformed
    algorithm = _sign1_algorithm(octets)
    reader = Reader(octets, len(algorithm.head))
    payload = reader.octets(1, most)
    signature = reader.octets(algorithm.least, algorithm.most)
    reader.end()
    return Sign1(payload, signature, algorithm)


def _sign1_algorithm(octets: bytes) -> SignatureAlgorithm:
    for algorithm in _ALGORITHMS:
        if octets.startswith(algorithm.head):
            return algorithm
    raise Malformed


def build_sign1(
    payload: bytes, signature: bytes, algorithm: SignatureAlgorithm = SignatureAlgorithm.ES256
) -> bytes:
    """Put a COSE_Sign1 together: `signature` is as long as the table says."""
    return b"".join((algorithm.head, cbor2.dumps(payload), cbor2.dumps(signature)))


def sig_structure(protected: bytes, payload: bytes, external_aad: bytes = b"") -> bytes:
    """The Sig_structure of a COSE_Sign1, which is what is signed (RFC 9052 §4.4)."""
    return cbor2.dumps(["Signature1", protected, external_aad, payload])
