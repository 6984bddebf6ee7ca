"""What the relay says about control messages: key packages out, confirmations in.

One wide line per outcome, figures beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsm_gateway.daemon.events import Event
from tsm_gateway.relay.states import Move

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tsm_gateway.daemon.control_sender import Outcome
    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.daemon.metrics import Metrics
    from tsm_gateway.messages import Submitted
    from tsm_gateway.relay.outcomes import Confirmed

MOVED: Mapping[Move, Event] = {
    Move.HAND_OVER: Event.CONTROL_SENT,
    Move.DEFER: Event.CONTROL_DEFERRED,
    Move.GIVE_UP: Event.CONTROL_FAILED,
}


class ControlReports:
    """The voice of the control sender, and of the intake about confirmations."""

    def __init__(self, log: Log, metrics: Metrics) -> None:
        """Speak into `log` and `metrics`."""
        self._log, self._metrics = log, metrics

    def received(self, confirmed: Sequence[Confirmed], answer_ms: float) -> None:
        """Confirmations are durable and answered."""
        for arrival, bearer, source, parts in confirmed:
            self._log.emit(
                Event.CONTROL_RECEIVED,
                device=arrival.device_id,
                kid=arrival.kid,
                piv=arrival.piv,
                bearer=bearer,
                sender=source,
                parts=parts,
                answer_ms=answer_ms,
            )
        self._metrics.controls_received.inc(len(confirmed))

    def submitted(self, link: str, results: Sequence[Submitted]) -> None:
        """A link answered for parts."""
        self._metrics.submitted(link, [each.fate for each in results])

    def moved(self, outcome: Outcome) -> None:
        """What became of a key package is durable."""
        control, event = outcome.control, MOVED[outcome.move]
        fields: dict[str, Any] = {
            "message_id": control.message_id,
            "device": control.device_id,
            "kid": control.kid,
            "link": outcome.link or None,
            "attempts": outcome.attempts,
            "age_s": max(0, outcome.at - control.created_at),
        }
        if event is Event.CONTROL_SENT:
            fields.update(parts=len(outcome.smsc_ids), smsc_ids=",".join(outcome.smsc_ids))
            self._metrics.controls_sent.inc()
        else:
            fields.update(fate=outcome.reason, status=outcome.status)
        if event is Event.CONTROL_DEFERRED:
            fields["retry_in_s"] = outcome.due_at - outcome.at
            self._metrics.controls_deferred.labels(outcome.reason).inc()
        elif event is Event.CONTROL_FAILED:
            self._metrics.controls_failed.labels(outcome.reason).inc()
        self._log.emit(event, **fields)

    def unreadable(self, reason: str) -> None:
        """A package in the store is damaged, and goes nowhere."""
        self._metrics.controls_failed.labels(reason).inc()
        self._log.emit(Event.CONTROL_FAILED, reason=reason)
