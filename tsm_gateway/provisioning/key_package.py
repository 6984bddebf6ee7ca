"""The key package: a device's random key on its way to the crypto SE (design §5.4).

COSE_Sign1 (ES256, the TSM's key-delivery key) over the deterministic CBOR map

```
A7  01 69 "tsm-key-1"   02 72 <device id:18>   03 44 <kid:4>   04 <epoch>   05 <first PIV>
    06 <kem>   07 <sealed key as a bstr>
```

`kem` and `sealed` are those of keys/seal.py, whose `info` is
CBOR `["tsm-key-1", tsm-id, device-id, kid, epoch, SHA-256(certificate)]` with the recipient's certificate
in DER (recipient.py). So a package opens on one device, as that kid of that epoch, and the signature says
that it came from this TSM: neither HPKE's base mode nor OAEP says who sealed.

With P-256 or X25519 it is short enough for two short messages of 128 octets each.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

import cbor2

from tsm_gateway.envelope.cose import KID_OCTETS
from tsm_gateway.envelope.signature import sign_es256
from tsm_gateway.keys.derive import KEY_OCTETS
from tsm_gateway.keys.seal import seal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from tsm_gateway.provisioning.recipient import Recipient
    from tsm_gateway.secret import Secret

LABEL: Final = "tsm-key-1"
FIRST_PIV_LIMIT: Final = 1 << 31  # exclusive: half of the counter and more is left to use
MAX_EPOCH: Final = (1 << 32) - 1


class PackageIdentity(NamedTuple):
    """Whose key it is, which one, and where its counter starts."""

    tsm_id: str  # [gateway] id
    device_id: str
    kid: bytes  # 4 octets
    epoch: int  # 1, 2, …
    first_piv: int  # below 2**31, random


def seal_package(
    key: Secret, recipient: Recipient, identity: PackageIdentity, *, signing_key: EllipticCurvePrivateKey
) -> bytes:
    """Seal the 32-octet `key` to `recipient` and sign the package with the key-delivery key (P-256).

    Raises RecipientUnusable when the recipient's key takes no sealed key, ValueError when a length or
    range is not met.
    """
    _check_ranges(key, identity)
    sealed = seal(key, recipient.public_key, package_info(identity, recipient.der))
    _, device_id, kid, epoch, first_piv = identity
    payload = {1: LABEL, 2: device_id, 3: kid, 4: epoch, 5: first_piv, 6: int(recipient.kem), 7: sealed}
    return sign_es256(cbor2.dumps(payload), signing_key)


def package_info(identity: PackageIdentity, certificate: bytes) -> bytes:
    """HPKE info or OAEP label; `certificate` is the recipient's, in DER."""
    tsm_id, device_id, kid, epoch, _ = identity
    return cbor2.dumps([LABEL, tsm_id, device_id, kid, epoch, sha256(certificate).digest()])


def _check_ranges(key: Secret, identity: PackageIdentity) -> None:
    fits = (
        len(key) == KEY_OCTETS
        and len(identity.kid) == KID_OCTETS
        and 1 <= identity.epoch <= MAX_EPOCH
        and 0 <= identity.first_piv < FIRST_PIV_LIMIT
    )
    if not fits:
        message = "a package takes a key of 32 octets, a kid of 4, an epoch from 1 and a PIV below 2**31"
        raise ValueError(message)
