"""To which key a device's packages are sealed: what it presents now, or what is stored of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.daemon.provisioning_answers import HybridKeyNotOffered, HybridKeyRequired
from tsm_gateway.provisioning.hybrid_key import read_hybrid_key
from tsm_gateway.provisioning.recipient import read_recipient
from tsm_gateway.registry.enrolment import Enrolment

if TYPE_CHECKING:
    from tsm_gateway.daemon.device_judge import DeviceJudge
    from tsm_gateway.daemon.provisioning_answers import EnrolmentRequest
    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.provisioning.device_trust import TrustedDevice
    from tsm_gateway.provisioning.recipient import Recipient
    from tsm_gateway.registry.standing import Standing


class Recipients:
    """Judges and reads recipients."""

    def __init__(self, judge: DeviceJudge, held: Held) -> None:
        """`held` says whether X-Wing keys are taken."""
        self._judge, self._held = judge, held

    async def presented(
        self, who: TrustedDevice, request: EnrolmentRequest, at: int
    ) -> tuple[Enrolment, Recipient]:
        """What `who` presents at Unix second `at`, checked.

        Raises HybridKeyRequired, HybridKeyNotOffered, a CertificateRefused for the key certificate, and
        what `read_hybrid_key` and `read_recipient` raise.
        """
        hybrid_key = self._hybrid_key(who, request.hybrid_key)
        key_certificate = b""
        if request.key_certificate is not None:
            key_certificate = (await self._judge.key_certificate(request.key_certificate, who)).der
        recipient = read_recipient(who.der, key_certificate=key_certificate, hybrid_key=hybrid_key)
        return Enrolment(who.device_id, who.issuer, key_certificate, hybrid_key, at), recipient

    def stored(self, standing: Standing) -> Recipient:
        """The recipient on record, as it was judged when it was stored. Raises what `read_recipient` does."""
        enrolment = standing.enrolment
        return read_recipient(
            standing.device.certificate,
            key_certificate=enrolment.key_certificate if enrolment else b"",
            hybrid_key=enrolment.hybrid_key if enrolment else b"",
        )

    async def judged(self, standing: Standing) -> Recipient:
        """The recipient on record, judged anew, as a new key is going to be sealed to it.

        Raises a CertificateRefused when it, or the device, is not to be believed any more;
        HybridKeyRequired when the settings want a hybrid key by now.
        """
        enrolment = standing.enrolment
        if self._held.now.section.hybrid == "required" and not (enrolment and enrolment.hybrid_key):
            raise HybridKeyRequired
        device = await self._judge.device(standing.device.certificate)
        if enrolment and enrolment.key_certificate:
            await self._judge.key_certificate(enrolment.key_certificate, device)
        return self.stored(standing)

    def _hybrid_key(self, who: TrustedDevice, statement: bytes | None) -> bytes:
        """The X-Wing key a device states; b"" when it states none."""
        if statement is None:
            if self._held.now.section.hybrid == "required":
                raise HybridKeyRequired
            return b""
        if self._held.now.section.hybrid == "off":
            raise HybridKeyNotOffered
        return read_hybrid_key(statement, device_id=who.device_id, signing_certificate=who.der)
