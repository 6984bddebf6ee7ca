"""Certificates of devices in use, looked at again: whose was revoked pays no more.

Payments come over SMS, and the relay asks no issuer. So every registered and active device is judged once
an hour at most, as if it connected: a slice a second, so that neither others nor responders suffer.

| the certificate | then |
|---|---|
| revoked, or an authority above it | the device is suspended, as by an operator; a proof does not lift that |
| refused for another cause, such as its end | it is counted, and told once the round is over |
| of a device added by hand | the same, as long as no issuer vouches for it |
| not known to be revoked or not, as a responder is silent | the same; the next round asks again |

A reload, which may bring lists, begins the round anew.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.certificate_errors import CertificateRefused, CertificateRevoked
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.suspension import SuspensionKind
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.device_judge import DeviceJudge
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.registry.device import Device

EVERY_ROUND_S: Final = 3600.0  # from one beginning to the next; a round of very many devices takes longer
SLICE_S: Final = 0.2  # of each second
PAGE: Final = 200  # devices read in a go
REASON: Final = "certificate revoked"
PAYS: Final = frozenset({DeviceState.REGISTERED, DeviceState.ACTIVE})
SOUND: Final = "sound"


class RevocationSweep:
    """Goes through all devices in rounds, a slice each time."""

    def __init__(
        self,
        ledger: Ledger,
        judge: DeviceJudge,
        reports: ProvisioningReports,
        clocks: tuple[Callable[[], float], Callable[[], float]],
    ) -> None:
        """`clocks`: Unix seconds, and monotonic ones."""
        self._ledger, self._judge, self._reports = ledger, judge, reports
        self._wall, self._monotonic = clocks
        self._told: Counter[str] = Counter()  # of the round before
        self._page: list[Device] = []  # those to come, the next one last
        self.begin_anew()

    def begin_anew(self) -> None:
        """Look at every device again, from the first one on: a reload."""
        self._began, self._idle_until = self._monotonic(), 0.0
        self._after, self._page = "", []
        self._found: Counter[str] = Counter()

    async def look(self) -> None:
        """Judge as many devices as fit into a slice. Raises StoreBroken, StoreBusy, StoreFull."""
        if self._monotonic() < self._idle_until:
            return
        until, first = self._monotonic() + SLICE_S, True
        while first or self._monotonic() < until:
            first = False
            device = await self._next()
            if device is None:
                self._end_round()
                return
            await self._judged(device)

    async def _next(self) -> Device | None:
        """The device behind the last one; None when there is none."""
        while not self._page:
            round_, read = self._found, self._ledger.store.proved_devices
            page = await asyncio.to_thread(read, after=self._after, limit=PAGE)
            if round_ is not self._found:  # a reload meanwhile
                continue
            if not page:
                return None
            self._page = page[::-1]
        return self._page[-1]

    async def _judged(self, device: Device) -> None:
        """Look at one device; it counts as looked at only when what follows is done."""
        round_, outcome = self._found, SOUND
        try:
            await self._judge.device(device.certificate)
        except CertificateRevoked as error:
            outcome = error.code
            await self._suspended(device, error)
        except CertificateRefused as error:
            outcome = error.code
        if round_ is self._found:  # no reload meanwhile
            round_[outcome] += 1
            self._after = self._page.pop().device_id
        self._reports.metrics.swept.labels(outcome).inc()

    async def _suspended(self, device: Device, error: CertificateRevoked) -> None:
        """Suspend a device; one that cannot be, as its row is damaged, keeps nobody else from their turn."""
        try:
            await self._suspend(device, error)
        except (StoreBusy, StoreFull, StoreBroken):
            raise
        except TsmError as failed:
            self._reports.postponed(device.device_id, failed, EVERY_ROUND_S)

    async def _suspend(self, device: Device, error: CertificateRevoked) -> None:
        at = int(self._wall())
        async with self._ledger.turn(device.device_id):
            standing = self._ledger.standing(device.device_id)
            now = None if standing is None else standing.device
            if now is None or now.certificate != device.certificate or now.state not in PAYS:
                return  # renewed, suspended or terminated meanwhile
            await self._ledger.write(
                lambda store: store.suspend(
                    device.device_id, SuspensionKind.OPERATOR, proof_wanted=False, reason=REASON, at=at
                )
            )
        self._reports.revoked(now, error)

    def _end_round(self) -> None:
        found, self._found = self._found, Counter()
        seconds = self._monotonic() - self._began
        revoked = found.pop(CertificateRevoked.code, 0)
        self._reports.swept(found.total() + revoked, revoked, seconds, self._wall())
        for code, count in found.items():
            if code != SOUND and self._told[code] != count:
                self._reports.unfit(code, count)
        idle_until = self._began + EVERY_ROUND_S
        self.begin_anew()
        self._told, self._idle_until = found, idle_until
