"""What the virtual SMSC keeps until an ESME took it: a bounded backlog, as real SMSCs have."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from tsm_gateway.virtual.errors import SmscFull

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from tsm_gateway.virtual.part import Part


class Sending:
    """A batch of parts on their way to an ESME; awaiting it gives the last status of each, in order."""

    __slots__ = ("_future", "_left", "statuses")

    def __init__(self, count: int) -> None:
        """`count` parts were handed over."""
        self.statuses: list[int | None] = [None] * count
        self._left = count
        self._future: asyncio.Future[None] | None = None

    @property
    def done(self) -> bool:
        """Whether every part has its last status."""
        return self._left == 0

    def settle(self, index: int, status: int) -> None:
        """The ESME said its last word about one part."""
        self.statuses[index] = status
        self._left -= 1
        if self._left == 0 and self._future is not None and not self._future.done():
            self._future.set_result(None)

    def __await__(self) -> Generator[object, None, list[int | None]]:
        """Wait until every part has its last status."""
        if self._left:
            if self._future is None:
                self._future = asyncio.get_running_loop().create_future()
            yield from asyncio.shield(self._future)
        return self.statuses


class Delivery:
    """One deliver_sm until it is answered for good."""

    __slots__ = ("account", "attempts", "body", "index", "part", "sending")

    def __init__(
        self,
        body: bytes,
        account: str | None,
        part: Part | None,
        sending: Sending | None,
        index: int,
    ) -> None:
        """`account`: whose it is, None: anybody's; `part`: what was sent, None for a receipt."""
        self.body = body
        self.account = account
        self.part = part
        self.sending = sending
        self.index = index
        self.attempts = 0

    def settle(self, status: int) -> None:
        """The last status."""
        if self.sending is not None:
            self.sending.settle(self.index, status)


class Backlog:
    """Deliveries that wait for a bind with room, in order; at most `capacity` unanswered ones."""

    def __init__(self, capacity: int) -> None:
        """Start empty."""
        self.capacity = capacity
        self.unanswered = 0  # waiting, deferred or sent
        self._shared: deque[Delivery] = deque()
        self._own: dict[str, deque[Delivery]] = {}

    def __len__(self) -> int:
        """How many wait to be sent now."""
        return len(self._shared) + sum(map(len, self._own.values()))

    def admit(self, deliveries: Iterable[Delivery], count: int) -> None:
        """Take new deliveries, all or none. Raises SmscFull."""
        if self.unanswered + count > self.capacity:
            raise SmscFull(capacity=self.capacity)
        self.unanswered += count
        for delivery in deliveries:
            self._queue(delivery.account).append(delivery)

    def add(self, delivery: Delivery) -> None:
        """Take one more, room or not: what the SMSC itself makes is never refused."""
        self.unanswered += 1
        self._queue(delivery.account).append(delivery)

    def put_back(self, deliveries: Iterable[Delivery]) -> None:
        """Unsent after all: to the front, in their order."""
        for delivery in reversed(list(deliveries)):
            self._queue(delivery.account).appendleft(delivery)

    def take(self, account: str) -> Delivery | None:
        """The next for a bind of `account`: its own first, then anybody's."""
        own = self._own.get(account)
        if own:
            return own.popleft()
        return self._shared.popleft() if self._shared else None

    def _queue(self, account: str | None) -> deque[Delivery]:
        return self._shared if account is None else self._own.setdefault(account, deque())
