"""What a conversation with a card tells, written down, before anything that follows from it is sent.

| told | written, all of one turn in one transaction |
|---|---|
| a key set is to go out | it is PENDING |
| a job begins | it is ACTIVE, its application LOADING |
| blocks arrived | how many: with whatever else is written, and every `PROGRESS_S` |
| keys were renewed | the new set is CURRENT, all others lose their octets |
| the card said what it holds | its inventory |
| a job is done | DONE; its application INSTALLED or REMOVED; the device ACTIVE, or REGISTERED again |
| a job failed | QUEUED again for a later time, or FAILED for good |

How many blocks arrived is for whoever looks on, and nothing follows from it: a new session asks the card. So
a script that only loads waits for no disk.

A card's refusal carries no MAC, so it may be anybody's between here and the card: a job is given up by one
only when it is heard in two sessions in a row.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.daemon.delivery_reports import stopped
from tsm_gateway.daemon.delivery_retry import MOST_SESSIONS, distance_s
from tsm_gateway.daemon.refusals import refusal
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.card_errors import KeyCheckMismatch, ResponseNotAuthentic
from tsm_gateway.provisioning.delivery_errors import ExclusionRefused, SecretBound, StepFailed
from tsm_gateway.provisioning.delivery_events import (
    JobBegun,
    JobDone,
    JobFailed,
    KeysRenewed,
    Listed,
    Progress,
    Store,
)
from tsm_gateway.registry.card import CardKeyState, Inventory
from tsm_gateway.registry.device import Device
from tsm_gateway.registry.job import Job, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tsm_gateway.daemon.card_key_shelf import CardKeyShelf
    from tsm_gateway.daemon.delivery_planning import DeliveryPlanning
    from tsm_gateway.daemon.delivery_reports import DeliveryReports
    from tsm_gateway.daemon.delivery_sessions import DeliverySession, Owed, Undertaking
    from tsm_gateway.daemon.moderation import Moderation
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.provisioning.card_keys import KeySet
    from tsm_gateway.provisioning.delivery_events import Event
    from tsm_gateway.registry.card import CardKeySet
    from tsm_gateway.store.delivery_store import DeliveryStore

    Step = Callable[[DeliveryStore], object]


ALARMS: Final = (ExclusionRefused, SecretBound)
FORGED: Final = (ResponseNotAuthentic, KeyCheckMismatch)
PROGRESS_S: Final = 2.0  # what the store says of blocks is behind by so much at most
ACTION: Final = "application.deliver"  # in the audit log, of what was refused


class Clocks(NamedTuple):
    """What time it is."""

    wall: Callable[[], float]  # Unix seconds
    monotonic: Callable[[], float]  # seconds


class DeliveryBook:
    """Writes down, and then says so."""

    def __init__(
        self,
        ledger: Ledger,
        shelf: CardKeyShelf,
        planning: DeliveryPlanning,
        reports: DeliveryReports,
        moderation: Moderation,
        clocks: Clocks,
    ) -> None:
        """`planning` knows what a device waits for still."""
        self._moderation = moderation
        self._ledger, self._shelf, self._planning = ledger, shelf, planning
        self._reports, self._clocks = reports, clocks

    async def keep(self, session: DeliverySession, owed: Owed) -> None:
        """Store all that a turn needs to be true. Raises what the store raises; then nothing was stored."""
        at = int(self._clocks.wall())
        steps = list(self._steps(session, owed, at))
        results: list[object] = []
        if steps:
            results = await self._ledger.deliver(lambda store: [step(store) for step in steps])
        for job in results:
            if isinstance(job, Job) and job.job_id in session.undertakings:
                undertaking = session.undertakings[job.job_id]
                undertaking.job, undertaking.written_at = job, self._clocks.monotonic()
        device = next((each for each in results if isinstance(each, Device)), None)  # one job ends in a turn
        self._tell(session, owed.events, device)
        await self._note_forged(session, owed.events, at)

    async def _note_forged(self, session: DeliverySession, events: Iterable[Event], at: int) -> None:
        """An answer that was not the card's goes on record now and then; its job is put off anyway."""
        device_id = session.whose.device_id
        for event in events:
            if not isinstance(event, JobFailed) or not isinstance(event.cause, FORGED):
                continue
            entry = refusal(at, ACTION, device_id, event.cause, agent=session.whose.agent_id)
            with suppress(TsmError), self._moderation.news(device_id, event.cause) as news:
                if news:  # when it cannot be written: it is in the log
                    await self._ledger.deliver(lambda store: store.note(entry))  # noqa: B023

    async def postpone(self, session: DeliverySession, reason: str) -> None:
        """Its agent fell silent: the job it was at waits, or is given up."""
        undertaking = session.current
        if undertaking is None:
            return
        at = int(self._clocks.wall())
        silent_s = int(self._clocks.monotonic() - session.heard_at)
        steps = [*_behind(undertaking, at), _put_off(undertaking.job, reason, at, silent_s)]
        await self._ledger.deliver(lambda store: [step(store) for step in steps])
        self._reports.not_done(session, undertaking, reason, self._retry_in(undertaking.job))

    def _steps(self, session: DeliverySession, owed: Owed, at: int) -> Iterator[Step]:
        if self._can_wait(session, owed):
            return
        for event in _coalesced(owed.events):
            yield from self._steps_of(session, owed, event, at)
        if isinstance(owed.turn, Store):
            stored = self._ledger.delivery.card_keys(session.whose.app_se)
            yield from self._pending(session, owed.turn.keys, stored, at)

    def _steps_of(self, session: DeliverySession, owed: Owed, event: Event, at: int) -> Iterator[Step]:
        match event:
            case JobBegun(job_id):
                yield lambda store: store.begin(job_id, at=at)
            case Progress(job_id, done, total):
                yield lambda store: store.progress(job_id, done, total, at=at)
            case JobDone(job_id, result):
                yield from _behind(session.undertakings[job_id], at, owed.events)
                yield from self._results(session, result, at)
                yield self._finish(session, job_id, at)
            case JobFailed(job_id, cause, permanent):
                yield from _behind(session.undertakings[job_id], at, owed.events)
                job = session.undertakings[job_id].job
                if JobBegun(job_id) in owed.events:  # in this very turn: it is not counted yet
                    job = job._replace(attempts=job.attempts + 1)
                for_good = permanent and _believed(job, cause)
                yield partial(_fail, job, cause.code, at) if for_good else _put_off(job, cause.code, at)
                if isinstance(cause, ALARMS):
                    told = {"agent": session.whose.agent_id, "stopped": stopped(cause)}
                    entry = refusal(at, ACTION, session.whose.device_id, cause, **told)
                    yield lambda store: store.note(entry)

    def _can_wait(self, session: DeliverySession, owed: Owed) -> bool:
        """Whether there is nothing to write but how many blocks arrived, and that was written lately."""
        if isinstance(owed.turn, Store) or not all(isinstance(each, Progress) for each in owed.events):
            return False
        since = self._clocks.monotonic() - PROGRESS_S
        current = session.current
        return current is not None and current.written_at > since

    def _results(self, session: DeliverySession, result: object, at: int) -> Iterator[Step]:
        app_se = session.whose.app_se
        if isinstance(result, KeysRenewed):
            yield lambda store: store.keys_current(app_se, result.keys.kvn, at=at)
        elif isinstance(result, Listed):
            inventory = Inventory(app_se, result.contents, result.free_memory, at, result.silent)
            yield lambda store: store.keep_inventory(inventory)

    def _finish(self, session: DeliverySession, job_id: bytes, at: int) -> Step:
        whose, name = session.whose, session.undertakings[job_id].job.application
        outstanding = self._planning.outstanding(whose.device_id, whose.issuer, name)
        return lambda store: store.finish(job_id, outstanding=outstanding, at=at)

    def _pending(
        self, session: DeliverySession, keys: KeySet, stored: Iterable[CardKeySet], at: int
    ) -> Iterator[Step]:
        """Nothing, when the very set is kept already."""
        waiting = next((each for each in stored if each.state is CardKeyState.PENDING), None)
        if waiting is not None and self._shelf.open([waiting]).pending == keys:
            return
        made = self._shelf.wrap(session.whose.app_se, keys, session.receipt_key, at)
        if waiting is not None:
            yield lambda store: store.keys_dropped(waiting.app_se, waiting.kvn, at=at)
        yield lambda _store: self._shelf.check_master(made)
        yield lambda store: store.keys_pending(made, at=at)

    def _tell(self, session: DeliverySession, events: Iterable[Event], device: Device | None) -> None:
        now = self._clocks.monotonic()
        for event in events:
            match event:
                case JobBegun(job_id):
                    session.undertakings[job_id].began_at = now
                case Progress(job_id, done, total):
                    undertaking = session.undertakings[job_id]
                    new = max(done - undertaking.blocks[0], 0)
                    undertaking.blocks = done, total
                    session.blocks += new
                    self._reports.loaded(new)
                case JobDone(job_id, _result):
                    self._reports.done(session, session.undertakings[job_id], now, device)
                case JobFailed(job_id, cause, _permanent):
                    undertaking = session.undertakings[job_id]
                    last = undertaking.job.state is JobState.FAILED
                    retry_in_s = None if last else distance_s(undertaking.job.attempts)
                    self._reports.not_done(session, undertaking, cause.code, retry_in_s)
                    if isinstance(cause, ALARMS):
                        self._reports.alarmed(session, undertaking, cause)

    @staticmethod
    def _retry_in(job: Job) -> int | None:
        return None if job.attempts >= MOST_SESSIONS else distance_s(job.attempts)


