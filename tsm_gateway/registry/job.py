"""Jobs: what is to be done on one device's app SE. A device has several at most, and works at one."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

JOB_OCTETS: Final = 8


class JobKind(Enum):
    """What is done."""

    RENEW_KEYS = "renew-keys"  # our own key set in place of the one the card has
    INSTALL = "install"  # load, instantiate and personalise; in place of another version, if one is there
    REMOVE = "remove"
    PERSONALISE = "personalise"  # parameters that are no secret
    INVENTORY = "inventory"  # what is on the card


class JobState(Enum):
    """Where a job stands."""

    QUEUED = "queued"
    ACTIVE = "active"  # in a session; after a cut or a crash: begun again
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobMove(Enum):
    """What happens to a job."""

    BEGIN = "begin"
    POSTPONE = "postpone"
    FINISH = "finish"
    FAIL = "fail"
    CANCEL = "cancel"


S = JobState
JOB_MOVES: Mapping[JobMove, tuple[frozenset[JobState], JobState]] = {
    JobMove.BEGIN: (frozenset({S.QUEUED, S.ACTIVE}), S.ACTIVE),  # one that was cut is begun again
    JobMove.POSTPONE: (frozenset({S.QUEUED, S.ACTIVE}), S.QUEUED),
    JobMove.FINISH: (frozenset({S.ACTIVE}), S.DONE),
    JobMove.FAIL: (frozenset({S.QUEUED, S.ACTIVE}), S.FAILED),
    JobMove.CANCEL: (frozenset({S.QUEUED, S.ACTIVE}), S.CANCELLED),
}


class Job(NamedTuple):
    """One job of one device."""

    job_id: bytes  # 8 octets
    device_id: str
    kind: JobKind
    application: str  # name; "" for jobs on the card itself
    digest: bytes  # of the load file it is about; b"" where there is none
    state: JobState
    attempts: int  # sessions in which it was begun
    progress: tuple[int, int]  # blocks the card has, of how many; (0, 0) where nothing is loaded
    due_at: int  # Unix seconds; not before
    created_at: int
    changed_at: int
    reason: str  # why it was made; why the last attempt failed
