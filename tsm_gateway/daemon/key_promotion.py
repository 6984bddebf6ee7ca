"""New keys that a device uses without a proof having come: use is a confirmation, too (design §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.registry.errors import KeyNotWaiting, MoveNotAllowed
from tsm_gateway.relay.interfaces import StoreBusy, StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.registry.device import WrappedKey

PAGE: Final = 500


class KeyPromotion:
    """Makes PENDING keys current whose replay window moved."""

    def __init__(
        self,
        ledger: Ledger,
        reports: ProvisioningReports,
        wall: Callable[[], float],
        held: Held,
    ) -> None:
        """`held` says how long the keys before stay accepted; `wall`: Unix seconds."""
        self._ledger, self._reports, self._wall, self._held = ledger, reports, wall, held

    async def look(self) -> None:
        """Promote every key under which a packet came. Raises StoreBroken, StoreBusy."""
        after = b""
        while True:
            page = self._ledger.store.used_pending(after=after, limit=PAGE)
            for key in page:
                await self._promote(key)
            if len(page) < PAGE:
                return
            after = page[-1].kid

    async def _promote(self, key: WrappedKey) -> None:
        at, overlap_s = int(self._wall()), self._held.now.section.key_overlap_s
        try:
            await self._ledger.write(lambda store: store.confirm(key.kid, overlap_s=overlap_s, at=at))
        except (StoreBusy, StoreFull, KeyNotWaiting, MoveNotAllowed):
            return  # put off, or its proof came, or its device was terminated meanwhile
        self._reports.confirmed(key)
