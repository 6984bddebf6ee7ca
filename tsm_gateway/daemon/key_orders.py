"""New keys that were ordered, by `device rekey` or by the policy: made as soon as they can be.

| the order cannot be carried out because | then |
|---|---|
| the store is busy or full | the next second tries again |
| the device was suspended in this very second | it is tried again a second later |
| the device is suspended, has no number, or its certificate is not to be believed | it is tried again later |
| the store is broken | the daemon ends |
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Final

from tsm_gateway.daemon.postponed import FIRST_S, Postponed
from tsm_gateway.daemon.provisioning_answers import KeyTooEarly
from tsm_gateway.errors import TsmError
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.keying import Keying
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.registry.key_package import KeyOrder

AT_ONCE: Final = 100  # orders carried out in one group
TOO_EARLY_S: Final = 1.0  # the clock's next second will do


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
            first_s = TOO_EARLY_S if isinstance(error, KeyTooEarly) else FIRST_S
            pause = self._postponed.again(order, first_s)
            self._reports.postponed(order.device_id, error, pause)
