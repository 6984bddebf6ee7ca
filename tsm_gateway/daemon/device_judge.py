"""Whom to believe at this moment: `provisioning.device_trust` with today's issuers and OCSP answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.provisioning.device_trust import judge, judge_key_certificate, questions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.provisioning.device_trust import KeyCertificate, TrustedDevice
    from tsm_gateway.provisioning.ocsp import OcspQuestion


class DeviceJudge:
    """Judges certificates of devices, asking their issuers' responders where one is configured."""

    def __init__(
        self,
        held: Held,
        ask: Callable[[list[OcspQuestion]], Awaitable[Mapping[bytes, bytes]]],
        wall: Callable[[], float],
    ) -> None:
        """`ask`: OCSP answers by request, a silent responder's left out; `wall`: Unix seconds."""
        self._held, self._ask, self._wall = held, ask, wall

    async def device(self, der: bytes) -> TrustedDevice:
        """The device whose signing certificate is `der`. Raises a CertificateRefused."""
        answers = await self._answers(der)
        return judge(der, self._held.now.issuers, int(self._wall()), ocsp=answers)

    async def key_certificate(self, der: bytes, device: TrustedDevice) -> KeyCertificate:
        """The key certificate `der` that `device` presents. Raises a CertificateRefused."""
        answers = await self._answers(der)
        return judge_key_certificate(der, device, self._held.now.issuers, int(self._wall()), ocsp=answers)

    async def _answers(self, der: bytes) -> Mapping[bytes, bytes]:
        issuers = self._held.now.issuers
        if not any(issuer.ocsp for issuer in issuers):
            return {}
        asked = questions(der, issuers, int(self._wall()))
        return await self._ask(asked) if asked else {}
