"""What the relay asks of storage and of bearers, and the rows that travel between them.

`Spool` is the only way to durability. `stage` writes a batch into one open transaction and is fast
enough for the event loop; `flush` makes it durable (fsync) and may block, so it runs in a thread of
its own. The radio is answered after `flush` returned, never before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tsm_gateway.errors import Side, TsmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tsm_gateway.messages import Receipt, Segment, Submission, Ticket, Verdict
    from tsm_gateway.registry.control import ControlArrival
    from tsm_gateway.registry.device import DeviceEntry
    from tsm_gateway.registry.provider import ProviderEntry
    from tsm_gateway.relay.states import MessageState, Move


class StoreFull(TsmError):
    """The store has no room left: free disk space; nothing was acknowledged."""

    code, side, temporary = "store-full", Side.OURS, True


class StoreBusy(TsmError):
    """Another program holds the store's write lock."""

    code, side, temporary = "store-busy", Side.OURS, True


class StoreBroken(TsmError):
    """The store failed to read or write: the process must end and recover at its next start."""

    code, side, temporary = "store-broken", Side.OURS, False


class StoreConflict(TsmError):
    """Somebody else accepted one of these messages first: read the windows again and decide anew."""

    code, side, temporary = "store-conflict", Side.OURS, True


class StoredSegment(NamedTuple):
    """A journalled part of a message that is not complete yet."""

    row: int  # chosen by the relay: unique, increasing
    segment: Segment  # its ticket is void after a restart
    received_at: int  # Unix seconds


class Acceptance(NamedTuple):
    """Everything that becomes true of one message in its accepting transaction."""

    message_id: bytes  # 16 octets, never reused
    kid: bytes  # 4 octets, the device's key
    piv: int
    device_id: str
    cti: bytes  # 8 octets
    cti_expires: int  # Unix seconds: until then its certificate might be accepted, so its cti is kept
    provider: str
    provider_kid: bytes
    provider_piv: int
    bearer: str  # where it came from
    received_at: int  # Unix seconds
    packet: bytes  # sealed for the provider, final
    reference: int  # concatenation reference of its parts, 0..255
    receipt: bool  # a delivery receipt is asked for
    state: MessageState  # ACTIVE when a lane takes it at once, else QUEUED


class WindowMove(NamedTuple):
    """A replay window's compare-and-set: applied only if (highest, bitmap) is still the old pair."""

    kid: bytes
    old: tuple[int, int]  # (highest PIV, 64-bit map; bit 0 = highest)
    new: tuple[int, int]


class PivMove(NamedTuple):
    """A provider key's next PIV, compare-and-set."""

    kid: bytes
    old: int
    new: int


class Transition(NamedTuple):
    """One message's move; refused by the store when the state is not one the table allows."""

    message_id: bytes
    move: Move
    at: int  # Unix seconds
    reason: str = ""  # kept with the message
    next_attempt_at: int = 0  # for DEFER


class SubmittedPart(NamedTuple):
    """The ids a bearer's peer gave to one part, kept until its receipt."""

    message_id: bytes
    number: int
    total: int
    smsc_ids: tuple[str, ...]  # spellings, best first; () when the peer gave none
    at: int


@dataclass(slots=True)
class Batch:
    """What is written in one transaction, in this order."""

    acceptances: list[Acceptance] = field(default_factory=list)
    windows: list[WindowMove] = field(default_factory=list)
    pivs: list[PivMove] = field(default_factory=list)
    journal: list[StoredSegment] = field(default_factory=list)
    forget: list[int] = field(default_factory=list)  # rows of segments that are done with
    submitted: list[SubmittedPart] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    receipts: list[tuple[Receipt, int]] = field(default_factory=list)  # with the time they came
    controls: list[ControlArrival] = field(default_factory=list)  # for provisioning to judge

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(
            self.acceptances
            or self.journal
            or self.forget
            or self.transitions
            or self.receipts
            or self.windows
            or self.submitted
            or self.pivs
            or self.controls
        )


class ReceiptOutcome(NamedTuple):
    """What one receipt turned out to mean."""

    receipt: Receipt
    message_id: bytes | None  # None: no part by that id (yet): kept for a while
    provider: str
    attempts: int
    complete: bool  # every part of the message is now delivered; the store moved it to DELIVERED
    failed: bool  # the network gave up on it; the relay decides (DEFER or GIVE_UP), once per attempt


class Staged(NamedTuple):
    """What the store found out while staging."""

    receipts: list[ReceiptOutcome]
    ignored: list[Transition]  # moves the state table did not allow


class Outgoing(NamedTuple):
    """A claimed message, ready to send again or for the first time."""

    message_id: bytes
    provider: str
    packet: bytes
    reference: int
    receipt: bool
    attempts: int  # this one included
    received_at: int


class Spool(Protocol):
    """Durable state of messages. One writer: calls never overlap."""

    def stage(self, batch: Batch) -> Staged:
        """Write into the open transaction (opened if need be); nothing is promised until `flush`.

        Raises StoreConflict, StoreFull or StoreBusy with the transaction rolled back, StoreBroken when
        the process must end.
        """

    def flush(self) -> None:
        """Commit and fsync; blocking. Raises StoreFull (rolled back) or StoreBroken."""

    def claim_due(self, now: int, limit: int, providers: Sequence[str]) -> list[Outgoing]:
        """Take up to `limit` queued or due deferred messages of `providers`, oldest first.

        Marks them active within the open transaction: they are sent only after `flush`.
        """

    def settle_aged(self, now: int) -> list[ReceiptOutcome]:
        """Match receipts that met no part for some seconds by other readings of their ids.

        Staged like `stage`; call it now and then.
        """

    def unfinished(self) -> list[StoredSegment]:
        """Every journalled segment, oldest first."""

    def taken_ctis(self, pairs: Iterable[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
        """Which of these (device id, cti) were accepted before and have not expired."""

    def recover(self, now: int) -> int:
        """At start: every active message is queued again, octets unchanged. Returns how many.

        So is one that `failed` without a decision on disk.
        """

    def purge(self, now: int, keep_done_s: int, keep_early_s: int, limit: int) -> int:
        """Delete done messages, expired ctis and unmatched receipts past their time; at most `limit` rows."""


class Registry(Protocol):
    """Read side of devices and providers; answers may be cached until `versions` changes."""

    def device_for(self, kid: bytes) -> DeviceEntry | None:
        """The device that owns `kid`, its wrapped key and its replay window."""

    def provider_for(self, address: str) -> ProviderEntry | None:
        """The provider at a normalised address, with its current wrapped key."""

    def provider_named(self, name: str) -> ProviderEntry | None:
        """The provider by its name."""

    def window_of(self, kid: bytes) -> tuple[int, int] | None:
        """(highest PIV, bitmap) as last committed."""

    def versions(self) -> tuple[int, int]:
        """(registry, queue) counters, moved by every administrative change of another process."""


class Bearer(Protocol):
    """A link to the radio side: an SMPP bind or a modem."""

    name: str

    def answer(self, answers: Iterable[tuple[Ticket, Verdict]]) -> None:
        """Tell the radio; answers for an earlier session are dropped."""

    def room(self) -> int:
        """How many more parts may be submitted now; 0 when unbound, paused or full."""

    def submit(self, parts: Sequence[Submission]) -> None:
        """Send parts, at most `room()`; each is answered exactly once by a `Submitted`."""
