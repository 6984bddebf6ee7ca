"""One command in flight, from its line to its result, and the way back when the result does not come.

| phase | what is true | what ends it |
|---|---|---|
| idle | nothing is in flight: whatever comes is an indication or late | a command |
| answer | a line was written | a final result |
| prompt | AT+CMGS was written | the prompt; a final result |
| body | body and Ctrl-Z were written, in one go | a final result |
| quiet | ESC was written; what is late comes out now | silence |
| marker | AT was written | its OK |
| tail | AT was answered: perhaps by the result that was late, then its own follows | silence |

A missing row means: that event changes nothing here. After a time-out the answer's lines are gathered
until the tail's end, so a late `+CMGS:` still tells that the message went out.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.modem import at_command
from tsm_gateway.radio.modem.at_reply import Ended, Entry, Info, Prompted
from tsm_gateway.radio.modem.final_code import Family, Result
from tsm_gateway.radio.modem.talk import Outcome, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.radio.modem.at_command import Command
    from tsm_gateway.radio.modem.at_reply import AtEvent, Reader
    from tsm_gateway.radio.modem.options import Timing

MOST_LINES: Final = 256  # of one answer
MOST_ENTRIES: Final = 1024  # messages of one listing; the rest is listed next time


class Phase(Enum):
    """Where the exchange stands."""

    IDLE = "idle"
    ANSWER = "answer"
    PROMPT = "prompt"
    BODY = "body"
    QUIET = "quiet"
    MARKER = "marker"
    TAIL = "tail"


class Step(Enum):
    """What happens to it."""

    ASKED = "asked"
    ASKED_WITH_BODY = "asked_with_body"
    ASKED_SILENCE = "asked_silence"
    PROMPTED = "prompted"
    ENDED = "ended"
    ENDED_BARE = "ended_bare"  # OK, without the information that belongs to it
    LATE = "late"
    STILL = "still"
    EXHAUSTED = "exhausted"  # the last marker was late, too


P = Phase
S = Step
EXCHANGE: Mapping[tuple[Phase, Step], Phase] = {
    (P.IDLE, S.ASKED): P.ANSWER,
    (P.IDLE, S.ASKED_WITH_BODY): P.PROMPT,
    (P.IDLE, S.ASKED_SILENCE): P.QUIET,
    (P.ANSWER, S.ENDED): P.IDLE,
    (P.ANSWER, S.ENDED_BARE): P.QUIET,
    (P.ANSWER, S.LATE): P.QUIET,
    (P.PROMPT, S.PROMPTED): P.BODY,
    (P.PROMPT, S.ENDED): P.IDLE,
    (P.PROMPT, S.ENDED_BARE): P.QUIET,
    (P.PROMPT, S.LATE): P.QUIET,
    (P.BODY, S.ENDED): P.IDLE,
    (P.BODY, S.ENDED_BARE): P.QUIET,
    (P.BODY, S.LATE): P.QUIET,
    (P.QUIET, S.PROMPTED): P.QUIET,  # a prompt that was late: leave it
    (P.QUIET, S.STILL): P.MARKER,
    (P.MARKER, S.ENDED): P.TAIL,
    (P.MARKER, S.LATE): P.QUIET,
    (P.MARKER, S.EXHAUSTED): P.IDLE,
    (P.TAIL, S.STILL): P.IDLE,
}
_WAITS_FOR_SILENCE: Final = (P.QUIET, P.TAIL)


class Exchange:
    """The exchanges of one opened port, one after the other."""

    def __init__(self, timing: Timing, reader: Reader, write: Callable[[bytes], None]) -> None:
        """`write` takes octets that must go out in one piece."""
        self.phase = Phase.IDLE
        self.deadline: float | None = None  # when `tick` has something to do
        self._timing = timing
        self._reader = reader
        self._write = write
        self._command = at_command.WAKE
        self._outcome = Outcome.OK
        self._result = Result(Family.OK)
        self._lines: list[str] = []
        self._entries: list[Entry] = []
        self._body_written = False
        self._markers = 0
        self._noisy_until = 0.0
        self._reply: Reply | None = None

    @property
    def busy(self) -> bool:
        """Whether something is in flight."""
        return self.phase is not Phase.IDLE

    def begin(self, command: Command, now: float) -> None:
        """Write a command; only while idle."""
        self._clear(command)
        self._move(Step.ASKED_WITH_BODY if command.body else Step.ASKED, now)

    def resync(self, now: float) -> None:
        """Throw away what is late; only while idle."""
        self._clear(at_command.WAKE)
        self._outcome = Outcome.LATE
        self._move(Step.ASKED_SILENCE, now)

    def take_reply(self) -> Reply | None:
        """The answer, once, when the exchange is over."""
        reply, self._reply = self._reply, None
        return reply

    def heard(self, now: float) -> None:
        """Octets came: where silence is waited for it begins anew, but not for ever."""
        if self.phase in _WAITS_FOR_SILENCE:
            self.deadline = min(now + self._timing.quiet_s, self._noisy_until)

    def take(self, event: AtEvent, now: float) -> None:
        """One event of the reader."""
        if isinstance(event, Ended):
            self._ended(event.result, now)
        elif isinstance(event, Prompted):
            self._move(Step.PROMPTED, now)
        elif isinstance(event, Info) and len(self._lines) < MOST_LINES:
            self._lines.append(event.line)
        elif isinstance(event, Entry) and len(self._entries) < MOST_ENTRIES:
            self._entries.append(event)
            if self.phase is Phase.ANSWER:
                self.deadline = self._limit(now)  # a slow line is no dead modem

    def tick(self, now: float) -> None:
        """Look at the deadline."""
        if self.deadline is None or now < self.deadline:
            return
        if self.phase in _WAITS_FOR_SILENCE:
            self._move(Step.STILL, now)
        elif self.phase is not Phase.MARKER:
            self._outcome = Outcome.LATE
            self._move(Step.LATE, now)
        elif self._markers < self._timing.markers:
            self._move(Step.LATE, now)
        else:
            self._outcome = Outcome.DEAF
            self._move(Step.EXHAUSTED, now)

    def cut(self, now: float) -> None:
        """The port is gone; what was in flight is over at once."""
        if self.busy:
            self._outcome = Outcome.CUT
            self.phase = Phase.IDLE
            self._enter_idle(now)

    def _clear(self, command: Command) -> None:
        self._command = command
        self._outcome, self._result = Outcome.OK, Result(Family.OK)
        self._lines, self._entries = [], []
        self._body_written = False
        self._markers = 0

    def _ended(self, result: Result, now: float) -> None:
        if self.phase is Phase.MARKER:
            if result.family is Family.OK:  # anything else is late, or about a broken line before ours
                self._move(Step.ENDED, now)
            return
        if self.phase in _WAITS_FOR_SILENCE:
            return
        answered = self._lines or self._entries or not self._command.required
        if result.family is Family.OK and not answered:
            self._outcome = Outcome.OUT_OF_STEP
            self._move(Step.ENDED_BARE, now)
            return
        self._outcome = Outcome.OK if result.family is Family.OK else Outcome.ERROR
        self._result = result
        self._move(Step.ENDED, now)

    def _move(self, step: Step, now: float) -> None:
        phase = EXCHANGE.get((self.phase, step))
        if phase is not None:
            self.phase = phase
            _ENTER[phase](self, now)

    def _limit(self, now: float) -> float:
        seconds: float = getattr(self._timing, self._command.limit.value)
        return now + seconds

    def _enter_answer(self, now: float) -> None:
        self._reader.expect(self._command)
        self.deadline = self._limit(now)
        self._write(self._command.octets)

    def _enter_prompt(self, now: float) -> None:
        self._reader.expect(self._command)
        self.deadline = now + self._timing.prompt_s
        self._write(self._command.octets)

    def _enter_body(self, now: float) -> None:
        self._body_written = True
        self.deadline = self._limit(now)
        self._write(self._command.body_octets)

    def _enter_quiet(self, now: float) -> None:
        self._noisy_until = now + self._timing.noisy_s
        self.deadline = now + self._timing.quiet_s
        self._write(at_command.ESCAPE)

    def _enter_marker(self, now: float) -> None:
        self._markers += 1
        self._reader.expect(replace(at_command.WAKE, prefixes=self._command.prefixes))
        self.deadline = now + self._timing.marker_s
        self._write(at_command.WAKE.octets)

    def _enter_tail(self, now: float) -> None:
        self._noisy_until = now + self._timing.noisy_s
        self.deadline = now + self._timing.quiet_s

    def _enter_idle(self, _now: float) -> None:
        self._reader.expect(None)
        self.deadline = None
        self._reply = Reply(
            self._outcome, self._result, tuple(self._lines), tuple(self._entries), self._body_written
        )
        self._lines, self._entries = [], []


_ENTER: Final[Mapping[Phase, Callable[[Exchange, float], None]]] = {
    P.IDLE: Exchange._enter_idle,  # noqa: SLF001 -- the class's own table
    P.ANSWER: Exchange._enter_answer,  # noqa: SLF001
    P.PROMPT: Exchange._enter_prompt,  # noqa: SLF001
    P.BODY: Exchange._enter_body,  # noqa: SLF001
    P.QUIET: Exchange._enter_quiet,  # noqa: SLF001
    P.MARKER: Exchange._enter_marker,  # noqa: SLF001
    P.TAIL: Exchange._enter_tail,  # noqa: SLF001
}
