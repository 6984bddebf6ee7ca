"""The virtual SMSC: speaks SMPP 3.4 to ESMEs, keeps what they did not take, and errs when told to.

Mobile-originated parts come in by `send` and leave as deliver_sm; submit_sm reach whoever subscribed to their
destination. Like a real SMSC it keeps a part until an ESME answered it for good.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Self

from tsm_gateway.virtual.smpp_octets import MAX_SEQUENCE, Status
from tsm_gateway.virtual.smsc_carriage import CARRIAGES
from tsm_gateway.virtual.smsc_deliveries import Deliveries
from tsm_gateway.virtual.smsc_faults import NO_FAULTS, Faults
from tsm_gateway.virtual.smsc_options import Account, SmscEvent, SmscOptions, Statistics
from tsm_gateway.virtual.smsc_session import SmscSession
from tsm_gateway.virtual.smsc_submissions import Submissions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.smpp_octets import Bind, SubmitSm
    from tsm_gateway.virtual.smsc_backlog import Delivery, Sending

_TICK_S = 0.1  # how often answers that are due are looked for
_PARTING_S = 1.0  # how long `stop` waits for ESMEs to answer its unbind

DEFAULT_OPTIONS = SmscOptions()


class VirtualSmsc:
    """A virtual SMSC; `async with` starts and stops it."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        options: SmscOptions = DEFAULT_OPTIONS,
        faults: Faults = NO_FAULTS,
        on_submit: Callable[[Part], int | None] | None = None,
        observer: Callable[[SmscEvent], None] | None = None,
    ) -> None:
        """`accounts` by system_id; `port` 0 takes a free one, told by `port` after `start`.

        `on_submit` may return a status for a part (None or 0: taken); `observer` sees every event.
        """
        self.host, self.port = host, port
        self.statistics = Statistics()
        self._accounts = dict(accounts)
        self._options, self._faults = options, faults
        self._observer = observer
        self._routes = {number: name for name, account in accounts.items() for number in account.numbers}
        self._pack = CARRIAGES[options.carriage]
        self._chance = random.Random(options.seed)  # noqa: S311 - sequence numbers, not keys
        self._sessions: list[SmscSession] = []
        self._deliveries = Deliveries(options, self.statistics, faults.double, observer)
        self._submissions = Submissions(options, faults, self.statistics, self._deliveries)
        self._submissions.verdict, self._submissions.tell = on_submit, observer
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    # life

    async def start(self) -> None:
        """Listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, self.host, self.port, ssl=self._options.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ticker = asyncio.create_task(self._tick(), name="virtual smsc answers due")

    async def stop(self) -> None:
        """Unbind everybody, wait a moment for the answers, and close."""
        if self._server is None:
            return
        self._server.close()
        self.unbind_all()
        try:
            await self.until(lambda: not self._sessions, _PARTING_S)
        except TimeoutError:
            self.drop_links()
            await self.until(lambda: not self._sessions, _PARTING_S)
        if self._ticker is not None:
            self._ticker.cancel()
        self._deliveries.stop()
        self._submissions.stop()
        self._server = None

    def drop_links(self) -> None:
        """Break every connection without a word."""
        for session in list(self._sessions):
            session.drop()

    def unbind_all(self) -> None:
        """Ask every ESME to part; connections that never bound are broken."""
        for session in list(self._sessions):
            if session.bound:
                session.unbind()
                session.flush()
            else:
                session.drop()

    # traffic

    def send(self, parts: Sequence[Part]) -> Sending:
        """Take mobile-originated `parts`; await the result for their last statuses. Raises SmscFull."""
        sending = self._deliveries.add(
            [(self._pack(part), self._routes.get(part.destination), part) for part in parts]
        )
        self._deliveries.pump()
        return sending

    def subscribe(self, subscriber: Callable[[Part], None], number: str | None = None) -> None:
        """Give `subscriber` every part submitted to `number`; None: to numbers nobody subscribed to."""
        self._submissions.subscribers[number] = subscriber

    def inbox(self, number: str | None = None) -> asyncio.Queue[Part]:
        """A queue of the parts submitted to `number`."""
        queue: asyncio.Queue[Part] = asyncio.Queue()
        self.subscribe(queue.put_nowait, number)
        return queue

    @property
    def unanswered(self) -> int:
        """Parts and receipts that have not had their last answer from an ESME."""
        return self._deliveries.unanswered

    @property
    def sessions(self) -> tuple[SmscSession, ...]:
        """The connections, bound or not."""
        return tuple(self._sessions)

    def bound(self, account: str | None = None) -> int:
        """How many binds stand, of all accounts or of one."""
        return sum(session.bound and account in {None, session.account} for session in self._sessions)

    async def until(self, condition: Callable[[], bool], within_s: float | None) -> None:
        """Return once `condition` holds, looked at after whatever the SMSC does.

        Raises TimeoutError after `within_s`; None: never.
        """
        if condition():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((condition, waiter))
        await asyncio.wait_for(waiter, within_s)

    async def until_bound(self, count: int = 1, within_s: float = 5.0) -> None:
        """Return once `count` binds stand. Raises TimeoutError."""
        await self.until(lambda: self.bound() >= count, within_s)

    # what sessions ask (smsc_session.Office)

    def opened(self, session: SmscSession) -> None:
        """Know a new connection."""
        self._sessions.append(session)
        self._deliveries.join(session)

    def admitted(self, bind: Bind) -> Status:
        """Check the account; the first so many binds may be refused by script."""
        account = self._accounts.get(bind.system_id)
        if self.statistics.refused_binds < self._faults.refuse_binds:
            status = Status.RALYBND
        elif account is None:
            status = Status.RINVSYSID
        else:
            status = Status.ROK if account.opens_with(bind.password) else Status.RINVPASWD
        if status == Status.ROK:
            self.statistics.binds += 1
            self._tell("bound", bind.system_id)
        else:
            self.statistics.refused_binds += 1
            self._tell("bind_refused", bind.system_id, status)
        return status

    def submitted(self, session: SmscSession, sequence: int, submit: SubmitSm) -> None:
        """Pass a submit_sm on."""
        self._submissions.submitted(session, sequence, submit)

    def answered(self, session: SmscSession, delivery: Delivery, status: int) -> None:
        """Pass an answer on."""
        self._deliveries.answered(session, delivery, status)

    def strayed(self) -> None:
        """Count a response nobody waited for."""
        self.statistics.strays += 1

    def malformed(self) -> None:
        """Count a PDU that cannot be read."""
        self.statistics.malformed += 1

    def read(self) -> None:
        """Send what there is room for now."""
        self._deliveries.pump()
        self._look()

    def closed(self, session: SmscSession, unanswered: list[Delivery]) -> None:
        """Forget a connection; what it owed goes over the others."""
        self._sessions.remove(session)
        self._deliveries.leave(session, unanswered)
        self._tell("unbound", session.account)
        self.read()

    # inside

    def _session(self) -> SmscSession:
        first = self._chance.randint(1, MAX_SEQUENCE) if self._faults.random_sequence else 1
        return SmscSession(self, self._faults, self._options.window, first)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK_S)
            self._deliveries.tick(loop.time())
            self.read()

    def _look(self) -> None:
        if self._waiters:
            for condition, waiter in self._waiters:
                if not waiter.done() and condition():
                    waiter.set_result(None)
            self._waiters = [entry for entry in self._waiters if not entry[1].done()]

    def _tell(self, name: str, account: str, status: int = 0) -> None:
        if self._observer is not None:
            self._observer(SmscEvent(name, account, None, status))
