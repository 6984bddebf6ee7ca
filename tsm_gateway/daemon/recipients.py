"""To which key a device's packages are sealed: what it presents now, or what is stored of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.daemon.provisioning_answers import HybridKeyNotOffered, HybridKeyRequired
from tsm_gateway.provisioning.hybrid_key import read_hybrid_key
from tsm_gateway.provisioning.recipient import read_recipient
from tsm_gateway.provisioning.x509_fields import same_certificate
from tsm_gateway.registry.enrolment import Enrolment

if TYPE_CHECKING:
    from tsm_gateway.daemon.device_judge import DeviceJudge
    from tsm_gateway.daemon.provisioning_answers import EnrolmentRequest
    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.provisioning.device_trust import TrustedDevice
    from tsm_gateway.provisioning.recipient import Recipient
    from tsm_gateway.registry.standing import Standing


class Presented(NamedTuple):
    """What a device showed beside its signing certificate, checked."""

    key_certificate: bytes  # X.509 DER; b"" = none
    hybrid_key: bytes | None  # 1216 octets; None = it said nothing of one


class Settled(NamedTuple):
    """What is to be on record of a device."""

    certificate: bytes  # X.509 DER: the signing certificate
    enrolment: Enrolment
    recipient: Recipient
    at: int  # Unix seconds


class Recipients:
    """Judges and reads recipients."""

    def __init__(self, judge: DeviceJudge, held: Held) -> None:
        """`held` says whether X-Wing keys are taken."""
        self._judge, self._held = judge, held

    async def presented(self, who: TrustedDevice, request: EnrolmentRequest) -> Presented:
        """What `who` presents, checked.

        Raises HybridKeyNotOffered, a CertificateRefused for the key certificate, what `read_hybrid_key`
        raises.
        """
        hybrid_key = None
        if request.hybrid_key is not None:
            if self._held.now.section.hybrid == "off":
                raise HybridKeyNotOffered
            hybrid_key = read_hybrid_key(
                request.hybrid_key, device_id=who.device_id, signing_certificate=who.der
            )
        key_certificate = b""
        if request.key_certificate is not None:
            key_certificate = (await self._judge.key_certificate(request.key_certificate, who)).der
        return Presented(key_certificate, hybrid_key)

    def settled(
        self, who: TrustedDevice, presented: Presented, standing: Standing | None, at: int
    ) -> Settled:
        """What is to be on record of `who` from Unix second `at` on, given what is there.

        A certificate that was only signed anew (`same_certificate`) is no other one: the one on record
        stays. A hybrid key stays until another is stated, as long as they are offered: to leave one out is
        no way back to a weaker package. Raises HybridKeyRequired, and what `read_recipient` raises.
        """
        known = None if standing is None else standing.enrolment
        certificate = _kept(standing.device.certificate if standing else b"", who.der)
        key_certificate = _kept(known.key_certificate if known else b"", presented.key_certificate)
        hybrid_key = presented.hybrid_key
        if hybrid_key is None:
            hybrid_key = known.hybrid_key if known and self._held.now.section.hybrid != "off" else b""
        if not hybrid_key and self._held.now.section.hybrid == "required":
            raise HybridKeyRequired
        recipient = read_recipient(certificate, key_certificate=key_certificate, hybrid_key=hybrid_key)
        enrolled_at = known.enrolled_at if known else at
        enrolment = Enrolment(who.device_id, who.issuer, key_certificate, hybrid_key, enrolled_at)
        return Settled(certificate, enrolment, recipient, at)

    def stored(self, standing: Standing) -> Recipient:
        """The recipient on record, as it was judged when it was stored.

        Raises what `read_recipient` does; HybridKeyRequired when the settings want a hybrid key by now.
        """
        enrolment = standing.enrolment
        if self._held.now.section.hybrid == "required" and not (enrolment and enrolment.hybrid_key):
            raise HybridKeyRequired
        return read_recipient(
            standing.device.certificate,
            key_certificate=enrolment.key_certificate if enrolment else b"",
            hybrid_key=enrolment.hybrid_key if enrolment else b"",
        )

    async def judged(self, standing: Standing) -> Recipient:
        """The recipient on record, judged anew, as a new key is going to be sealed to it.

        Raises a CertificateRefused when it, or the device, is not to be believed any more; what `stored`
        raises.
        """
        recipient, enrolment = self.stored(standing), standing.enrolment
        device = await self._judge.device(standing.device.certificate)
        if enrolment and enrolment.key_certificate:
            await self._judge.key_certificate(enrolment.key_certificate, device)
        return recipient


def _kept(known: bytes, presented: bytes) -> bytes:
    """The certificate to go on with (DER, b"" = none): the known one, if both say the same."""
    return known if known and presented and same_certificate(known, presented) else presented
