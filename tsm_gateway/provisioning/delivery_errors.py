"""Why a delivery to an app SE stops: one class for each cause.

`temporary` says whether the same job may come to an end in a later session. None holds a secret; an alarm
names the one concerned by its label.
"""

from __future__ import annotations

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.provisioning.card_errors import CardError


class ExclusionRefused(TsmError):
    """Something that is no allowed command was to go to an app SE."""

    code, side, temporary = "not-for-an-app-element", Side.OURS, False


class SecretBound(TsmError):
    """A secret of the device was on its way to its app SE; nothing was sent."""

    code, side, temporary = "secret-bound-for-app-element", Side.OURS, False


class CardTooWeak(CardError):
    """The card cannot authenticate and encrypt its answers (parameter "i" without R-MAC and R-ENC)."""

    code, side, temporary = "card-too-weak", Side.PEER, False


class ScriptAnswersMalformed(CardError):
    """The answers to a script are more than its commands, fewer without a reason, or none of a card's."""

    code, side, temporary = "script-answers-malformed", Side.PEER, True


class CardContentUnexpected(CardError):
    """The card does not hold what was just installed, or still holds what was removed."""

    code, side, temporary = "card-content-unexpected", Side.PEER, True


class CardContentNotVouched(CardError):
    """What the card holds, or does not hold any more, was said by its agent alone and not by the card."""

    code, side, temporary = "card-content-not-vouched", Side.PEER, True


class StepFailed(CardError):
    """The card refused a step."""

    code, side, temporary = "card-step-failed", Side.PEER, True


class CardMemoryFull(StepFailed):
    """The card has no memory left for the application."""

    code, temporary = "card-memory-full", False


class LoadFileRefused(StepFailed):
    """The card refused the load file: signature, format or security domain are not right for this card."""

    code, temporary = "card-load-file-refused", False


class InstallRefused(StepFailed):
    """The card refused to make an instance: AIDs, parameters or token are not right for it."""

    code, temporary = "card-install-refused", False


class ParametersRefused(StepFailed):
    """The application refused its parameters."""

    code, temporary = "card-parameters-refused", False


class KeysRefused(StepFailed):
    """The card refused its new key set."""

    code, temporary = "card-keys-refused", False


class CardInUse(StepFailed):
    """The card's conditions are not met: something refers to what is to go, or the order was broken."""

    code = "card-conditions-not-met"


class ChannelLost(StepFailed):
    """The card does not take part in the secure channel any more."""

    code = "card-channel-lost"


class CardContentMissing(StepFailed):
    """The card does not have what the step is about."""

    code = "card-content-missing"


class CardDomainMissing(StepFailed):
    """The card has no security domain of this AID: compare the manifest."""

    code = "card-domain-missing"


class CardLocked(StepFailed):
    """The card or its security domain is locked."""

    code = "card-locked"


class CardUnable(StepFailed):
    """The card does not know the command, or takes no part of it."""

    code = "card-command-unknown"


class CardTrouble(StepFailed):
    """The card had trouble of its own: memory failure, or no reason given."""

    code = "card-trouble"
