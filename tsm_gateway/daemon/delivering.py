"""Sessions with cards: begun with what is due, moved on by each post, ended by whatever goes wrong.

A script leaves only after all it follows from is durable. When the store is busy the turn is owed: the very
same post comes again, the same turn is stored and the same script leaves. So does the last script for a post
whose answer was lost. Anything else out of turn ends the session: the card may be anywhere, and a new session
finds out.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from tsm_gateway.daemon.delivery_answers import (
    JobProgress,
    ResponsesMalformed,
    ScriptAnswer,
    ScriptOutOfTurn,
    ScriptRequest,
    SessionOver,
)
from tsm_gateway.daemon.delivery_reports import ENDED
from tsm_gateway.daemon.delivery_retry import FIRST_S
from tsm_gateway.daemon.delivery_sessions import SESSION_OCTETS, DeliverySession, Owed
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.delivery_errors import ScriptAnswersMalformed
from tsm_gateway.provisioning.delivery_events import Finished, Script, Store
from tsm_gateway.registry.application import ApplicationState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed, NotKnown
from tsm_gateway.registry.job import JobKind, JobState
from tsm_gateway.relay.interfaces import StoreBusy, StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.delivery_book import Clocks, DeliveryBook
    from tsm_gateway.daemon.delivery_opening import DeliveryOpening, Opened
    from tsm_gateway.daemon.delivery_reports import DeliveryReports
    from tsm_gateway.daemon.delivery_sessions import DeliverySessions
    from tsm_gateway.daemon.delivery_standing import Served
    from tsm_gateway.provisioning.agent_trust import TrustedAgent
    from tsm_gateway.provisioning.delivery_events import Event, Turn
    from tsm_gateway.store.delivery_store import DeliveryStore

FIRST: Final = ScriptRequest("", 0, ())
PASSING: Final = (StoreBusy, StoreFull)  # the same post may come again
OVERTAKEN: Final = (MoveNotAllowed, NotKnown, AlreadyKnown)  # an operator did something of it meanwhile
TAKEN_OVER, SILENT = "taken-over", "agent-silent"  # why a session ends


class DeliveringParts(NamedTuple):
    """What sessions are run with."""

    store: DeliveryStore
    sessions: DeliverySessions
    opening: DeliveryOpening
    book: DeliveryBook
    reports: DeliveryReports
    clocks: Clocks


class Delivering:
    """Runs sessions. Every call is within the turn of its device."""

    def __init__(self, parts: DeliveringParts, poll_s: Callable[[], int]) -> None:
        """`poll_s`: seconds after which an agent with nothing to do comes again."""
        self._store, self._sessions, self._opening, self._book, self._reports, self._clocks = parts
        self._poll_s = poll_s

    async def begin(self, who: TrustedAgent, served: Served) -> ScriptAnswer:
        """The first script, or that nothing is to be done.

        An agent that asks for a first script again, before it answered one, is given that one.

        Raises TooManySessions; what the store raises, and then nothing was begun.
        """
        before = self._sessions.of(who.app_se)
        if before is not None and before.whose.agent_id == who.agent_id and before.asked == FIRST:
            before.heard_at = self._clocks.monotonic()
            return _told(before)
        if before is not None:
            self.end(before, TAKEN_OVER)
        else:
            self._sessions.check_room()
        opened = await self._opening.open(who, served)
        if opened is None or isinstance(opened, int):
            return _nothing(0, self._wait_s(opened))
        session = self._session(opened)
        try:
            return await self._take(session, Owed(FIRST, *_turn(session, session.conversation.begin())))
        except TsmError as error:  # nothing left, so nothing is owed either
            self.end(session, error.code)
            raise

    async def answer(self, who: TrustedAgent, served: Served, asked: ScriptRequest) -> ScriptAnswer:
        """The script behind the one that is answered.

        Raises SessionOver, ScriptOutOfTurn, ResponsesMalformed; what the store raises, and then the very same
        post may come again when that was temporary.
        """
        session = self._sessions.of(who.app_se)
        if session is None or (session.session_id, session.whose.agent_id) != (asked.session, who.agent_id):
            return self._again(who, asked)
        session.heard_at = self._clocks.monotonic()
        if session.whose.device_id != served.device.device_id:
            return self._over(session)
        if asked == session.asked:
            return _told(session)
        owed = session.owed
        if owed is None and asked.number == session.number:
            self._check_wanted(session)
            owed = Owed(asked, *_turn(session, session.conversation.answer(asked.responses)))
        if owed is None or owed.asked != asked:
            self.end(session, ScriptOutOfTurn.code)
            raise ScriptOutOfTurn
        return await self._take(session, owed)

    def end(self, session: DeliverySession, reason: str, *, keep: bool = False) -> None:
        """Nothing more goes through it. `keep`: its last answer may be had again."""
        if self._sessions.close(session, keep=keep):
            self._reports.ended(session, reason, self._clocks.monotonic())

    async def silence(self, session: DeliverySession) -> None:
        """Its agent was not heard for too long. Raises what the store raises."""
        with suppress(*OVERTAKEN):  # the job is not ours to put off any more
            await self._book.postpone(session, SILENT)
        self.end(session, SILENT)

    def _session(self, opened: Opened) -> DeliverySession:
        now = self._clocks.monotonic()
        session = DeliverySession(
            secrets.token_hex(SESSION_OCTETS),
            opened.whose,
            opened.conversation,
            opened.undertakings,
            opened.receipt_key,
            began_at=now,
            heard_at=now,
        )
        self._sessions.put(session)
        return session

    async def _take(self, session: DeliverySession, owed: Owed) -> ScriptAnswer:
        """Take turns until one of them is for the agent."""
        while True:
            session.owed = owed
            try:
                await self._book.keep(session, owed)
            except PASSING:
                raise
            except OVERTAKEN:
                return self._over(session)
            except TsmError as error:
                self.end(session, error.code)
                raise
            session.owed = None
            if not isinstance(owed.turn, Store):
                return self._tell(session, owed.asked, owed.turn)
            owed = Owed(owed.asked, *_turn(session, session.conversation.stored()))

    def _tell(self, session: DeliverySession, asked: ScriptRequest, turn: Turn) -> ScriptAnswer:
        session.asked = asked
        if isinstance(turn, Script):
            session.number += 1
            session.told = ScriptAnswer(
                session.session_id,
                session.number,
                turn.commands,
                done=False,
                job=_progress(session),
                retry_after_s=None,
            )
            self._reports.scripted()
            return session.told
        cause = turn.cause if isinstance(turn, Finished) else None
        if isinstance(cause, ScriptAnswersMalformed):
            self.end(session, cause.code)
            raise ResponsesMalformed
        session.told = _nothing(session.number + 1, self._retry_after_s(session))
        self.end(session, cause.code if cause else ENDED, keep=True)
        return session.told

    def _again(self, who: TrustedAgent, asked: ScriptRequest) -> ScriptAnswer:
        """The answer with which the session ended, to the very post it answered. Raises SessionOver."""
        last = self._sessions.last(who.app_se)
        if last is not None and (last.session_id, last.agent_id, last.asked) == (
            asked.session,
            who.agent_id,
            asked,
        ):
            return last.told
        raise SessionOver

    def _check_wanted(self, session: DeliverySession) -> None:
        """What was cancelled or retired meanwhile goes no further. Raises SessionOver."""
        undertaking = session.current
        job = self._store.job(undertaking.job.job_id) if undertaking else None
        if undertaking is None or job is None or job.state is not JobState.ACTIVE:
            self._over(session)
        elif job.kind is JobKind.INSTALL:
            application = self._store.by_digest(job.digest)
            if application is None or application.state is ApplicationState.RETIRED:
                self._over(session)

    def _over(self, session: DeliverySession) -> NoReturn:
        self.end(session, SessionOver.code)
        raise SessionOver

    def _retry_after_s(self, session: DeliverySession) -> int:
        try:
            return self._wait_s(self._opening.next_at(session.whose))
        except TsmError:  # what was done is durable, and is told; when to come again can wait for that
            return FIRST_S

    def _wait_s(self, next_at: int | None) -> int:
        poll_s = self._poll_s()
        if next_at is None:
            return poll_s
        return min(max(next_at - int(self._clocks.wall()), 1), poll_s)


def _turn(session: DeliverySession, turn: Turn) -> tuple[Turn, tuple[Event, ...]]:
    return turn, session.conversation.events()


def _told(session: DeliverySession) -> ScriptAnswer:
    assert session.told is not None  # noqa: S101 - what was asked was answered
    return session.told


def _nothing(number: int, retry_after_s: int) -> ScriptAnswer:
    return ScriptAnswer("", number, (), done=True, job=None, retry_after_s=retry_after_s)


def _progress(session: DeliverySession) -> JobProgress | None:
    undertaking, at = session.current, session.conversation.job
    if undertaking is None or at is None:
        return None
    application = undertaking.application
    return JobProgress(
        at.job_id,
        undertaking.job.kind.value,
        undertaking.job.application,
        str(application.version) if application else "",
        at.done,
        at.total,
    )
