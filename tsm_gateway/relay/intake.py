"""First half of a batch: join the parts and open what is whole. Nothing is promised here.

| a part that | is answered | and kept |
|---|---|---|
| completes an authentic message | with the batch | no: the message is decided, its other parts forgotten |
| waits for others | with the batch | journalled in the same transaction |
| is held already, or belonged to a decided message | with the batch | no |
| completes only combinations that do not open | with the batch | journalled, first to be evicted |
| finds no room | "full", try again | no |
| needs a key whose record of ours is damaged | "busy", try again | no: an operator has to mend the record |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.messages import Receipt, Unusable, Verdict
from tsm_gateway.radio.sms.join import OfferKind
from tsm_gateway.registry.control import ControlArrival
from tsm_gateway.relay.interfaces import StoredSegment
from tsm_gateway.relay.opening import Payment, Refusal, open_payment
from tsm_gateway.relay.outcomes import Confirmed, Overloaded, Refused
from tsm_gateway.relay.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tsm_gateway.messages import Arrival, Segment, Ticket
    from tsm_gateway.radio.sms.join import Held, Joiner
    from tsm_gateway.relay.directory import Directory

TELLING = (Reason.MALFORMED, Reason.UNKNOWN_KEY, Reason.NOT_AUTHENTIC)  # least to most telling


class Opened(NamedTuple):
    """A payment with what the log wants to know of its way here."""

    payment: Payment
    bearer: str
    source: str
    parts: int
    first_seen_at: int  # Unix seconds


@dataclass(slots=True)
class OpenedBatch:
    """What one batch of arrivals amounts to before signatures are checked."""

    now: int
    opened: list[Opened] = field(default_factory=list)
    controls: list[Confirmed] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    struck: list[Refused] = field(default_factory=list)  # authentic but refused: their PIV is used up
    receipts: list[tuple[Receipt, int]] = field(default_factory=list)
    journal: dict[int, StoredSegment] = field(default_factory=dict)
    forget: list[int] = field(default_factory=list)
    evicted: list[Held] = field(default_factory=list)
    overloaded: list[Overloaded] = field(default_factory=list)
    answers: list[tuple[Ticket, Verdict]] = field(default_factory=list)
    duplicates: int = 0


class PartIntake:
    """Turns arrivals into opened payments; owns the joiner."""

    def __init__(
        self, joiner: Joiner, directory: Directory, *, port: int, skew_s: int, first_row: int = 1
    ) -> None:
        """`port` is the application port; `first_row` numbers the next journalled part."""
        self.joiner, self._directory = joiner, directory
        self._port, self._skew_s, self._row = port, skew_s, first_row

    def take_in(self, arrivals: Sequence[Arrival], now: int) -> OpenedBatch:
        """Join and open a batch; `now` in Unix seconds."""
        batch = OpenedBatch(now)
        self._directory.begin_batch()
        for arrival in arrivals:
            verdict = Verdict.TAKEN
            if isinstance(arrival, Receipt):
                batch.receipts.append((arrival, now))
            elif isinstance(arrival, Unusable):
                batch.refused.append(_unusable(arrival.ticket, arrival.source, Reason(arrival.reason)))
            elif arrival.port != self._port:
                batch.refused.append(_unusable(arrival.ticket, arrival.source, Reason.NOT_FOR_US))
            elif arrival.total == 1:
                verdict = self._open_whole(batch, arrival)
            else:
                verdict = self._join(batch, arrival)
            batch.answers.append((arrival.ticket, verdict))
        return batch

    def reload(self, journalled: Iterable[StoredSegment]) -> None:
        """The batch was not stored: what the store holds is all there is."""
        stored = list(journalled)
        self.joiner.load(stored)
        self._row = max([self._row, *(each.row + 1 for each in stored)])

    def _open_whole(self, batch: OpenedBatch, segment: Segment) -> Verdict:
        """A message that came in one part."""
        found = open_payment(segment.body, self._directory, now=batch.now, skew_s=self._skew_s)
        self._note(batch, found, segment, parts=1, first_seen_at=batch.now)
        return _verdict(found)

    def _join(self, batch: OpenedBatch, segment: Segment) -> Verdict:
        row, self._row = self._row, self._row + 1
        offered = self.joiner.offer(row, segment, batch.now)
        for part in offered.evicted:
            self._drop(batch, part)
            batch.evicted.append(part)
        if offered.kind is OfferKind.OVER_BOUND:
            batch.overloaded.append(Overloaded(segment.ticket, segment.source))
            return Verdict.FULL
        if offered.kind is OfferKind.DUPLICATE:
            batch.duplicates += 1
            return Verdict.TAKEN
        batch.journal[row] = StoredSegment(row, segment, batch.now)
        if offered.kind is OfferKind.READY:
            return self._try_combinations(batch, row, segment, offered.combinations)
        return Verdict.TAKEN

    def _try_combinations(
        self, batch: OpenedBatch, row: int, segment: Segment, combinations: Iterable[tuple[Held, ...]]
    ) -> Verdict:
        """Open the first combination that is authentic; a spoofed part cannot spoil a genuine message."""
        worst: tuple[int, Refusal] | None = None
        tried: set[Held] = set()
        for parts in combinations:
            packet = b"".join([part.segment.body for part in parts])
            found = open_payment(packet, self._directory, now=batch.now, skew_s=self._skew_s)
            if not isinstance(found, Refusal) or found.authentic:
                self.joiner.consume(parts)
                for part in parts:
                    self._drop(batch, part)
                first = min(part.received_at for part in parts)
                self._note(batch, found, segment, parts=len(parts), first_seen_at=first)
                return Verdict.TAKEN
            if _verdict(found) is not Verdict.TAKEN:
                self._note(batch, found, segment, parts=len(parts), first_seen_at=batch.now)
                self.joiner.withdraw(next(part for part in parts if part.row == row))
                del batch.journal[row]
                return _verdict(found)
            tried.update(parts)
            telling = TELLING.index(found.reason)
            if worst is None or telling > worst[0]:
                worst = (telling, found)
        self.joiner.suspect(tried)
        if worst is not None:
            self._note(batch, worst[1], segment, parts=segment.total, first_seen_at=batch.now)
        return Verdict.TAKEN

    @staticmethod
    def _drop(batch: OpenedBatch, part: Held) -> None:
        """A held part is done with: take it out of this batch's journal, or out of the store's."""
        if batch.journal.pop(part.row, None) is None:
            batch.forget.append(part.row)

    @staticmethod
    def _note(
        batch: OpenedBatch,
        found: Payment | ControlArrival | Refusal,
        segment: Segment,
        *,
        parts: int,
        first_seen_at: int,
    ) -> None:
        bearer, source = segment.ticket.bearer, segment.source
        if isinstance(found, Payment):
            batch.opened.append(Opened(found, bearer, source, parts, first_seen_at))
            return
        if isinstance(found, ControlArrival):
            batch.controls.append(Confirmed(found, bearer, source, parts))
            return
        refused = Refused(found.reason, bearer, source, found.kid, found.piv, found.device_id, found.provider)
        (batch.struck if found.authentic else batch.refused).append(refused)


def _verdict(found: Payment | ControlArrival | Refusal) -> Verdict:
    """Only a damaged record of our own makes us ask the radio to keep a message that was read."""
    ours = isinstance(found, Refusal) and found.reason is Reason.KEY_UNREADABLE
    return Verdict.BUSY if ours else Verdict.TAKEN


def _unusable(ticket: Ticket, source: str, reason: Reason) -> Refused:
    return Refused(reason, ticket.bearer, source, b"", -1, "", "")
