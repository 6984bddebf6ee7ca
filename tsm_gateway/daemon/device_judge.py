"""Whom to believe at this moment: `provisioning.device_trust` with today's issuers and OCSP answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.provisioning.device_trust import KeyCertificate, TrustedDevice
    from tsm_gateway.provisioning.ocsp_link import OcspLink


class DeviceJudge:
    """Judges certificates of devices, asking their issuers' responders where one is configured."""

    def __init__(self, held: Held, responders: OcspLink, wall: Callable[[], float]) -> None:
        """Trust the issuers of `held`, as they are when somebody asks; `wall`: Unix seconds."""
        self._held, self._responders, self._wall = held, responders, wall

    async def device(self, der: bytes) -> TrustedDevice:
        """The device whose signing certificate is `der`. Raises a CertificateRefused."""
        return await self._responders.judge(der, self._held.now.issuers, int(self._wall()))

    async def key_certificate(self, der: bytes, device: TrustedDevice) -> KeyCertificate:
        """The key certificate `der` that `device` presents. Raises a CertificateRefused."""
        issuers, at = self._held.now.issuers, int(self._wall())
        return await self._responders.judge_key_certificate(der, device, issuers, at)

    def forget(self) -> None:
        """Ask responders anew from now on: a reload."""
        self._responders.forget()
