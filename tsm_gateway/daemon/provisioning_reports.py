"""What provisioning says: outcomes become log lines and figures, here and nowhere else."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Self

from tsm_gateway.daemon.events import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.daemon.provisioning_metrics import ProvisioningMetrics
    from tsm_gateway.errors import TsmError
    from tsm_gateway.registry.device import Device, WrappedKey
    from tsm_gateway.registry.enrolment import Enrolment
    from tsm_gateway.registry.key_package import KeyOrder, StoredPackage
    from tsm_gateway.registry.registration import Registration

CHANNEL, SMS = "channel", "sms"  # bearers of a proof


class Use(Enum):
    """What a device can ask for, with the event of its refusal and the audit log's word for it."""

    refusal: Event
    action: str

    def __new__(cls, name: str, refusal: Event, action: str) -> Self:
        """A row of the table."""
        use = object.__new__(cls)
        use._value_ = name
        use.refusal, use.action = refusal, action
        return use

    ENROLMENT = "enrolment", Event.ENROLMENT_REFUSED, "device.enrol"
    KEY_PACKAGE = "key_package", Event.KEY_PACKAGE_REFUSED, "key.deliver"
    CHALLENGE = "challenge", Event.CHALLENGE_REFUSED, "device.challenge"
    REGISTRATION = "registration", Event.REGISTRATION_REFUSED, "device.register"
    STATUS = "status", Event.STATUS_REFUSED, "device.status"


class ProvisioningReports:
    """The voice of provisioning."""

    def __init__(self, log: Log, metrics: ProvisioningMetrics) -> None:
        """Speak into `log` and `metrics`."""
        self.log, self.metrics = log, metrics

    # what devices asked

    def enrolled(self, enrolment: Enrolment, key: WrappedKey) -> None:
        """A device became known, with its first key."""
        self.metrics.enrolments.labels("new").inc()
        self.log.emit(
            Event.ENROLMENT_ACCEPTED,
            device=enrolment.device_id,
            issuer=enrolment.issuer,
            kid=key.kid,
            epoch=key.epoch,
        )

    def renewed(self, enrolment: Enrolment) -> None:
        """A known device has other certificates than before."""
        self.metrics.enrolments.labels("renewed").inc()
        self.log.emit(Event.ENROLMENT_RENEWED, device=enrolment.device_id, issuer=enrolment.issuer)

    def repeated(self, device: Device) -> None:
        """A known device enrolled once more, and nothing was new."""
        self.metrics.enrolments.labels("repeated").inc()
        self.log.emit(Event.ENROLMENT_REPEATED, device=device.device_id, state=device.state.value)

    def made(self, package: StoredPackage, reason: str) -> None:
        """A new key is stored, sealed to its device."""
        self.metrics.packages.labels(package.delivery.value).inc()
        self.log.emit(
            Event.KEY_PACKAGE_MADE,
            device=package.device_id,
            kid=package.kid,
            epoch=package.epoch,
            delivery=package.delivery.value,
            reason=reason,
        )

    def fetched(self, package: StoredPackage) -> None:
        """A device took its package."""
        self.log.emit(
            Event.KEY_PACKAGE_FETCHED, device=package.device_id, kid=package.kid, epoch=package.epoch
        )

    def challenged(self, device_id: str, kid: bytes, epoch: int) -> None:
        """A device was given a challenge."""
        self.metrics.challenges.inc()
        self.log.emit(Event.CHALLENGE_ISSUED, device=device_id, kid=kid, epoch=epoch)

    def registered(self, registration: Registration, epoch: int, device: Device, bearer: str) -> None:
        """A proof was believed and stored."""
        self.metrics.registrations.labels(bearer).inc()
        self.log.emit(
            Event.REGISTRATION_ACCEPTED,
            device=device.device_id,
            kid=registration.kid,
            epoch=epoch,
            state=device.state.value,
            bearer=bearer,
            count=len(registration.methods),
        )

    def refused(self, use: Use, device_id: str, error: TsmError) -> None:
        """A device did not get what it asked for."""
        self.metrics.refused.labels(use.value, error.code).inc()
        self.log.emit(use.refusal, device=device_id, error=error.code, problem=str(error))

    def disbelieved(self, device_id: str, kid: bytes, error: TsmError) -> None:
        """A proof that came as a short message was not believed."""
        self.metrics.refused.labels(Use.REGISTRATION.value, error.code).inc()
        self.log.emit(
            Event.REGISTRATION_REFUSED,
            device=device_id,
            kid=kid,
            bearer=SMS,
            error=error.code,
            problem=str(error),
        )

    # upkeep

    def ordered(self, key: WrappedKey, order: KeyOrder, cause: str) -> None:
        """The policy wants `key` replaced."""
        self.metrics.rekeys.labels(cause).inc()
        self.log.emit(
            Event.REKEY_ORDERED,
            device=key.owner,
            kid=key.kid,
            delivery=order.delivery.value,
            reason=order.reason,
        )

    def gave_up(self, key: WrappedKey, tries: int) -> None:
        """The policy orders no successor of `key` any more: none of the last ones was confirmed."""
        self.log.emit(Event.REKEY_GIVEN_UP, device=key.owner, kid=key.kid, count=tries)

    def confirmed(self, key: WrappedKey) -> None:
        """A device uses its new key."""
        self.metrics.confirmed.inc()
        self.log.emit(Event.REKEY_CONFIRMED, device=key.owner, kid=key.kid, epoch=key.epoch)

    def postponed(self, device_id: str | None, error: TsmError, retry_in_s: float) -> None:
        """A new key could not be made, or a proof not be judged."""
        self.log.emit(
            Event.REKEY_POSTPONED,
            device=device_id,
            error=error.code,
            problem=str(error),
            retry_in_s=retry_in_s,
        )

    def revoked(self, device: Device, error: TsmError) -> None:
        """A device was suspended, as its certificate was revoked; `device` is what it was before."""
        self.log.emit(
            Event.DEVICE_REVOKED, device=device.device_id, state=device.state.value, problem=str(error)
        )

    def swept(self, devices: int, suspended: int, seconds: float, at: float) -> None:
        """Every device's certificate was looked at again; `at`: Unix seconds."""
        self.metrics.sweep_ended.set(at)
        self.log.emit(Event.CERTIFICATES_SWEPT, devices=devices, count=suspended, seconds=seconds)

    def unfit(self, code: str, count: int) -> None:
        """So many devices have a certificate that is refused with `code`."""
        self.log.emit(Event.CERTIFICATES_UNFIT, error=code, count=count)

    def responder_silent(self, url: str, reason: str) -> None:
        """An OCSP responder gave no answer that proves anything."""
        self.metrics.responders_silent.inc()
        self.log.emit(Event.RESPONDER_SILENT, host=url, reason=reason)

    def stuck(self, loops: Sequence[str], seconds: float) -> None:
        """Loops that make no progress; the watchdog is not fed."""
        for loop in loops:
            self.metrics.watchdog_missed.labels(loop).inc()
            self.log.emit(Event.WATCHDOG_MISSED, loop=loop, seconds=seconds)
