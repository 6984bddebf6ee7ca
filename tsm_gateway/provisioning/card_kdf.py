"""The key derivation of SCP03: NIST SP 800-108 in counter mode with AES-CMAC.

GlobalPlatform Card Specification, Amendment D, §4.1.5: one block of output is the CMAC of

```
00 (11 times)  constant   00   L (2 octets, bits of output)   counter (01, 02, …)   context
```

Session keys, cryptograms and the pseudo-random card challenge differ by the constant alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

if TYPE_CHECKING:
    from tsm_gateway.secret import Secret

BLOCK: Final = 16  # octets of one CMAC, and of one AES block

CARD_CRYPTOGRAM: Final = 0x00
HOST_CRYPTOGRAM: Final = 0x01
CARD_CHALLENGE: Final = 0x02
S_ENC: Final = 0x04
S_MAC: Final = 0x06
S_RMAC: Final = 0x07

_LABEL: Final = bytes(11)
_SEPARATOR: Final = b"\x00"


def derive(key: Secret, constant: int, context: bytes, length: int) -> bytes:
    """`length` octets (1 to 32) for one purpose under `key` (16, 24 or 32 octets)."""
    ahead = _LABEL + bytes((constant,)) + _SEPARATOR + (8 * length).to_bytes(2, "big")
    return expand(key, ahead, context, length)


def expand(key: Secret, ahead: bytes, behind: bytes, length: int) -> bytes:
    """`length` octets of counter mode, the one-octet counter between `ahead` and `behind`."""
    blocks = range(1, -(-length // BLOCK) + 1)
    return b"".join(cmac(key, ahead + bytes((count,)) + behind) for count in blocks)[:length]


def cmac(key: Secret, message: bytes) -> bytes:
    """AES-CMAC (RFC 4493, and SP 800-38B for longer keys), 16 octets."""
    mac = CMAC(AES(key.reveal()))
    mac.update(message)
    return mac.finalize()
