"""The steps of a delivery, and what a card's status words mean at each (one table, one reason each).

| step | goes on with | because |
|---|---|---|
| GET STATUS | 6310 | there is more to ask for |
| GET STATUS | 6A88 | nothing of the kind is there |
| DELETE | 6A88 | it is gone already: a delivery that was cut is healed so; a removal asks for proof |
| GET DATA | 6A88, 6A81, 6A86, 6D00 | the card does not tell its memory |

Everything else but 9000 ends the conversation. References: GlobalPlatform Card Specification 2.3 §11.1.3 and
the tables of each command; ISO/IEC 7816-4 §5.1.3.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from tsm_gateway.provisioning import app_command as say
from tsm_gateway.provisioning import delivery_errors as why
from tsm_gateway.provisioning.apdu import SUCCESS, status_text

if TYPE_CHECKING:
    from collections.abc import Mapping

MORE: Final = 0x6310
NOTHING_THERE: Final = 0x6A88
_NO_SUCH_DATA: Final = frozenset({NOTHING_THERE, 0x6A81, 0x6A86, 0x6D00})


class Step(Enum):
    """What is asked of the card, in the words of its specification."""

    SELECT = "SELECT"
    BEGIN = "INITIALIZE UPDATE"
    AUTHENTICATE = "EXTERNAL AUTHENTICATE"
    ANNOUNCE = "INSTALL [for load]"
    LOAD = "LOAD"
    LAST_LOAD = "LOAD, last block"
    INSTALL = "INSTALL [for install and make selectable]"
    DELETE = "DELETE"
    STATUS = "GET STATUS"
    MEMORY = "GET DATA"
    PERSONALISE = "INSTALL [for personalization]"
    STORE = "STORE DATA"
    KEYS = "PUT KEY"


LOADING: Final = (Step.LOAD, Step.LAST_LOAD)
_STEPS: Mapping[type, Step] = {
    say.SelectDomain: Step.SELECT,
    say.BeginSession: Step.BEGIN,
    say.InstallForLoad: Step.ANNOUNCE,
    say.LoadBlock: Step.LOAD,
    say.InstallForInstall: Step.INSTALL,
    say.Delete: Step.DELETE,
    say.GetStatus: Step.STATUS,
    say.GetFreeMemory: Step.MEMORY,
    say.PersonaliseApplication: Step.PERSONALISE,
    say.StoreParameters: Step.STORE,
    say.PutCardKeys: Step.KEYS,
}
TOLERATED: Mapping[Step, frozenset[int]] = {
    Step.STATUS: frozenset({MORE, NOTHING_THERE}),
    Step.DELETE: frozenset({NOTHING_THERE}),
    Step.MEMORY: _NO_SUCH_DATA,
}

_AT_STEP: Mapping[tuple[Step, int], type[why.StepFailed]] = {
    (Step.SELECT, 0x6A82): why.CardDomainMissing,
    (Step.ANNOUNCE, 0x6A80): why.LoadFileRefused,
    (Step.ANNOUNCE, 0x6A88): why.LoadFileRefused,  # no such security domain
    (Step.LOAD, 0x6A80): why.LoadFileRefused,
    # The last block is where the card has the whole: hash, signature and format are judged there.
    (Step.LAST_LOAD, 0x6A80): why.LoadFileRefused,
    (Step.LAST_LOAD, 0x6A88): why.LoadFileRefused,
    (Step.LAST_LOAD, 0x6985): why.LoadFileRefused,
    (Step.LAST_LOAD, 0x9484): why.LoadFileRefused,
    (Step.INSTALL, 0x6A80): why.InstallRefused,
    (Step.INSTALL, 0x6A88): why.InstallRefused,  # no such module
    (Step.PERSONALISE, 0x6A80): why.ParametersRefused,
    (Step.STORE, 0x6A80): why.ParametersRefused,
    (Step.KEYS, 0x6A80): why.KeysRefused,
    (Step.KEYS, 0x9484): why.KeysRefused,
    (Step.KEYS, 0x9485): why.KeysRefused,
}
_ANYWHERE: Mapping[int, type[why.StepFailed]] = {
    0x6283: why.CardLocked,
    0x6300: why.ChannelLost,  # EXTERNAL AUTHENTICATE: the host's cryptogram did not arrive as it was made
    0x6581: why.CardTrouble,
    0x6882: why.ChannelLost,
    0x6982: why.ChannelLost,  # what a card says, too, that lost its power: never a reason to give up
    0x6983: why.CardLocked,
    0x6985: why.CardInUse,
    0x6987: why.ChannelLost,
    0x6988: why.ChannelLost,
    0x6A81: why.CardUnable,
    0x6A82: why.CardContentMissing,
    0x6A84: why.CardMemoryFull,
    0x6A86: why.CardUnable,
    0x6A88: why.CardContentMissing,
    0x6D00: why.CardUnable,
    0x6E00: why.CardUnable,
}
_CLASSES: Mapping[int, type[why.StepFailed]] = {
    0x64: why.CardTrouble,
    0x65: why.CardTrouble,
    0x6F: why.CardTrouble,
}


def step_of(command: say.AppSeCommand) -> Step:
    """The step a command is."""
    if isinstance(command, say.LoadBlock) and command.last:
        return Step.LAST_LOAD
    return _STEPS[type(command)]


def goes_on(step: Step, sw: int) -> bool:
    """Whether the job goes on after this status word."""
    return sw == SUCCESS or sw in TOLERATED.get(step, frozenset())


def failure(step: Step, sw: int) -> why.StepFailed:
    """The error for a status word after which it does not."""
    cause = _AT_STEP.get((step, sw)) or _ANYWHERE.get(sw) or _CLASSES.get(sw >> 8, why.StepFailed)
    return cause(step=step.value, sw=f"{sw:04X}", means=status_text(sw))
