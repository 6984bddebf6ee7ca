"""What the relay says: outcomes become log lines and figures, here and nowhere else.

One wide line per outcome of a payment; figures once per batch.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tsm_gateway.daemon.control_reports import ControlReports
from tsm_gateway.daemon.events import Event
from tsm_gateway.messages import Receipt, ReceiptState, Segment
from tsm_gateway.relay.reasons import Reason
from tsm_gateway.relay.states import Move

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tsm_gateway.daemon.dispatch import Moved
    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.daemon.metrics import Metrics
    from tsm_gateway.messages import Arrival, Submitted
    from tsm_gateway.radio.sms.join import Held
    from tsm_gateway.relay.accept import Decided
    from tsm_gateway.relay.intake import OpenedBatch
    from tsm_gateway.relay.interfaces import ReceiptOutcome
    from tsm_gateway.relay.outcomes import Accepted, Refused

MOVED: Mapping[Move, Event] = {
    Move.HAND_OVER: Event.PAYMENT_HANDED_OVER,
    Move.DEFER: Event.PAYMENT_DEFERRED,
    Move.GIVE_UP: Event.PAYMENT_FAILED,
}


class Reports:
    """The relay's voice."""

    def __init__(self, log: Log, metrics: Metrics) -> None:
        """Speak into `log` and `metrics`."""
        self.log, self.metrics = log, metrics
        self.controls = ControlReports(log, metrics)
        self._postponed: Counter[str] = Counter()  # not logged yet, by reason

    # what came in

    def arrived(self, bearer: str, arrivals: Sequence[Arrival]) -> None:
        """A link read short messages."""
        kinds = Counter(map(type, arrivals))
        parts, receipts = kinds[Segment], kinds[Receipt]
        self.metrics.came(bearer, "part", parts)
        self.metrics.came(bearer, "receipt", receipts)
        self.metrics.came(bearer, "other", len(arrivals) - parts - receipts)

    def answered(self, now: float, came: Sequence[float]) -> None:
        """A batch was answered; `came` holds when each arrival was read, monotonic seconds."""
        self.metrics.batch_arrivals.observe(len(came))
        self.metrics.answer_seconds.observe_all([now - at for at in came])

    def decided(self, opened: OpenedBatch, decided: Decided, took_s: float) -> None:
        """A batch is durable and answered, `took_s` after its first arrival was read."""
        with self.log.together():
            for accepted in decided.accepted:
                self._accepted(accepted, took_s * 1000)
            if decided.controls:
                self.controls.received(decided.controls, took_s * 1000)
            for refused in decided.refused:
                self._refused(refused)
        self.metrics.accepted.inc(len(decided.accepted))
        self.metrics.refused(each.reason for each in decided.refused)
        self.metrics.parts_duplicate.inc(opened.duplicates)
        if self.log.enabled(Event.MESSAGE_INCOMING):
            self._incoming(opened)
        self._given_up(Event.PART_EVICTED, opened.evicted)
        self.metrics.parts_evicted.inc(len(opened.evicted))
        if opened.overloaded:
            self.postponed(len(opened.overloaded), Reason.OVER_BOUND.value)

    def postponed(self, count: int, reason: str) -> None:
        """The radio was asked to keep `count` short messages."""
        self.metrics.postponed.labels(reason).inc(count)
        self._postponed[reason] += count

    def flush(self) -> None:
        """Log what is logged at most once a second, however often it happened."""
        for reason, count in self._postponed.items():
            self.log.emit(Event.PAYMENT_POSTPONED, count=count, reason=reason)
        self._postponed.clear()

    def expired(self, parts: Sequence[Held]) -> None:
        """Parts waited too long for the others."""
        self._given_up(Event.PART_EXPIRED, parts)
        self.metrics.parts_expired.inc(len(parts))

    # what went out

    def submitted(self, link: str, results: Sequence[Submitted]) -> None:
        """A link answered for parts."""
        self.metrics.submitted(link, [each.fate for each in results])

    def moved(self, moved: Moved, now: float) -> None:
        """A message's next state is durable; `now` in monotonic seconds."""
        item, transition = moved.item, moved.transition
        outgoing, event = item.outgoing, MOVED.get(transition.move)
        if event is None:  # it only went back to the queue
            return
        fields: dict[str, Any] = {
            "message_id": outgoing.message_id,
            "provider": outgoing.provider,
            "link": item.link,
            "attempts": outgoing.attempts,
            "age_s": max(0, transition.at - outgoing.received_at),
        }
        if event is Event.PAYMENT_HANDED_OVER:
            seconds = now - item.started
            self.metrics.handed_over.inc()
            self.metrics.handover_seconds.observe(seconds)
            fields.update(
                parts=len(item.parts),
                provider_number=item.provider.msisdn,
                smsc_ids=",".join(ids[0] if ids else "-" for ids in item.smsc_ids),
                handover_ms=seconds * 1000,
            )
        else:
            fields.update(fate=transition.reason, status=moved.status)
        self._trouble(event, transition.reason)
        if event is Event.PAYMENT_DEFERRED:
            fields["retry_in_s"] = transition.next_attempt_at - transition.at
        self.log.emit(event, **fields)

    def receipt(self, outcome: ReceiptOutcome) -> None:
        """A delivery receipt was stored."""
        state = outcome.receipt.state
        matched = outcome.message_id is not None
        self.metrics.receipts.labels(state.value, "yes" if matched else "no").inc()
        bearer = outcome.receipt.ticket.bearer
        if not matched:
            self.log.emit(Event.RECEIPT_UNMATCHED, bearer=bearer, state=state.value)
        elif outcome.complete:
            self.metrics.delivered.inc()
            self.log.emit(
                Event.PAYMENT_DELIVERED,
                message_id=outcome.message_id,
                provider=outcome.provider,
                attempts=outcome.attempts,
            )
        elif state is ReceiptState.FAILED:
            self.log.emit(
                Event.RECEIPT_FAILED,
                message_id=outcome.message_id,
                provider=outcome.provider,
                state=state.value,
                error=outcome.receipt.error,
            )

    # how the machine is

    def committed(self, seconds: float, works: int) -> None:
        """A group is durable."""
        self.metrics.committed(seconds, works)

    def conflict(self) -> None:
        """Somebody else accepted a message first."""
        self.metrics.conflicts.inc()
        self.log.emit(Event.STORE_CONFLICT, count=1)

    def administration(self, registry: int, queue: int) -> None:
        """An operator changed registry or queue."""
        self.metrics.registry_changes.inc()
        self.log.emit(Event.REGISTRY_CHANGED, registry_version=registry, queue_version=queue)

    def stuck(self, loops: Sequence[str], seconds: float) -> None:
        """Loops that make no progress; the watchdog is not fed."""
        for loop in loops:
            self.metrics.watchdog_missed.labels(loop).inc()
            self.log.emit(Event.WATCHDOG_MISSED, loop=loop, seconds=seconds)

    def space(self, path: str, free: int, *, low: bool) -> None:
        """The disk ran low, or has room again."""
        self.log.emit(Event.STORE_FULL if low else Event.STORE_ROOM, path=path, free_bytes=free)

    def _accepted(self, accepted: Accepted, answer_ms: float) -> None:
        row = accepted.row
        self.log.emit(
            Event.PAYMENT_ACCEPTED,
            message_id=row.message_id,
            device=row.device_id,
            provider=row.provider,
            bearer=row.bearer,
            kid=row.kid,
            piv=row.piv,
            sender=accepted.source,
            parts=accepted.parts,
            answer_ms=answer_ms,
            age_s=row.received_at - accepted.first_seen_at,
        )

    def _refused(self, refused: Refused) -> None:
        self.log.emit(
            Event.PAYMENT_REFUSED,
            reason=refused.reason.value,
            bearer=refused.bearer,
            sender=refused.source,
            kid=refused.kid or None,
            piv=refused.piv if refused.piv >= 0 else None,
            device=refused.device_id or None,
            provider=refused.provider or None,
        )

    def _incoming(self, opened: OpenedBatch) -> None:
        for stored in opened.journal.values():
            segment = stored.segment
            self.log.emit(
                Event.MESSAGE_INCOMING,
                bearer=segment.ticket.bearer,
                sender=segment.source,
                number=segment.number,
                total=segment.total,
                reference=segment.reference,
                octets=len(segment.body),
            )

    def _trouble(self, event: Event, cause: str) -> None:
        if event is Event.PAYMENT_DEFERRED:
            self.metrics.retries.labels(cause).inc()
        elif event is Event.PAYMENT_FAILED:
            self.metrics.failed.labels(cause).inc()

    def _given_up(self, event: Event, parts: Sequence[Held]) -> None:
        for part in parts:
            segment = part.segment
            self.log.emit(
                event,
                bearer=segment.ticket.bearer,
                sender=segment.source,
                number=segment.number,
                total=segment.total,
                reference=segment.reference,
            )
