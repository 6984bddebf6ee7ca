"""Messages as an operator sees and moves them.

Every write is a transaction of its own and moves `versions()[1]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.relay.interfaces import Transition
    from tsm_gateway.relay.states import MessageState


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
    due_at: int | None  # when DEFERRED: the next attempt
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
    """Operator reads and writes of messages."""

    def entries(
        self,
        *,
        state: MessageState | None = None,
        provider: str | None = None,
        limit: int = 100,
    ) -> list[MessageEntry]:
        """Messages, the longest unchanged first."""
        raise NotImplementedError

    def show(self, message_id: bytes) -> tuple[MessageEntry, list[PartEntry]] | None:
        """One message and its parts in order."""
        raise NotImplementedError

    def find(self, prefix: str, *, limit: int = 10) -> list[bytes]:
        """Message ids that begin with these hexadecimal digits."""
        raise NotImplementedError

    def counts(self) -> dict[MessageState, int]:
        """How many messages there are in each state; states without one are left out."""
        raise NotImplementedError

    def waiting_segments(self) -> int:
        """How many journalled parts wait for the rest of their message."""
        raise NotImplementedError

    def apply(self, transitions: Sequence[Transition]) -> list[Transition]:
        """Make these moves in one transaction; returns those the state table did not allow."""
        raise NotImplementedError
