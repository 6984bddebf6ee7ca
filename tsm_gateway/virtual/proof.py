"""The registration proof (design §5.5): that this element holds the key, and how it knows its user."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from tsm_gateway.virtual.cbor_literal import Value, encode
from tsm_gateway.virtual.cose_literal import sign1
from tsm_gateway.virtual.packet import derive

if TYPE_CHECKING:
    from tsm_gateway.secret import Secret
    from tsm_gateway.virtual.element_record import ElementRecord
    from tsm_gateway.virtual.signature_literal import SigningKey

PURPOSE = "tsm-reg-1"
CONFIRMS_BY_SMS = "tsm-confirm-1"
_LABEL, _KEY_OCTETS = "confirm key", 32


class ProvedKey(NamedTuple):
    """The key whose possession is proved."""

    kid: bytes  # 4 octets
    key: Secret  # 32 octets
    epoch: int

    def __repr__(self) -> str:
        """Name the key, never show it."""
        return f"ProvedKey(kid={self.kid.hex()})"


def confirmation(proved: ProvedKey, challenge: bytes) -> bytes:
    """AES-CMAC, 16 octets, over CBOR [challenge, kid, epoch] under the key derived for it."""
    mac = CMAC(AES(derive(proved.key, proved.kid, _LABEL, _KEY_OCTETS)))
    mac.update(encode([challenge, proved.kid, proved.epoch]))
    return mac.finalize()


def statement(device_id: str, proved: ProvedKey, challenge: bytes, element: ElementRecord) -> bytes:
    """What is signed: eight fields, in CBOR; `challenge` has 32 octets."""
    methods: list[Value] = [
        [template.method, template.handle_hash, template.enrolled_at] for template in element.templates
    ]
    fields: dict[int, Value] = {
        1: PURPOSE,
        2: device_id,
        3: proved.kid,
        4: challenge,
        5: confirmation(proved, challenge),
        6: methods,
        7: element.crypto_se,
        8: element.app_se,
    }
    return encode(fields)


def prove(
    device_id: str, proved: ProvedKey, challenge: bytes, element: ElementRecord, signing: SigningKey
) -> bytes:
    """The signed proof, a COSE_Sign1 by the device's key."""
    return sign1(statement(device_id, proved, challenge, element), signing)


def sms_confirmation(proof: bytes) -> bytes:
    """The plaintext of a confirmation by short message."""
    return encode([CONFIRMS_BY_SMS, proof])
