"""A provider's key on its way to the provider, once, sealed to the provider's own certificate (design §6).

| the certificate's key | `kem` in the file |
|---|---|
| EC P-256 | HPKE-P256-HKDF-SHA256-AES256GCM |
| X25519 | HPKE-X25519-HKDF-SHA256-AES256GCM |
| RSA, 2048 bits or more | RSA-OAEP-SHA256 |

The recipes are those of keys/seal.py. HPKE `info` and OAEP label =
CBOR `["tsm-provider-key-1", tsm-id, name, kid, version, SHA-256(certificate)]`
over the certificate's DER, so that the sealed key opens for this provider, version and certificate only.
Base mode does not say who sealed: the provider takes the file from a channel it trusts, as it took the
gateway's number.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import cbor2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from tsm_gateway.envelope.x509_octets import load_certificate
from tsm_gateway.keys.errors import RecipientUnusable
from tsm_gateway.keys.seal import Kem, seal, sealing_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.keys.seal import SealingKey
    from tsm_gateway.secret import Secret

LABEL = "tsm-provider-key-1"

KEM_NAMES: Mapping[Kem, str] = {  # as they stand in the file
    Kem.P256: "HPKE-P256-HKDF-SHA256-AES256GCM",
    Kem.X25519: "HPKE-X25519-HKDF-SHA256-AES256GCM",
    Kem.OAEP: "RSA-OAEP-SHA256",
}


class Recipient(NamedTuple):
    """A certificate to which a key can be sealed."""

    der: bytes
    kem: Kem
    public_key: SealingKey


class KeyIdentity(NamedTuple):
    """Which key it is."""

    tsm_id: str  # [gateway] id
    name: str  # the provider's
    kid: bytes  # 4 octets
    version: int  # 1, 2, …


def read_recipient(octets: bytes, at: int) -> Recipient:
    """A provider's certificate, PEM or DER, valid at Unix second `at`.

    Raises X509Unusable, RecipientUnusable for a key of another kind or too short.
    """
    certificate = load_certificate(octets, at)
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise RecipientUnusable from None
    return Recipient(certificate.public_bytes(Encoding.DER), *sealing_key(key))


def handover_info(identity: KeyIdentity, certificate: bytes) -> bytes:
    """HPKE info or OAEP label; `certificate` in DER."""
    return cbor2.dumps([LABEL, *identity, sha256(certificate).digest()])


def seal_key(key: Secret, recipient: Recipient, identity: KeyIdentity) -> bytes:
    """Seal `key` (32 octets) so that only the certificate's owner can open it. Raises RecipientUnusable."""
    return seal(key, recipient.public_key, handover_info(identity, recipient.der))


def handover_record(key: Secret, recipient: Recipient, identity: KeyIdentity) -> dict[str, str | int]:
    """The file for the provider: what it needs to open the key and to open packets; nothing in clear."""
    return {
        "type": LABEL,
        "gateway": identity.tsm_id,
        "provider": identity.name,
        "kid": identity.kid.hex(),
        "version": identity.version,
        "kem": KEM_NAMES[recipient.kem],
        "certificate_sha256": sha256(recipient.der).hexdigest(),
        "sealed": seal_key(key, recipient, identity).hex(),
    }
