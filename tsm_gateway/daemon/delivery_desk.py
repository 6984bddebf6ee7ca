"""What agents ask of delivery, as one desk: the listener of channel 2 calls these and knows no more.

Each use case raises TsmErrors only, after the refusal was logged and counted. One that is cut off by its
caller goes on to its end: what it stored and what it keeps in memory belong together.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tsm_gateway.daemon.delivery_answers import (
    ApplicationStanding,
    DeliveryStatus,
    ScriptOutOfTurn,
)
from tsm_gateway.daemon.delivery_book import ACTION
from tsm_gateway.daemon.delivery_planning import OPEN
from tsm_gateway.daemon.delivery_standing import Served, served
from tsm_gateway.daemon.provisioning_answers import VirtualDeviceRefused
from tsm_gateway.daemon.refusals import refusal
from tsm_gateway.errors import TsmError
from tsm_gateway.registry.job import JobState

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from tsm_gateway.daemon.delivering import Delivering
    from tsm_gateway.daemon.delivery_answers import ScriptAnswer, ScriptRequest
    from tsm_gateway.daemon.delivery_book import Clocks
    from tsm_gateway.daemon.delivery_reports import DeliveryReports
    from tsm_gateway.daemon.delivery_sessions import DeliverySessions
    from tsm_gateway.daemon.moderation import Moderation
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.provisioning.agent_trust import TrustedAgent
    from tsm_gateway.registry.device import Device
    from tsm_gateway.registry.job import Job

T = TypeVar("T")
NOTED: Final = (ScriptOutOfTurn, VirtualDeviceRefused)  # refusals an auditor wants to see


class DeliveryDesk:
    """Where agents that authenticated by their certificates come to."""

    def __init__(
        self,
        ledger: Ledger,
        delivering: Delivering,
        sessions: DeliverySessions,
        reports: DeliveryReports,
        moderation: Moderation,
        clocks: Clocks,
        *,
        test_agents: bool,
    ) -> None:
        """`test_agents`: those of virtual handsets are taken, too."""
        self._ledger, self._delivering, self.sessions = ledger, delivering, sessions
        self._reports, self._moderation, self._clocks = reports, moderation, clocks
        self._test_agents = test_agents
        self._running: set[asyncio.Task[Any]] = set()

    async def script(self, who: TrustedAgent, asked: ScriptRequest) -> ScriptAnswer:
        """The next script for the card behind `who`, or that there is nothing to do.

        Raises VirtualDeviceRefused, DeviceNotRegistered, DeviceSuspended, DeviceTerminated, CardUnknown,
        SessionOver, ScriptOutOfTurn, ResponsesMalformed, TooManySessions, DeliveryOff; what the store raises,
        keys that do not unwrap.
        """
        return await self._to_its_end(self._told(who, self._script(who, asked)))

    async def status(self, who: TrustedAgent) -> DeliveryStatus:
        """Where the device behind `who` stands. Raises VirtualDeviceRefused, what the store raises."""
        return await self._told(who, self._status(who))

    async def expire(self, session_s: float) -> None:
        """End the sessions whose agents were silent for `session_s`. Raises what the store raises."""
        for session in self.sessions.silent(self._clocks.monotonic() - session_s):
            async with self._ledger.turn(session.whose.device_id):
                if session in self.sessions.silent(self._clocks.monotonic() - session_s):
                    await self._to_its_end(self._delivering.silence(session))

    async def _script(self, who: TrustedAgent, asked: ScriptRequest) -> ScriptAnswer:
        self._check_kind(who)
        async with self._ledger.turn(self._whose_turn(who)):
            now = self._served(who)  # what it was before its turn came may not be so any more
            if asked.session:
                return await self._delivering.answer(who, now, asked)
            if asked.number or asked.responses:
                raise ScriptOutOfTurn
            return await self._delivering.begin(who, now)

    def _whose_turn(self, who: TrustedAgent) -> str:
        """In a session its device's, which is asked about again once the turn has come."""
        session = self.sessions.of(who.app_se)
        return session.whose.device_id if session else self._owner(who) or who.agent_id

    async def _status(self, who: TrustedAgent) -> DeliveryStatus:
        self._check_kind(who)
        device = self._device(who)
        under_way = self.sessions.of(who.app_se) is not None
        if device is None:
            return DeliveryStatus(who.app_se, None, None, (), 0, under_way)
        store = self._ledger.delivery
        applications = tuple(
            ApplicationStanding(each.application, str(each.version), each.state.value)
            for each in store.on_device(device.device_id)
        )
        jobs = store.jobs(device.device_id)
        waiting = sum(each.state in OPEN for each in jobs)
        state = device.state.value
        return DeliveryStatus(
            *(who.app_se, device.device_id, state, applications, waiting, under_way), _last_failed(jobs)
        )

    def _check_kind(self, who: TrustedAgent) -> None:
        if who.test_only and not self._test_agents:
            raise VirtualDeviceRefused

    def _served(self, who: TrustedAgent) -> Served:
        """The device that is worked for. A session of one that is not any more is over."""
        try:
            return served(self._device(who), self._ledger.delivery.card(who.app_se))
        except TsmError as refused:
            session = self.sessions.of(who.app_se)
            if session is not None:
                self._delivering.end(session, refused.code)
            raise

    def _device(self, who: TrustedAgent) -> Device | None:
        owner = self._owner(who)
        return self._ledger.registry.device(owner) if owner else None

    def _owner(self, who: TrustedAgent) -> str | None:
        return self._ledger.delivery.owner_of(who.app_se)

    async def _told(self, who: TrustedAgent, work: Coroutine[Any, Any, T]) -> T:
        """What `work` answers; a refusal is logged, counted and, where it matters, audited now and then."""
        try:
            return await work
        except TsmError as error:
            owner = self._owner_if_known(who)
            self._reports.refused(who.agent_id, owner, error)
            if isinstance(error, NOTED):
                await self._note(who, owner, error)
            raise

    def _owner_if_known(self, who: TrustedAgent) -> str | None:
        with suppress(TsmError):
            return self._owner(who)
        return None

    async def _note(self, who: TrustedAgent, owner: str | None, error: TsmError) -> None:
        subject = owner or who.app_se.hex()
        entry = refusal(int(self._clocks.wall()), ACTION, subject, error, agent=who.agent_id)
        with suppress(TsmError), self._moderation.news(who.agent_id, error) as news:
            if news:  # when it cannot be written: the refusal stands, and is in the log
                await self._ledger.deliver(lambda store: store.note(entry))

    async def _to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`; whoever is cancelled meanwhile leaves it running."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)


def _last_failed(jobs: Iterable[Job]) -> str | None:
    """The id of the newest job that was given up."""
    failed = [each for each in jobs if each.state is JobState.FAILED]
    newest = max(failed, key=lambda each: (each.changed_at, each.created_at), default=None)
    return None if newest is None else newest.job_id.hex()
