"""A device's X-Wing public key, signed for by the device itself.

X.509 has no certificate for such a key, so the crypto SE vouches for it with its signing key:
COSE_Sign1 (the algorithm of that key) over the deterministic CBOR map

```
A3  01 6B "tsm-xwing-1"   02 72 <device id:18>   03 59 04 C0 <public key:1216>
```

The public key is that of ML-KEM-768 (1184 octets, FIPS 203 §7.2) and that of X25519 (32) behind it.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from tsm_gateway.envelope.cbor import Reader
from tsm_gateway.envelope.certificate import load_public_key, read_device_id
from tsm_gateway.envelope.cose import parse_sign1
from tsm_gateway.envelope.errors import Malformed
from tsm_gateway.envelope.signature import check_signature
from tsm_gateway.provisioning.proof_errors import (
    HybridKeyMalformed,
    HybridKeyNotAuthentic,
    HybridKeyWrongDevice,
)
from tsm_gateway.provisioning.weak_key import refuse_weak

XWING_OCTETS: Final = 1216
MAX_STATEMENT: Final = 1779  # octets: with the longest signature
_MLKEM_OCTETS: Final = 1184
_HEAD: Final = b"\xa3\x01\x6btsm-xwing-1\x02"
_KEY: Final = b"\x03"


def read_hybrid_key(octets: bytes, *, device_id: str, signing_certificate: bytes) -> bytes:
    """The X-Wing public key (1216 octets) that the device states; its signing certificate in DER.

    Raises HybridKeyMalformed or KeyWeak before a signature is checked, HybridKeyNotAuthentic,
    HybridKeyWrongDevice, and DeviceCertificateUnusable when the certificate does not read.
    """
    try:
        statement = parse_sign1(octets, MAX_STATEMENT)
        named, key = _read_payload(statement.payload)
    except Malformed:
        raise HybridKeyMalformed from None
    signer = load_public_key(signing_certificate)
    _check_public_key(key)
    try:
        check_signature(signer, statement.algorithm, statement.signature, statement.signed)
    except InvalidSignature:
        raise HybridKeyNotAuthentic from None
    if named != device_id:
        raise HybridKeyWrongDevice
    return key


def _read_payload(payload: bytes) -> tuple[str, bytes]:
    reader = Reader(payload)
    reader.literal(_HEAD)
    named = read_device_id(reader)
    reader.literal(_KEY)
    key = reader.octets(XWING_OCTETS, XWING_OCTETS)
    reader.end()
    return named, key


def _check_public_key(octets: bytes) -> None:
    """Raises KeyWeak when the X25519 half is a point of low order, HybridKeyMalformed."""
    _, x25519 = _halves(octets)
    refuse_weak(x25519)


def xwing_public_key(octets: bytes) -> MLKEM768X25519PublicKey:
    """The public key in its 1216 octets. Raises HybridKeyMalformed, also for an ML-KEM key out of range."""
    return MLKEM768X25519PublicKey(*_halves(octets))


def _halves(octets: bytes) -> tuple[MLKEM768PublicKey, X25519PublicKey]:
    try:
        return (
            MLKEM768PublicKey.from_public_bytes(octets[:_MLKEM_OCTETS]),
            X25519PublicKey.from_public_bytes(octets[_MLKEM_OCTETS:]),
        )
    except ValueError:
        raise HybridKeyMalformed from None
