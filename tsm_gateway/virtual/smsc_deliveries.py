"""The virtual SMSC toward ESMEs: which deliver_sm goes over which bind, and what its answer means.

| answer | what becomes of the part |
|---|---|
| 0 | delivered |
| RMSGQFUL, RTHROTTLED, RX_T_APPN, RSYSERR | sent again after a pause |
| none in time | sent again |
| the link broke | sent again, over any bind |
| any other | given up |
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from tsm_gateway.virtual.smsc_backlog import Backlog, Delivery, Sending
from tsm_gateway.virtual.smsc_options import TEMPORARY, SmscEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.smsc_options import SmscOptions, Statistics
    from tsm_gateway.virtual.smsc_session import SmscSession

SILENCE = -1  # the last status of a part that was given up without an answer


class Deliveries:
    """Parts and receipts on their way to ESMEs."""

    def __init__(
        self,
        options: SmscOptions,
        statistics: Statistics,
        double: int,
        tell: Callable[[SmscEvent], None] | None,
    ) -> None:
        """`double`: every n-th deliver_sm is sent twice; `tell`: who watches."""
        self._options = options
        self._statistics = statistics
        self._double = double
        self._tell = tell
        self._backlog = Backlog(options.capacity)
        self._sessions: deque[SmscSession] = deque()
        self._pauses: set[asyncio.TimerHandle] = set()

    @property
    def unanswered(self) -> int:
        """How many have not had their last answer."""
        return self._backlog.unanswered

    def join(self, session: SmscSession) -> None:
        """A new connection; it gets nothing before it is bound."""
        self._sessions.append(session)

    def leave(self, session: SmscSession, unanswered: Sequence[Delivery]) -> None:
        """A connection is gone: what it left unanswered goes first over the others."""
        self._sessions.remove(session)
        self._statistics.lost += len(unanswered)
        self._again(unanswered, SILENCE)

    def add(self, parts: Sequence[tuple[bytes, str | None, Part]]) -> Sending:
        """Keep (body, account, part) until answered; all or none. Raises SmscFull."""
        sending = Sending(len(parts))
        deliveries = [
            Delivery(body, account, part, sending, index) for index, (body, account, part) in enumerate(parts)
        ]
        self._backlog.admit(deliveries, len(deliveries))
        return sending

    def add_receipt(self, body: bytes, session: SmscSession, *, at_once: bool) -> None:
        """A receipt for `session`'s account; `at_once`: over the first bind that can, full window or not."""
        self._statistics.receipts += 1
        receipt = Delivery(body, session.account, None, None, 0)
        carriers = [session, *self._sessions] if at_once else []
        for carrier in carriers:
            if carrier.may_receive and carrier.account == session.account:
                self._backlog.unanswered += 1
                carrier.deliver(receipt)
                carrier.flush()
                self._statistics.deliveries += 1
                return
        self._backlog.add(receipt)

    def pump(self) -> None:
        """Send what waits over the binds that have room, in turn, one deliver_sm each."""
        if not len(self._backlog):
            return
        self._sessions.rotate(-1)  # another bind leads each time
        ready = [session for session in self._sessions if session.room]
        turn = deque(ready)
        while turn:
            session = turn.popleft()
            delivery = self._backlog.take(session.account)
            if delivery is None:
                continue  # nothing of its account, nothing of everybody's
            self._send(session, delivery)
            if session.room:
                turn.append(session)
        for session in ready:
            session.flush()

    def answered(self, session: SmscSession, delivery: Delivery, status: int) -> None:
        """An ESME answered."""
        if status in TEMPORARY:
            self._statistics.deferrals[status] += 1
            if not self._spent(delivery):
                self._note("deferred", session.account, delivery, status)
                self._pause(delivery)
                return
        self._settle(session.account, delivery, status)

    def tick(self, now: float) -> None:
        """Take back what has waited too long for its answer; `now` is loop time."""
        before = now - self._options.response_s
        for session in self._sessions:
            late = session.overdue(before)
            self._statistics.timeouts += len(late)
            self._again(late, SILENCE)

    def stop(self) -> None:
        """Forget every pause."""
        for pause in self._pauses:
            pause.cancel()
        self._pauses.clear()

    def _send(self, session: SmscSession, delivery: Delivery) -> None:
        delivery.attempts += 1
        self._statistics.deliveries += 1
        session.deliver(delivery)
        if self._double and self._statistics.deliveries % self._double == 0:
            self._backlog.unanswered += 1
            session.deliver(Delivery(delivery.body, delivery.account, delivery.part, None, 0))
        self._note("delivering", session.account, delivery, 0)

    def _again(self, deliveries: Iterable[Delivery], status: int) -> None:
        kept: list[Delivery] = []
        for delivery in deliveries:
            if self._spent(delivery):
                self._settle(delivery.account or "", delivery, status)
            else:
                kept.append(delivery)
        self._backlog.put_back(kept)

    def _spent(self, delivery: Delivery) -> bool:
        return 0 < self._options.attempts <= delivery.attempts

    def _settle(self, account: str, delivery: Delivery, status: int) -> None:
        self._backlog.unanswered -= 1
        if status == 0:
            self._statistics.delivered += 1
        else:
            self._statistics.given_up[status] += 1
        delivery.settle(status)
        self._note("given_up" if status else "delivered", account, delivery, status)

    def _pause(self, delivery: Delivery) -> None:
        def over() -> None:
            self._pauses.discard(pause)
            self._backlog.put_back([delivery])
            self.pump()

        pause = asyncio.get_running_loop().call_later(self._options.redeliver_s, over)
        self._pauses.add(pause)

    def _note(self, name: str, account: str, delivery: Delivery, status: int) -> None:
        if self._tell is not None:
            self._tell(SmscEvent(name, account, delivery.part, status))
