"""The use cases of channel 1, whatever carries them: each answers, or raises a TsmError that was reported."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from tsm_gateway.daemon.provisioning_answers import (
    ChallengeAnswer,
    EnrolmentAnswer,
    IdentityConflict,
    PackageAnswer,
)
from tsm_gateway.daemon.provisioning_reports import Use
from tsm_gateway.daemon.provisioning_standing import admitted, key_to_prove, status_of, waiting_package
from tsm_gateway.daemon.refusals import refusal
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.proof_errors import ProofRefused
from tsm_gateway.registry.errors import ElementsChanged, SecureElementTaken

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from tsm_gateway.daemon.enrolling import Enrolling
    from tsm_gateway.daemon.keying import Keying
    from tsm_gateway.daemon.moderation import Moderation
    from tsm_gateway.daemon.provisioning_answers import (
        EnrolmentRequest,
        RegistrationAnswer,
        StatusAnswer,
    )
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.daemon.registering import Registering
    from tsm_gateway.provisioning.device_trust import TrustedDevice

T = TypeVar("T")

# Refusals an auditor wants to see.
NOTED: Final = (ProofRefused, SecureElementTaken, ElementsChanged, IdentityConflict)


class Desk:
    """Where devices that authenticated by their certificates come to."""

    def __init__(
        self,
        ledger: Ledger,
        held: Held,
        uses: tuple[Enrolling, Keying, Registering],
        reports: ProvisioningReports,
        moderation: Moderation,
        wall: Callable[[], float],
    ) -> None:
        """`uses` do the work; `wall`: Unix seconds."""
        self._moderation = moderation
        self._ledger, self._held, self._reports, self._wall = ledger, held, reports, wall
        self._enrolling, self._keying, self._registering = uses

    async def enrol(self, who: TrustedDevice, request: EnrolmentRequest) -> EnrolmentAnswer:
        """Make the device known and keyed, or tell it again. See `Enrolling.enrol`."""
        return await self._told(Use.ENROLMENT, who, self._enrol(who, request))

    async def key_package(self, who: TrustedDevice) -> PackageAnswer:
        """The package that waits for the device. See `Keying.fetch`."""
        return await self._told(Use.KEY_PACKAGE, who, self._key_package(who))

    async def challenge(self, who: TrustedDevice) -> ChallengeAnswer:
        """A fresh challenge. See `Registering.challenge`."""
        return await self._told(Use.CHALLENGE, who, self._challenge(who))

    async def register(self, who: TrustedDevice, proof: bytes) -> RegistrationAnswer:
        """Judge a proof (COSE_Sign1). See `Registering.register`."""
        return await self._told(Use.REGISTRATION, who, self._registering.register(who, proof))

    async def status(self, who: TrustedDevice) -> StatusAnswer:
        """Where the device stands. Raises DeviceUnknown, DeviceTerminated, IdentityConflict."""
        return await self._told(Use.STATUS, who, self._status(who))

    async def _enrol(self, who: TrustedDevice, request: EnrolmentRequest) -> EnrolmentAnswer:
        standing = await self._enrolling.enrol(who, request)
        device, waiting = standing.device, waiting_package(standing)
        newest = key_to_prove(standing) or standing.keys[0]
        challenge = self._registering.challenge_for(standing) if waiting else None
        return EnrolmentAnswer(
            device.device_id,
            device.state.value,
            newest.kid,
            newest.epoch,
            waiting.kem if waiting else None,
            waiting.package if waiting else None,
            self._held.now.tsm_certificate,
            challenge.octets if challenge else None,
            challenge.expires_at if challenge else None,
        )

    async def _key_package(self, who: TrustedDevice) -> PackageAnswer:
        package = await self._keying.fetch(who)
        return PackageAnswer(
            package.device_id,
            package.kid,
            package.epoch,
            package.kem,
            package.package,
            self._held.now.tsm_certificate,
        )

    async def _challenge(self, who: TrustedDevice) -> ChallengeAnswer:
        challenge = self._registering.challenge(who)
        return ChallengeAnswer(
            who.device_id, challenge.octets, challenge.kid, challenge.epoch, challenge.expires_at
        )

    async def _status(self, who: TrustedDevice) -> StatusAnswer:
        return status_of(admitted(self._ledger.standing(who.device_id), who))

    async def _told(self, use: Use, who: TrustedDevice, work: Coroutine[Any, Any, T]) -> T:
        """What `work` answers; a refusal is logged, counted and, where it matters, audited now and then."""
        try:
            return await work
        except TsmError as error:
            self._reports.refused(use, who.device_id, error)
            if isinstance(error, NOTED):
                await self._note(use, who.device_id, error)
            raise

    async def _note(self, use: Use, device_id: str, error: TsmError) -> None:
        entry = refusal(int(self._wall()), use.action, device_id, error)
        with suppress(TsmError), self._moderation.news(device_id, error) as news:
            if news:  # when it cannot be written: the refusal stands, and is in the log
                await self._ledger.write(lambda store: store.note(entry))
