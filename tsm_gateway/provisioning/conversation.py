"""A conversation with one card through its agent: scripts out, answers in, jobs done one after the other.

```
begin ──► Script ──► answer ──► Script ──► answer ──► … ──► Finished
                       └──► Store ──► stored ──► Script
```

| script | holds |
|---|---|
| first | SELECT, INITIALIZE UPDATE; again for each key set that is not the card's |
| second | EXTERNAL AUTHENTICATE and as many commands of the first job as fit |
| each after it | as many as fit of what the job said without waiting for an answer |

An agent stops behind the first answer that is not 9000. Where the job goes on after such a word, the rest of
the script is sent again, the same octets: the card has not seen them, and their MACs fit what it has.

Nothing is taken of an answer before its R-MAC was checked, in order. Whatever goes wrong ends the
conversation; the next one finds out what the card holds. No session outlives its conversation.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning import card_errors
from tsm_gateway.provisioning.card_line import CardLine
from tsm_gateway.provisioning.card_opening import CardOpening
from tsm_gateway.provisioning.card_steps import LOADING, Step, step_of
from tsm_gateway.provisioning.delivery_events import (
    Event,
    Finished,
    JobBegun,
    JobDone,
    JobFailed,
    KeysInUse,
    KeysRenewed,
    Progress,
    Result,
    Store,
    Turn,
)
from tsm_gateway.provisioning.exclusion import Guard
from tsm_gateway.provisioning.live_secrets import NO_SECRETS, LiveSecrets
from tsm_gateway.provisioning.script_program import OpenedCard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tsm_gateway.provisioning.apdu import Response
    from tsm_gateway.provisioning.card_keys import KeySet
    from tsm_gateway.provisioning.script_program import Answers, Batch, Program, Task
    from tsm_gateway.registry.card import Card
    from tsm_gateway.secret import Secret

# The peer's fault, so not temporary for whoever is refused; the next session may do better all the same.
_PASSING: Final = (
    card_errors.CardAnswerMalformed,
    card_errors.ResponseNotAuthentic,
    card_errors.SessionOver,
    card_errors.KeyCheckMismatch,
)


class Conversation:
    """One conversation; every turn is a value, and `events` tells what became of the jobs."""

    def __init__(
        self,
        card: Card,
        key_sets: Sequence[KeySet],
        tasks: Sequence[Task],
        secrets: Callable[[], LiveSecrets],
        *,
        receipt_key: Secret | None,
        script_commands: int,
        fresh: Callable[[int], bytes],
    ) -> None:
        """Work at `tasks` in their order, under whichever of `key_sets` (newest first) the card holds.

        `secrets` gathers all that must not reach the card, and is asked again for every job, but for its own
        key sets, which are known here anyway, and the `receipt_key` that it shares with its issuer (None: it
        gives no receipts). What it raises as TsmError ends the conversation.
        `script_commands`: 2 or more in one script. `fresh`: octets of a generator that is fit for keys.
        """
        self._card, self._key_sets, self._fresh = card, tuple(key_sets), fresh
        self._tasks = deque(tasks)
        self._secrets = secrets
        self._guard = Guard(NO_SECRETS, LiveSecrets.of_keys(*key_sets, receipt_key=receipt_key))
        self._line = CardLine(script_commands)
        self._events: list[Event] = []
        self._opening: CardOpening | None = None
        self._opened: OpenedCard | None = None
        self._program: Program | None = None
        self._answers: list[Response] = []  # to the program's last batch
        self._loaded = (0, 0)  # blocks of the job, of how many
        self._storing = self._over = False

    @property
    def over(self) -> bool:
        """Whether the last turn was `Finished`."""
        return self._over

    @property
    def job(self) -> Progress | None:
        """The job that is worked at, and how many blocks of its load file the card confirmed."""
        return Progress(self._tasks[0].job_id, *self._loaded) if self._tasks and not self._over else None

    def events(self) -> tuple[Event, ...]:
        """What happened since this was asked last, in order. Ask after every turn, before it is taken."""
        events, self._events = tuple(self._events), []
        return events

    def begin(self) -> Turn:
        """The first turn."""
        return self._guarded(self._begin)

    def answer(self, responses: Sequence[bytes]) -> Turn:
        """What the card answered to the last script: R-APDUs of 2 to 258 octets, in order."""
        if self._over or self._storing or self._line.quiet:
            message = "no script is under way"
            raise ValueError(message)
        return self._guarded(lambda: self._answered(responses))

    def stored(self) -> Turn:
        """The key set of the last turn, a `Store`, is kept durably."""
        if not self._storing:
            message = "no key set is to be kept"
            raise ValueError(message)
        self._storing = False
        return self._guarded(lambda: self._resume(()))

    def _guarded(self, act: Callable[[], Turn]) -> Turn:
        """The one place where an error becomes the end of the conversation."""
        try:
            turn = act()
        except TsmError as cause:
            turn = self._stop(cause)
        if isinstance(turn, Finished):
            self._over = True
            self._line.close()
        return turn

    def _begin(self) -> Turn:
        if not self._tasks:
            return Finished()
        self._begin_job()
        return self._open(self._key_sets)

    def _begin_job(self) -> None:
        """What the first job, and each after it, begins with: the secrets of this moment."""
        self._events.append(JobBegun(self._tasks[0].job_id))
        self._guard.look_for(self._secrets())

    def _open(self, key_sets: Sequence[KeySet]) -> Turn:
        self._line.close()
        self._opening = CardOpening(self._card, key_sets, self._fresh)
        return self._say(self._opening.batch())

    def _say(self, batch: Batch) -> Turn:
        plain = self._guard.release(batch)  # all of it, before any of it is wrapped
        steps = list(map(step_of, batch))
        self._loaded = (self._loaded[0], self._loaded[1] + sum(step in LOADING for step in steps))
        self._answers = []
        self._line.say(zip(steps, plain, strict=True))
        return self._line.script()

    def _answered(self, responses: Sequence[bytes]) -> Turn:
        self._take(responses)
        if self._opening is not None:
            return self._judge(self._opening)
        if not self._line.quiet:
            return self._line.script()
        return self._resume(tuple(self._answers))

    def _take(self, responses: Sequence[bytes]) -> None:
        before = self._loaded
        try:
            for step, response in self._line.read(responses):
                if step is not Step.AUTHENTICATE:
                    self._answers.append(response)
                if step in LOADING:
                    self._loaded = (self._loaded[0] + 1, self._loaded[1])
        finally:  # what the card confirmed ahead of a failure counts
            if self._loaded != before:
                self._events.append(Progress(self._tasks[0].job_id, *self._loaded))

    def _judge(self, opening: CardOpening) -> Turn:
        """Whether the card proved the key set that was tried."""
        opened = opening.opened(self._answers)
        if opened is None:
            self._line.close()
            return self._say(opening.batch())
        session, command, keys = opened
        self._opening = None
        self._events.append(KeysInUse(keys.kvn))
        self._opened = OpenedCard(self._card.sd_aid, keys, session.max_data, self._fresh)
        self._line.open(session, self._guard.check(command))
        return self._start(self._opened)

    def _start(self, card: OpenedCard) -> Turn:
        self._loaded = (0, 0)
        self._program = self._tasks[0].program(card)
        return self._resume(None)

    def _resume(self, answers: Answers | None) -> Turn:
        """Let the program go on until it wants something."""
        program, card = self._program, self._opened
        if program is None or card is None:
            message = "no card is opened"
            raise ValueError(message)
        try:
            wish = next(program) if answers is None else program.send(answers)
        except StopIteration as end:
            return self._complete(end.value, card)
        if isinstance(wish, Store):
            self._guard.vouch(wish.keys, card.keys)
            self._storing = True
            return wish
        return self._say(wish)

    def _complete(self, result: Result, card: OpenedCard) -> Turn:
        """The next job: after new keys in a session of theirs, as the old one may not outlive its keys."""
        self._events.append(JobDone(self._tasks.popleft().job_id, result))
        if not self._tasks:
            return Finished()
        self._begin_job()
        if isinstance(result, KeysRenewed) and result.replaced:
            return self._open((result.keys,))
        return self._start(card)

    def _stop(self, cause: TsmError) -> Finished:
        permanent = not cause.temporary and not isinstance(cause, _PASSING)
        self._events.append(JobFailed(self._tasks[0].job_id, cause, permanent))
        return Finished(cause)
