"""The policy of new keys: ordered for devices whose key is too old, or was used too often.

| the newest key that waits for the device | the policy |
|---|---|
| there is none | orders one; of a key made on the same day not yet |
| is to be fetched, or still on its way | waits |
| its short messages were given up | orders another a day later, then two, then four |
| they were sent, and it was not confirmed for a week | another, the next ones two and four weeks later |
| is the fourth one in a row | orders none any more, and says so: a dead phone must not cost for ever |

How far a key was used is what its device says: one packet far ahead must not cost short messages for as long
as it goes on. Keys that wait stay accepted, all of them, until a later one is confirmed; the few the policy
makes stay below the number at which the store lets the oldest go.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tsm_gateway.errors import TsmError
from tsm_gateway.registry.control import ControlState
from tsm_gateway.registry.device import KeyState
from tsm_gateway.registry.key_package import Delivery, KeyOrder
from tsm_gateway.relay.interfaces import StoreBroken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.registry.device import WrappedKey
    from tsm_gateway.registry.standing import Standing

PAGE: Final = 500  # overdue keys looked at in a go
DAY_S: Final = 86_400
SILENCE_S: Final = 7 * DAY_S  # a phone may be off for some days
TRIES: Final = 4  # keys in a row that nobody confirmed
# How long after the first of them the second is made; twice as long each further time.
PATIENCE_S: Mapping[ControlState, int] = {ControlState.FAILED: DAY_S, ControlState.SENT: SILENCE_S}


class RekeyPolicy:
    """Orders new keys."""

    def __init__(
        self,
        ledger: Ledger,
        held: Held,
        reports: ProvisioningReports,
        wall: Callable[[], float],
    ) -> None:
        """`held` holds the policy; `wall`: Unix seconds."""
        self._ledger, self._held, self._reports, self._wall = ledger, held, reports, wall
        self._given_up: set[bytes] = set()  # current keys of devices of which that was said

    async def look(self) -> None:
        """Order a new key for every device whose key is overdue. Raises StoreBroken, StoreBusy."""
        section, now = self._held.now.section, int(self._wall())
        days, packets = section.rekey_after_days, section.rekey_after_packets
        before = now - days * DAY_S if days else 0
        after, given_up = b"", set[bytes]()
        while days or packets:
            page = await asyncio.to_thread(
                self._ledger.store.overdue_keys,
                created_before=before,
                packets=packets,
                silent_before=now - SILENCE_S,
                after=after,
                limit=PAGE,
            )
            settled = [key for key in page if key.created_at <= now - DAY_S]
            done = await asyncio.gather(*(self._one(key, before, now) for key in settled))
            given_up |= {key.kid for key, ordered in zip(settled, done, strict=True) if not ordered}
            if len(page) < PAGE:
                break
            after = page[-1].kid
        self._given_up = given_up

    async def _one(self, key: WrappedKey, before: int, now: int) -> bool:
        """Order a successor of `key` if it is time; False when there were tries enough."""
        try:
            standing = self._ledger.standing(key.owner)
            if standing is None:
                return True
            tries, not_before = self._tried(standing, key)
            if not_before is not None and tries >= TRIES:
                self._give_up(key, tries)
                return False
            if not_before is not None and now >= not_before:
                await self._order(standing, key, "age" if key.created_at < before else "packets", now)
        except StoreBroken:
            raise
        except TsmError:  # terminated meanwhile, a damaged row, or no room: the next look decides anew
            pass
        return True

    def _tried(self, standing: Standing, key: WrappedKey) -> tuple[int, int | None]:
        """How many keys wait behind `key`, and from which Unix second on another one may follow them.

        None while the last one is to be fetched or on its way. Raises RowDamaged.
        """
        waiting = [
            each for each in standing.keys if each.state is KeyState.PENDING and each.epoch > key.epoch
        ]
        if not waiting:
            return 0, 0
        messages = self._ledger.store.controls(key.owner)
        last = next((each for each in messages if each.kid == waiting[0].kid), None)
        if last is None or last.state is ControlState.QUEUED:
            return len(waiting), None
        return len(waiting), last.changed_at + (PATIENCE_S[last.state] << len(waiting) - 1)

    async def _order(self, standing: Standing, key: WrappedKey, cause: str, now: int) -> None:
        """As configured; a device without a number can only fetch its key."""
        wanted = Delivery(self._held.now.section.rekey_delivery)
        delivery = wanted if standing.device.msisdn else Delivery.CHANNEL
        order = KeyOrder(key.owner, delivery, f"policy: {cause}", now)
        await self._ledger.write(lambda store: store.order(order))
        self._reports.ordered(key, order, cause)

    def _give_up(self, key: WrappedKey, tries: int) -> None:
        if key.kid not in self._given_up:  # once for each process is enough
            self._reports.gave_up(key, tries)
