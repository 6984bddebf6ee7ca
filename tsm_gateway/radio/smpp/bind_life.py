"""The life of one connection as a table (SMPP 3.4 §2.2), from our side.

| state | what is true | what ends it |
|---|---|---|
| open | connected, nothing said | our bind leaves |
| binding | we wait for the answer to our bind | that answer, or the bind timer |
| bound | messages travel | an unbind of either side |
| unbinding | our unbind is out, we still answer | its response, or the unbind timer |
| closed | nothing more is said or heard | |

A missing row is the fault of whoever caused the event: a peer's request is refused with RINVBNDSTS, a
peer's response is ignored and counted.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class BindState(Enum):
    """Where a connection stands; the value is shown to operators."""

    OPEN = "open"
    BINDING = "binding"
    BOUND = "bound"
    UNBINDING = "unbinding"
    CLOSED = "closed"


class BindEvent(Enum):
    """What happens to a connection."""

    SENT_BIND = "sent_bind"
    GOT_BIND_OK = "got_bind_ok"
    GOT_BIND_REFUSED = "got_bind_refused"
    GOT_MESSAGE = "got_message"  # deliver_sm or data_sm
    SENT_UNBIND = "sent_unbind"
    GOT_UNBIND = "got_unbind"
    GOT_UNBIND_ANSWER = "got_unbind_answer"


S = BindState
E = BindEvent
BIND_LIFE: Mapping[tuple[BindState, BindEvent], BindState] = {
    (S.OPEN, E.SENT_BIND): S.BINDING,
    (S.BINDING, E.GOT_BIND_OK): S.BOUND,
    (S.BINDING, E.GOT_BIND_REFUSED): S.CLOSED,  # back off, do not insist
    (S.BINDING, E.GOT_MESSAGE): S.BINDING,  # some peers deliver ahead of their bind response
    (S.BINDING, E.SENT_UNBIND): S.UNBINDING,
    (S.BINDING, E.GOT_UNBIND): S.CLOSED,
    (S.BOUND, E.GOT_MESSAGE): S.BOUND,
    (S.BOUND, E.SENT_UNBIND): S.UNBINDING,
    (S.BOUND, E.GOT_UNBIND): S.CLOSED,
    (S.UNBINDING, E.GOT_MESSAGE): S.UNBINDING,  # crossed our unbind: still answer
    (S.UNBINDING, E.GOT_UNBIND): S.CLOSED,  # both sides unbind at once
    (S.UNBINDING, E.GOT_UNBIND_ANSWER): S.CLOSED,
}
