"""Sessions with cards, in memory: one a device, the newest wins, so many in all and no more.

| session | kept | ends |
|---|---|---|
| under way | its conversation, the last script | done, failed, taken over, refused, or silent for too long |
| over | the last answer only, so that the very same post gets it again | pushed out by others that are over |

After a restart there is none: agents begin anew, and what the card has is found out then.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.daemon.delivery_answers import TooManySessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.daemon.delivery_answers import ScriptAnswer, ScriptRequest
    from tsm_gateway.provisioning.conversation import Conversation
    from tsm_gateway.provisioning.delivery_events import Event, Turn
    from tsm_gateway.registry.application import Application
    from tsm_gateway.registry.job import Job
    from tsm_gateway.secret import Secret

MOST: Final = 2000  # under way, and as many that are over
SESSION_OCTETS: Final = 16


class Whose(NamedTuple):
    """Between whom a session is."""

    agent_id: str
    app_se: bytes
    device_id: str
    issuer: str  # of the crypto SE


@dataclass(slots=True)
class Undertaking:
    """One job in a session."""

    job: Job  # as it was stored last
    application: Application | None
    began_at: float = 0.0  # monotonic seconds, like the next
    written_at: float = 0.0  # when `job` was
    blocks: tuple[int, int] = (0, 0)  # done, of how many


@dataclass(slots=True)
class Owed:
    """A turn of the conversation that has not been stored whole, so nothing of it may leave."""

    asked: ScriptRequest
    turn: Turn
    events: tuple[Event, ...]


@dataclass(slots=True)
class DeliverySession:
    """One session under way."""

    session_id: str  # 32 hexadecimal digits
    whose: Whose
    conversation: Conversation
    undertakings: dict[bytes, Undertaking]  # by job id, in order
    receipt_key: Secret | None  # goes along with every new key set of the card
    began_at: float  # monotonic seconds, like the next
    heard_at: float
    number: int = 0  # of the last script
    asked: ScriptRequest | None = None  # what `told` answers
    told: ScriptAnswer | None = None
    owed: Owed | None = None
    blocks: int = field(default=0)  # that the card confirmed, of all jobs

    @property
    def current(self) -> Undertaking | None:
        """The job that is worked at."""
        job = self.conversation.job
        return self.undertakings.get(job.job_id) if job else None


class Last(NamedTuple):
    """What is kept of a session that is over."""

    session_id: str
    agent_id: str
    asked: ScriptRequest
    told: ScriptAnswer


class DeliverySessions:
    """All of them, by app SE."""

    def __init__(self, most: int = MOST) -> None:
        """Hold `most` under way."""
        self._most = most
        self._open: dict[bytes, DeliverySession] = {}
        self._last: OrderedDict[bytes, Last] = OrderedDict()

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._open)

    def __iter__(self) -> Iterator[DeliverySession]:
        """Those under way; fit for changes meanwhile."""
        return iter(tuple(self._open.values()))

    def of(self, app_se: bytes) -> DeliverySession | None:
        """The one with that card."""
        return self._open.get(app_se)

    def last(self, app_se: bytes) -> Last | None:
        """What the last one with that card ended with, if it was an answer."""
        return self._last.get(app_se)

    def check_room(self) -> None:
        """Raises TooManySessions."""
        if len(self._open) >= self._most:
            raise TooManySessions

    def put(self, session: DeliverySession) -> None:
        """A new one; whatever there was of its card is forgotten."""
        self._last.pop(session.whose.app_se, None)
        self._open[session.whose.app_se] = session

    def close(self, session: DeliverySession, *, keep: bool) -> bool:
        """End one; with `keep` its last answer may be had again. False: it had ended."""
        app_se, agent_id = session.whose.app_se, session.whose.agent_id
        if self._open.get(app_se) is not session:
            return False
        del self._open[app_se]
        if keep and session.asked is not None and session.told is not None:
            self._last[app_se] = Last(session.session_id, agent_id, session.asked, session.told)
            if len(self._last) > self._most:
                self._last.popitem(last=False)
        return True

    def silent(self, since: float) -> list[DeliverySession]:
        """Those under way of whom nothing was heard after `since` (monotonic seconds)."""
        return [session for session in self._open.values() if session.heard_at <= since]
