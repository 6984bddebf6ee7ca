"""When a job that came to no end is begun again, and when it is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.registry.job import JobState

if TYPE_CHECKING:
    from tsm_gateway.registry.job import Job

FIRST_S: Final = 30  # behind the first session; twice as long behind each one more
LONGEST_S: Final = 3600
MOST_SESSIONS: Final = 8  # in which one job is begun
AT_ONCE: Final = 1  # so many times a job that was cut goes on without waiting: an answer may get lost
RENEWAL_REST_S: Final = 86_400  # after keys could not be renewed: nothing is loaded under those of others


class AgentSilent(TsmError):
    """The agent fell silent in the middle of a job, or began anew: what the card has is not known."""

    code, side, temporary = "agent-silent", Side.PEER, True


def distance_s(attempts: int) -> int:
    """Seconds to wait after a job was begun `attempts` times, 1 or more."""
    return min(FIRST_S << min(attempts - 1, MOST_SESSIONS), LONGEST_S)


def cut_until(job: Job) -> int:
    """Up to when a job waits that was begun and came to no end (Unix seconds); 0: it goes on at once.

    Asked when no session is at it any more: it was taken over, begun anew, or ended out of turn. Two agents
    for one card, or one that begins anew all the time, would else use up its attempts within seconds.
    """
    if job.state is not JobState.ACTIVE or job.attempts <= AT_ONCE:
        return 0
    return job.changed_at + distance_s(job.attempts)
