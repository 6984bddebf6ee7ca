"""The life of a modem as a table.

| state | what is true | what ends it |
|---|---|---|
| closed | no port is open; nothing is written | the link opens one |
| starting | the ladder of `initialise` is climbed | its end, either way |
| ready | messages travel | trouble; a restart of the modem |
| locked | the SIM wants a person; it is looked at once in a while | the time of the next look |
| resetting | AT+CFUN=1,1 was said; whatever comes is not believed | the link closes the port |

A missing row means: that event changes nothing in that state.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ModemState(Enum):
    """Where a modem stands; the value is shown to operators."""

    CLOSED = "closed"
    STARTING = "starting"
    READY = "ready"
    LOCKED = "locked"
    RESETTING = "resetting"


class LifeEvent(Enum):
    """What happens to a modem."""

    OPENED = "opened"
    INITIALISED = "initialised"
    SIM_LOCKED = "sim_locked"
    LOOK_AGAIN = "look_again"
    CURED_BY_INITIALISING = "cured_by_initialising"
    CURED_BY_REOPENING = "cured_by_reopening"
    CURED_BY_RESETTING = "cured_by_resetting"
    RESET = "reset"
    LOST = "lost"


S = ModemState
E = LifeEvent
MODEM_LIFE: Mapping[tuple[ModemState, LifeEvent], ModemState] = {
    (S.CLOSED, E.OPENED): S.STARTING,
    (S.CLOSED, E.LOST): S.CLOSED,  # it could not be opened
    (S.STARTING, E.INITIALISED): S.READY,
    (S.STARTING, E.SIM_LOCKED): S.LOCKED,
    (S.LOCKED, E.LOOK_AGAIN): S.STARTING,
    (S.RESETTING, E.RESET): S.CLOSED,
    **{(state, E.CURED_BY_INITIALISING): S.STARTING for state in (S.STARTING, S.READY)},
    **{(state, E.CURED_BY_REOPENING): S.CLOSED for state in (S.STARTING, S.READY)},
    **{(state, E.CURED_BY_RESETTING): S.RESETTING for state in (S.STARTING, S.READY)},
    **{(state, E.LOST): S.CLOSED for state in (S.STARTING, S.READY, S.LOCKED, S.RESETTING)},
}
