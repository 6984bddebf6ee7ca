"""COSE_Encrypt0 and COSE_Sign1 (RFC 9052) in the one spelling TSM-1 uses.

```
Encrypt0   83  43 A1 01 03   A2 04 44 <kid:4>  06 4n <PIV:1..5>   <ciphertext || tag:16 as a bstr>
Sign1      84  43 A1 01 26   A0   <payload as a bstr>   58 40 <r:32 || s:32>
```

Untagged; `alg` is A256GCM (3) and ES256 (-7) and nothing else; no `crit`, no further header. So both
headers are literals: whatever differs in one octet is Malformed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import cbor2

from tsm_gateway.envelope.cbor import Reader
from tsm_gateway.envelope.errors import Malformed

KID_OCTETS: Final = 4
TAG_OCTETS: Final = 16
SIGNATURE_OCTETS: Final = 64  # r || s, 32 octets each (RFC 9053 §2.1)
MAX_PIV: Final = (1 << 40) - 1  # five octets (RFC 8613 §7.2.1)
MAX_STRUCTURE: Final = 1024  # octets; the longest genuine packet has under 400

ENCRYPT0_PROTECTED: Final = bytes.fromhex("a10103")  # {alg: A256GCM}
SIGN1_PROTECTED: Final = bytes.fromhex("a10126")  # {alg: ES256}

_ENCRYPT0_HEAD: Final = bytes.fromhex("83 43a10103 a2 0444")  # up to the kid's octets
_ENCRYPT0_LEAST: Final = 32  # with a PIV of one octet and an empty plaintext
_SIGN1_HEAD: Final = bytes.fromhex("84 43a10126 a0")
_KID_END: Final = len(_ENCRYPT0_HEAD) + KID_OCTETS
_PIV_START: Final = _KID_END + 2
_PIV_LABEL: Final = 0x06
_BSTR: Final = 0x40


class Encrypt0(NamedTuple):
    """A sealed packet taken apart; nothing of it is secret."""

    kid: bytes  # 4 octets
    piv: int  # 0..MAX_PIV
    ciphertext: bytes  # with its tag, at least 16 octets


class Sign1(NamedTuple):
    """A signed statement taken apart."""

    payload: bytes
    signature: bytes  # r || s, 64 octets


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


def parse_sign1(octets: bytes) -> Sign1:
    """Take a COSE_Sign1 of at most MAX_STRUCTURE octets apart. Raises Malformed."""
    if len(octets) > MAX_STRUCTURE:
        raise Malformed
    reader = Reader(octets)
    reader.literal(_SIGN1_HEAD)
    payload = reader.octets(1, MAX_STRUCTURE)
    signature = reader.octets(SIGNATURE_OCTETS, SIGNATURE_OCTETS)
    reader.end()
    return Sign1(payload, signature)


def build_sign1(payload: bytes, signature: bytes) -> bytes:
    """Put a COSE_Sign1 together: `signature` is r || s, 64 octets."""
    return b"".join((_SIGN1_HEAD, cbor2.dumps(payload), cbor2.dumps(signature)))


def sig_structure(protected: bytes, payload: bytes, external_aad: bytes = b"") -> bytes:
    """The Sig_structure of a COSE_Sign1, which is what is signed (RFC 9052 §4.4)."""
    return cbor2.dumps(["Signature1", protected, external_aad, payload])
