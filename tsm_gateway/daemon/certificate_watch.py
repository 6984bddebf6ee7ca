"""When the certificates and lists provisioning depends on end: a figure always, a warning in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.daemon.events import Event
from tsm_gateway.provisioning.expiry import Urgency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.provisioning.expiry import ExpiringItem


class CertificateWatch:
    """Publishes when things end and warns of them, once a day each."""

    def __init__(self, held: Held, reports: ProvisioningReports, wall: Callable[[], float]) -> None:
        """`held` says how many days ahead to warn; `wall`: Unix seconds."""
        self._held, self._reports, self._wall = held, reports, wall
        self._warned: dict[ExpiringItem, int] = {}  # with the days it then had left
        self.items: tuple[ExpiringItem, ...] = ()

    def watch(self, items: Iterable[ExpiringItem]) -> None:
        """Look after these from now on, in place of those before."""
        self.items = tuple(sorted(items, key=lambda item: item.not_after))
        self._warned = {item: days for item, days in self._warned.items() if item in self.items}
        gauge = self._reports.metrics.expiry
        gauge.clear()
        for item in reversed(self.items):  # of several that serve one use the first to end is published
            gauge.labels(item.owner, item.use).set(item.not_after)

    def ending(self) -> list[ExpiringItem]:
        """What has ended or ends within the days of the settings, soonest first."""
        at, limit = int(self._wall()), self._held.now.section.expiry_warning_days
        return [item for item in self.items if item.urgency(at, limit) is not Urgency.GOOD]

    async def look(self) -> None:
        """Warn of what ends soon."""
        for item in self.ending():
            days = item.days_left(int(self._wall()))
            if self._warned.get(item) != days:
                self._warned[item] = days
                self._reports.log.emit(
                    Event.CERTIFICATE_EXPIRING,
                    issuer=item.owner,
                    certificate=item.use,
                    text=item.subject,
                    days=days,
                )
