"""Why a proof, a hybrid key or a recipient is refused: one class for each cause.

They are told to the device that authenticated by its certificate, and to nobody else; none holds what a
right answer would have been.
"""

from __future__ import annotations

from tsm_gateway.envelope.errors import Malformed
from tsm_gateway.errors import Side, TsmError


class ProofMalformed(Malformed):
    """The registration proof is not of the format."""

    code, side, temporary = "proof-malformed", Side.PEER, False


class ProofRefused(TsmError):
    """The registration proof was refused."""

    code, side, temporary = "proof-refused", Side.PEER, False


class ProofNotAuthentic(ProofRefused):
    """The proof's signature does not hold under the device's registered key, or is of another algorithm."""

    code = "proof-not-authentic"


class ProofWrongDevice(ProofRefused):
    """The proof names another device."""

    code = "proof-wrong-device"


class ProofWrongKey(ProofRefused):
    """The proof is for another key than the one to be confirmed."""

    code = "proof-wrong-key"


class ChallengeMismatch(ProofRefused):
    """The proof answers another challenge."""

    code = "challenge-mismatch"


class ConfirmationWrong(ProofRefused):
    """The proof does not show possession of the random key."""

    code = "confirmation-wrong"


class ElementsEqual(ProofRefused):
    """The proof names one secure element as both crypto SE and app SE."""

    code = "elements-equal"


class ElementIdMismatch(ProofRefused):
    """The proof names another crypto SE than the device's certificate, or that names none (serialNumber)."""

    code = "element-id-mismatch"


class HybridKeyMalformed(Malformed):
    """The hybrid key is not of the format, or no X-Wing public key."""

    code, side, temporary = "hybrid-key-malformed", Side.PEER, False


class HybridKeyNotAuthentic(TsmError):
    """The hybrid key is not signed by the device that presents it."""

    code, side, temporary = "hybrid-key-not-authentic", Side.PEER, False


class HybridKeyWrongDevice(TsmError):
    """The hybrid key names another device."""

    code, side, temporary = "hybrid-key-wrong-device", Side.PEER, False


class KeyCertificateMissing(TsmError):
    """Nothing can be sealed to a signing key of Ed25519: present a key certificate (X25519) beside it."""

    code, side, temporary = "key-certificate-missing", Side.PEER, False
