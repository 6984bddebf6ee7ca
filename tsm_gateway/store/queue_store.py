"""Messages as an operator sees and moves them.

Reads are as of the last commit. Every write is a transaction of its own and moves `versions()[1]`, which
tells the daemon to look at its queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.relay.states import MessageState
from tsm_gateway.store.move_store import move_messages
from tsm_gateway.store.queue_statements import (
    COUNT_BY_STATE,
    COUNT_SEGMENTS,
    FIND_MESSAGE,
    LIST_IDS_BETWEEN,
    LIST_IN_STATE,
    LIST_IN_STATE_FOR,
    LIST_PARTS,
    OLDEST_IN_STATE,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.relay.interfaces import Transition
    from tsm_gateway.store.connection_store import Reader
    from tsm_gateway.store.writer_store import Writer

ID_DIGITS = 32  # hexadecimal digits of a message id


class MessageEntry(NamedTuple):
    """One message; nothing of it is secret."""

    message_id: bytes  # 16 octets
    state: MessageState
    provider: str
    device_id: str
    kid: bytes
    piv: int
    provider_kid: bytes
    provider_piv: int
    bearer: str  # where it came from
    receipt: bool
    attempts: int
    received_at: int  # Unix seconds
    changed_at: int
    due_at: int | None  # when it may be claimed: 0 at once, None not at all
    reason: str


class PartEntry(NamedTuple):
    """One part as handed over."""

    number: int
    total: int
    smsc_id: str  # the id the peer gave it, "" when none
    at: int  # Unix seconds
    receipt: str  # "", or a ReceiptState's value
    receipt_at: int | None


class QueueStore:
    """Operator reads and writes of messages. Everything raises StoreBusy and StoreBroken besides."""

    def __init__(self, writer: Writer, people: Reader) -> None:
        """Read through `people`, write through `writer`."""
        self._writer, self._people = writer, people

    def entries(
        self, *, state: MessageState | None = None, provider: str | None = None, limit: int = 100
    ) -> list[MessageEntry]:
        """Messages, state by state, in each the longest unchanged first; all as of one commit."""
        found: list[MessageEntry] = []
        with self._people.snapshot():  # or a message that moves meanwhile is met twice, or never
            for wanted in MessageState if state is None else (state,):
                room = limit - len(found)
                if provider is None:
                    rows = self._people.rows(LIST_IN_STATE, (wanted.value, room))
                else:
                    rows = self._people.rows(LIST_IN_STATE_FOR, (wanted.value, provider, room))
                found.extend(_entry(row) for row in rows)
        return found

    def show(self, message_id: bytes) -> tuple[MessageEntry, list[PartEntry]] | None:
        """One message and its parts in order."""
        with self._people.snapshot():
            row = self._people.row(FIND_MESSAGE, (message_id,))
            if row is None:
                return None
            return _entry(row), [PartEntry(*part) for part in self._people.rows(LIST_PARTS, (message_id,))]

    def find(self, prefix: str, *, limit: int = 10) -> list[bytes]:
        """Message ids that begin with these hexadecimal digits. Raises ValueError for anything else."""
        first = bytes.fromhex(prefix.ljust(ID_DIGITS, "0"))
        last = bytes.fromhex(prefix.ljust(ID_DIGITS, "f"))
        return [message_id for (message_id,) in self._people.rows(LIST_IDS_BETWEEN, (first, last, limit))]

    def counts(self) -> dict[MessageState, int]:
        """How many messages there are in each state; states without one are left out."""
        return {MessageState(state): count for state, count in self._people.rows(COUNT_BY_STATE)}

    def oldest(self, state: MessageState) -> int | None:
        """Since when (Unix seconds) the longest waiting message of a state has not moved."""
        (changed_at,) = self._people.row(OLDEST_IN_STATE, (state.value,))
        return None if changed_at is None else int(changed_at)

    def waiting_segments(self) -> int:
        """How many journalled parts wait for the rest of their message."""
        return int(self._people.row(COUNT_SEGMENTS)[0])

    def apply(self, transitions: Sequence[Transition]) -> list[Transition]:
        """Make these moves in one transaction; returns those the state table did not allow."""
        with self._writer.administration(queue=True) as cursor:
            return move_messages(cursor, transitions).ignored


def _entry(row: Sequence[object]) -> MessageEntry:
    entry = MessageEntry(*row)  # type: ignore[arg-type]
    return entry._replace(state=MessageState(entry.state), receipt=bool(entry.receipt))
