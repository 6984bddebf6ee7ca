"""When a job that came to no end is begun again, and when it is given up."""

from __future__ import annotations

from typing import Final

from tsm_gateway.errors import Side, TsmError

FIRST_S: Final = 30  # behind the first session; twice as long behind each one more
LONGEST_S: Final = 3600
MOST_SESSIONS: Final = 8  # in which one job is begun
RENEWAL_REST_S: Final = 86_400  # after keys could not be renewed: nothing is loaded under those of others


class AgentSilent(TsmError):
    """The agent fell silent in the middle of a job, or began anew: what the card has is not known."""

    code, side, temporary = "agent-silent", Side.PEER, True


def distance_s(attempts: int) -> int:
    """Seconds to wait after a job was begun `attempts` times, 1 or more."""
    return min(FIRST_S << min(attempts - 1, MOST_SESSIONS), LONGEST_S)
