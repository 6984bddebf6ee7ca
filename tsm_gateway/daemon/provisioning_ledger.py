"""What provisioning reads of devices, and its one way to write: the group commit."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from tsm_gateway.errors import TsmError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tsm_gateway.daemon.committer import Committer
    from tsm_gateway.registry.standing import Standing
    from tsm_gateway.relay.interfaces import Spool
    from tsm_gateway.store.delivery_store import DeliveryStore
    from tsm_gateway.store.provisioning_store import ProvisioningStore
    from tsm_gateway.store.sqlite_store import SqliteStore

T = TypeVar("T")

ACTOR: Final = "provisioning"  # in the audit log


class Ledger:
    """The store as the use cases see it."""

    def __init__(self, store: SqliteStore, committer: Committer) -> None:
        """Read from `store` directly, write to it in the groups of `committer`."""
        self.store, self.delivery, self.registry = store.provisioning, store.delivery, store.registry
        self._committer = committer
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}  # device -> its lock, how many have or want it

    def standing(self, device_id: str) -> Standing | None:
        """All there is on one device, as of the last commit; None when it is not known."""
        return self.store.standing(device_id)

    async def write(self, act: Callable[[ProvisioningStore], T]) -> T:
        """Do `act` in one transaction with what others write, and wait until it is durable.

        `act` may be called again, when somebody else's work of the group failed: it only passes on values.
        Raises what it raised, StoreBusy, StoreFull or StoreBroken; then nothing of it was stored.
        """
        return await self._commit(lambda: act(self.store))

    async def deliver(self, act: Callable[[DeliveryStore], T]) -> T:
        """As `write`, of what the second channel stores."""
        return await self._commit(lambda: act(self.delivery))

    async def _commit(self, act: Callable[[], T]) -> T:
        def staged(_spool: Spool) -> T:
            try:
                return act()
            except TsmError:  # between two calls of the store, maybe: what the group staged is staged anew
                self.store.roll_back()
                raise

        return await self._committer.commit(staged)

    @asynccontextmanager
    async def turn(self, device_id: str) -> AsyncIterator[None]:
        """Let the requests of one device pass one by one: what the second reads, the first has stored."""
        lock, wanted = self._turns.get(device_id, (asyncio.Lock(), 0))
        self._turns[device_id] = lock, wanted + 1
        try:
            async with lock:
                yield
        finally:
            lock, wanted = self._turns.pop(device_id)
            if wanted > 1:
                self._turns[device_id] = lock, wanted - 1
