"""What the joiner takes and gives: its limits, the parts it holds, its answer to an offer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tsm_gateway.messages import Segment

# (source, destination, port, reference, total): which message a part belongs to. Not the bearer: the
# parts of one message may come over two binds.
MessageKey = tuple[str, str, int | None, int | None, int]


@dataclass(frozen=True, slots=True)
class JoinLimits:
    """How much may wait, and how long; each count at least 1.

    Raises ValueError for a limit below 1.
    """

    per_sender: int = 64  # parts; hence no message of more parts can be joined
    in_all: int = 20_000  # parts
    candidates: int = 4  # different bodies for one part of one message
    attempts: int = 64  # combinations tried for one new part: all of them up to 4 parts of 4 bodies
    fair: int = 4  # parts a sender may hold without being the first to give way when all is full
    stale_s: int = 1_800  # a part that waited longer gives way to a new one; half an hour is usual
    wait_s: int = 72 * 3_600  # a part that waited longer is given up
    remembered: int = 8_192  # parts of messages lately consumed

    def __post_init__(self) -> None:
        """Refuse limits under which nothing could be joined."""
        if min(getattr(self, name) for name in self.__slots__) < 1:
            message = "every limit of the joiner is at least 1"
            raise ValueError(message)


@dataclass(slots=True, eq=False, repr=False)
class Held:
    """One part that waits. Equal to itself only, so it can stand in sets."""

    row: int  # the relay's number for it, never used again
    key: MessageKey
    segment: Segment
    received_at: int  # Unix seconds
    durable: bool  # its journal row is committed
    suspect: bool = False  # it was part of a combination that is no message

    def __repr__(self) -> str:
        """Row and place in the message; no number, no body."""
        return f"Held(row={self.row}, number={self.segment.number}, total={self.segment.total})"


class OfferKind(Enum):
    """What became of an offered part."""

    DUPLICATE = "duplicate"  # this very body is held already, or belonged to a message just consumed
    WAITING = "waiting"  # kept; other parts are missing
    READY = "ready"  # kept; with it there is at least one combination to try
    OVER_BOUND = "over_bound"  # no room: not kept


@dataclass(slots=True, eq=False)  # a frozen one or a named tuple takes twice the time to make
class Offered:
    """The joiner's answer to one part."""

    kind: OfferKind
    held: Held | None  # WAITING, READY: the new part; DUPLICATE: the part held, None when consumed
    combinations: Iterable[tuple[Held, ...]]  # READY: once through, each in the order of part numbers
    evicted: Sequence[Held]  # parts that gave way, whatever the kind: drop their journal rows


class Waiting(NamedTuple):
    """How much waits, for metrics."""

    parts: int
    messages: int
    senders: int
    suspects: int  # of the parts
