"""New keys that were ordered, by `device rekey` or by the policy: made as soon as they can be.

| the order cannot be carried out because | then |
|---|---|
| the store is busy or full | the next second tries again |
| the device is suspended, has no number, or its certificate is not to be believed | it is tried again later |
| the store is broken | the daemon ends |
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Final

from tsm_gateway.daemon.postponed import Postponed
from tsm_gateway.errors import TsmError
from tsm_gateway.registry.key_package import Delivery, KeyOrder
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.keying import Keying
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.registry.device import WrappedKey

AT_ONCE: Final = 100  # orders carried out in one group
PAGE: Final = 500  # overdue keys looked at in a go
DAY_S: Final = 86_400


class KeyOrders:
    """Carries orders out."""

    def __init__(
        self,
        ledger: Ledger,
        keying: Keying,
        reports: ProvisioningReports,
        monotonic: Callable[[], float],
    ) -> None:
        """`monotonic`: seconds."""
        self._ledger, self._keying, self._reports = ledger, keying, reports
        self._postponed = Postponed(monotonic)

    async def fulfil(self) -> bool:
        """Make the keys of the oldest orders; whether there are more. Raises StoreBroken, StoreBusy."""
        orders = self._ledger.store.orders(AT_ONCE + len(self._postponed))
        ready = (order for order in orders if not self._postponed.waits(order))
        chosen = list(islice(ready, AT_ONCE))
        await asyncio.gather(*(self._one(order) for order in chosen))
        self._postponed.keep(set(orders))
        return len(chosen) == AT_ONCE

    async def _one(self, order: KeyOrder) -> None:
        try:
            await self._keying.fulfil(order)
        except (StoreBusy, StoreFull):
            pass
        except StoreBroken:
            raise
        except TsmError as error:
            self._reports.postponed(order.device_id, error, self._postponed.again(order))


class RekeyPolicy:
    """Orders new keys for devices whose key is too old, or was used too often; at most one a day for each.

    How far a key was used is what its device says: one packet far ahead must not cost short messages for
    as long as it goes on.
    """

    def __init__(
        self,
        ledger: Ledger,
        held: Held,
        reports: ProvisioningReports,
        wall: Callable[[], float],
    ) -> None:
        """`held` holds the policy; `wall`: Unix seconds."""
        self._ledger, self._held, self._reports, self._wall = ledger, held, reports, wall

    async def look(self) -> None:
        """Order a new key for every device whose key is overdue. Raises StoreBroken, StoreBusy."""
        section = self._held.now.section
        days, packets = section.rekey_after_days, section.rekey_after_packets
        before = int(self._wall()) - days * DAY_S if days else 0
        after = b""
        while days or packets:
            page = await asyncio.to_thread(
                self._ledger.store.overdue_keys,
                created_before=before,
                packets=packets,
                after=after,
                limit=PAGE,
            )
            settled = int(self._wall()) - DAY_S
            await asyncio.gather(*(self._order(key, before) for key in page if key.created_at <= settled))
            if len(page) < PAGE:
                break
            after = page[-1].kid

    async def _order(self, key: WrappedKey, before: int) -> None:
        cause = "age" if key.created_at < before else "packets"
        order = KeyOrder(key.owner, self._delivery(key.owner), f"policy: {cause}", int(self._wall()))
        try:
            await self._ledger.write(lambda store: store.order(order))
        except StoreBroken:
            raise
        except TsmError:  # terminated meanwhile, or no room: the next look decides anew
            return
        self._reports.ordered(key, order, cause)

    def _delivery(self, device_id: str) -> Delivery:
        """As configured; a device without a number can only fetch its key."""
        delivery = Delivery(self._held.now.section.rekey_delivery)
        standing = self._ledger.standing(device_id)
        reachable = standing is not None and standing.device.msisdn
        return delivery if reachable else Delivery.CHANNEL
