"""What deliveries to app SEs say: a line for each job that ends, one for each session, one for an alarm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tsm_gateway.daemon.events import Event
from tsm_gateway.errors import Side

if TYPE_CHECKING:
    from tsm_gateway.daemon.delivery_metrics import DeliveryMetrics
    from tsm_gateway.daemon.delivery_sessions import DeliverySession, Undertaking
    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.errors import TsmError
    from tsm_gateway.registry.device import Device
    from tsm_gateway.registry.job import Job

DONE, POSTPONED, FAILED = "done", "postponed", "failed"
ENDED: Final = "done"  # of a session whose jobs all came to their end


class DeliveryReports:
    """The voice of channel 2's use cases."""

    def __init__(self, log: Log, metrics: DeliveryMetrics) -> None:
        """Speak into `log` and `metrics`."""
        self._log, self._metrics = log, metrics

    def scripted(self) -> None:
        """A script goes out."""
        self._metrics.scripts.inc()

    def loaded(self, blocks: int) -> None:
        """A card confirmed so many blocks."""
        self._metrics.blocks.inc(blocks)

    def done(
        self, session: DeliverySession, undertaking: Undertaking, now: float, device: Device | None
    ) -> None:
        """A job came to its end; `device` if it moved by that. `now`: monotonic seconds."""
        self._metrics.jobs.labels(undertaking.job.kind.value, DONE).inc()
        self._log.emit(
            Event.DELIVERY_DONE,
            **_of(undertaking.job),
            **_about(session, undertaking),
            seconds=now - undertaking.began_at,
            state=device.state.value if device else None,
        )

    def not_done(
        self, session: DeliverySession, undertaking: Undertaking, reason: str, retry_in_s: int | None
    ) -> None:
        """A job did not come to its end; without `retry_in_s` it is given up."""
        job, about = undertaking.job, _about(session, undertaking)
        self._count(job, reason, POSTPONED if retry_in_s is not None else FAILED)
        if retry_in_s is None:
            self._log.emit(Event.DELIVERY_FAILED, **_of(job), **about, reason=reason)
        else:
            self._log.emit(
                Event.DELIVERY_POSTPONED, **_of(job), **about, reason=reason, retry_in_s=retry_in_s
            )

    def put_off(self, job: Job, reason: str, retry_in_s: int, version: str | None = None) -> None:
        """A job waits, without a session; `version`: of its application, where it is known."""
        self._count(job, reason, POSTPONED)
        self._log.emit(
            Event.DELIVERY_POSTPONED, **_of(job), version=version, reason=reason, retry_in_s=retry_in_s
        )

    def given_up(self, job: Job, reason: str, version: str | None = None) -> None:
        """A job failed without a session; `version` as for `put_off`."""
        self._count(job, reason, FAILED)
        self._log.emit(Event.DELIVERY_FAILED, **_of(job), version=version, reason=reason)

    def ended(self, session: DeliverySession, reason: str, now: float) -> None:
        """Nothing more goes through a session. `now`: monotonic seconds."""
        self._metrics.sessions.labels(reason).inc()
        self._log.emit(
            Event.DELIVERY_SESSION_ENDED,
            device=session.whose.device_id,
            agent=session.whose.agent_id,
            scripts=session.number,
            blocks=session.blocks,
            seconds=now - session.began_at,
            reason=reason,
        )

    def refused(self, agent_id: str, device_id: str | None, error: TsmError) -> None:
        """An agent did not get what it asked for; an error where it is the gateway that is at fault."""
        self._metrics.refused.labels(error.code).inc()
        self._log.emit(
            Event.DELIVERY_REFUSED,
            alarm=error.side is Side.OURS,
            device=device_id,
            agent=agent_id,
            error=error.code,
            problem=str(error),
        )

    def alarmed(self, session: DeliverySession, undertaking: Undertaking, error: TsmError) -> None:
        """The guard stopped something on its way to an app SE."""
        self._metrics.alarms.inc()
        self._log.emit(
            Event.EXCLUSION_ALARMED,
            device=session.whose.device_id,
            agent=session.whose.agent_id,
            application=undertaking.job.application,
            error=error.code,
            problem=str(error),
            text=stopped(error),
        )

    def _count(self, job: Job, reason: str, outcome: str) -> None:
        self._metrics.jobs.labels(job.kind.value, outcome).inc()
        self._metrics.failures.labels(reason).inc()


def stopped(alarm: TsmError) -> str:
    """Which secret, by its label, or what sort of thing was on its way."""
    return str(alarm.facts.get("which") or alarm.facts.get("what", ""))


def _of(job: Job) -> dict[str, Any]:
    return {
        "device": job.device_id,
        "kind": job.kind.value,
        "application": job.application,
        "attempts": job.attempts,
    }


def _about(session: DeliverySession, undertaking: Undertaking) -> dict[str, Any]:
    application = undertaking.application
    return {
        "agent": session.whose.agent_id,
        "version": str(application.version) if application else None,
        "blocks": undertaking.blocks[0],
    }
