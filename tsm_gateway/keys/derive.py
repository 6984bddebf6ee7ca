"""One random key per owner and epoch; everything that is used is derived from it.

HKDF-SHA256 (RFC 5869) with ikm = the key, salt = the kid, info = CBOR `["tsm-1", label, L]`. Each label
is used with one algorithm:

| owner | labels |
|---|---|
| device | `up key`, `up iv`, `down key`, `down iv` (AES-256-GCM), `confirm key` (AES-CMAC) |
| provider | `to provider key`, `to provider iv`, `from provider key`, `from provider iv` (AES-256-GCM) |
"""

from __future__ import annotations

from typing import Final

import cbor2
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tsm_gateway.secret import Secret

KEY_OCTETS: Final = 32  # of the random key, and of every AES-256 key derived from it
IV_OCTETS: Final = 12
LABELS: Final = frozenset(
    {"confirm key"}
    | {f"{way} {what}" for way in ("up", "down", "to provider", "from provider") for what in ("key", "iv")}
)


def derive(ikm: Secret, kid: bytes, label: str, length: int) -> Secret:
    """Derive `length` octets (1..8160) from the 32-octet key `ikm` named by `kid`.

    Raises ValueError for a label that is not in the table, or a key of another length.
    """
    if label not in LABELS or len(ikm) != KEY_OCTETS:
        message = "derivation takes a key of 32 octets and a label of the table"
        raise ValueError(message)
    info = cbor2.dumps(["tsm-1", label, length])
    return Secret(HKDF(SHA256(), length, salt=kid, info=info).derive(ikm.reveal()), length=length)


def traffic(ikm: Secret, kid: bytes, way: str) -> tuple[Secret, Secret]:
    """The AES-256-GCM key (32 octets) and IV (12) of one way: "up", "down", "to provider", "from provider".

    Raises ValueError as `derive`.
    """
    return derive(ikm, kid, f"{way} key", KEY_OCTETS), derive(ikm, kid, f"{way} iv", IV_OCTETS)
