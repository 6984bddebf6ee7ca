"""Key confirmation: the crypto SE shows that it holds the random key, and shows nothing of it (design §5.5).

`confirm` = AES-CMAC (RFC 4493) under the key derived with the label `confirm key` (32 octets), over
CBOR `[challenge, kid, epoch]`. The challenge is the server's when the proof comes over channel 1. When the
key package went by SMS there is no dialogue: the challenge is then SHA-256 over the package's octets.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from tsm_gateway.keys.derive import KEY_OCTETS, derive
from tsm_gateway.provisioning.proof_errors import ConfirmationWrong

if TYPE_CHECKING:
    from tsm_gateway.secret import Secret

CHALLENGE_OCTETS: Final = 32
CONFIRM_OCTETS: Final = 16


def challenge_of(package: bytes) -> bytes:
    """The challenge (32 octets) that a package sent as short messages puts by itself."""
    return sha256(package).digest()


def check_confirmation(confirm: bytes, key: Secret, *, kid: bytes, epoch: int, challenge: bytes) -> None:
    """Check, in constant time, that whoever wrote `confirm` (16 octets) held `key` (32 octets).

    Raises ConfirmationWrong.
    """
    mac = CMAC(AES(derive(key, kid, "confirm key", KEY_OCTETS).reveal()))
    mac.update(cbor2.dumps([challenge, kid, epoch]))
    try:
        mac.verify(confirm)
    except InvalidSignature:
        raise ConfirmationWrong from None
