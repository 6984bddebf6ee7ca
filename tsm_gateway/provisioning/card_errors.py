"""Why a card, its key set or its answer is refused: one class for each cause.

None holds a key, an opened answer, or the MAC or check value that would have been right.
"""

from __future__ import annotations

from tsm_gateway.errors import Side, TsmError


class CardError(TsmError):
    """Something went wrong between the gateway and a card."""

    code, side, temporary = "card-error", Side.PEER, False


class CardAnswerMalformed(CardError):
    """The card's answer is not of the format."""

    code = "card-answer-malformed"


class CardCommandMalformed(CardError):
    """The octets are no short command APDU."""

    code = "card-command-malformed"


class CardRefused(CardError):
    """The card refused a command."""

    code = "card-refused"


class CardProtocolUnsupported(CardError):
    """The card does not speak SCP03, or not with the parameter "i" or the security level wanted."""

    code = "card-protocol-unsupported"


class CardKeyVersionMismatch(CardError):
    """The card answered with another key set than was asked for."""

    code = "card-key-version-mismatch"


class CardNotAuthentic(CardError):
    """The card does not hold the key set: its cryptogram is wrong."""

    code = "card-not-authentic"


class ChallengeNotPseudoRandom(CardError):
    """The card's challenge is not the one that its key set, counter and security domain make."""

    code = "card-challenge-not-pseudo-random"


class ResponseNotAuthentic(CardError):
    """The card's answer carries no right MAC."""

    code = "card-response-not-authentic"


class SessionOver(CardError):
    """The secure channel is closed: nothing more goes through it."""

    code, side = "card-session-over", Side.OURS


class KeyCheckMismatch(CardError):
    """The card does not confirm the keys it was given: its check values are others."""

    code = "card-key-check-mismatch"


class CardKeysMalformed(CardError):
    """The key set is no three AES keys of equal length under a key version number."""

    code, side = "card-keys-malformed", Side.OURS