def _coalesced(events: Iterable[Event]) -> list[Event]:
    """Without the progress that later progress of the same job makes old."""
    last = {event.job_id: event for event in events if isinstance(event, Progress)}
    return [event for event in events if not isinstance(event, Progress) or last[event.job_id] is event]


def _behind(undertaking: Undertaking, at: int, now_told: Iterable[Event] = ()) -> Iterator[Step]:
    """The blocks that were not written while that could wait, unless `now_told` tells of newer ones."""
    job_id, blocks = undertaking.job.job_id, undertaking.blocks
    newer = any(isinstance(each, Progress) and each.job_id == job_id for each in now_told)
    if blocks[1] and blocks != undertaking.job.progress and not newer:
        yield lambda store: store.progress(job_id, *blocks, at=at)


def _believed(job: Job, cause: TsmError) -> bool:
    """Whether a failure that no later session would heal is one, and no bare status word seen once."""
    return not isinstance(cause, StepFailed) or (job.attempts > 1 and job.reason == cause.code)


def _put_off(job: Job, reason: str, at: int, waited_s: int = 0) -> Step:
    if job.attempts >= MOST_SESSIONS:
        return partial(_fail, job, reason, at)
    due_at = at + max(distance_s(max(job.attempts, 1)) - waited_s, 0)
    return lambda store: store.postpone(job.job_id, due_at=due_at, reason=reason, at=at)


def _fail(job: Job, reason: str, at: int, store: DeliveryStore) -> object:
    return store.fail(job.job_id, reason=reason, at=at)
