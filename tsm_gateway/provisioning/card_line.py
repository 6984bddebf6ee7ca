"""The line to a card through its agent: commands cut into scripts, wrapped; answers matched, unwrapped.

Commands are wrapped when their script is made and never again: what a script was cut short of is sent once
more as it was, since the card has not seen it and its MAC still follows the last one the card has.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.provisioning.apdu import ANSWER_DATA, STATUS_OCTETS, Command, Response, read_response
from tsm_gateway.provisioning.card_steps import Step, failure, goes_on
from tsm_gateway.provisioning.delivery_errors import ScriptAnswersMalformed
from tsm_gateway.provisioning.delivery_events import Script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tsm_gateway.provisioning.scp03 import Session

_ANSWER: Final = range(STATUS_OCTETS, ANSWER_DATA + STATUS_OCTETS + 1)  # octets

_LEAST: Final = 2


class Answered(NamedTuple):
    """One answer, checked and in clear."""

    step: Step
    response: Response


class CardLine:
    """What was said on the way to one card, and how far it was answered."""

    def __init__(self, script_commands: int) -> None:
        """Send `script_commands` in one script at most. Raises ValueError below the 2 of a greeting."""
        if script_commands < _LEAST:
            message = f"a script holds {_LEAST} commands or more"
            raise ValueError(message)
        self._most = script_commands
        self._session: Session | None = None
        self._ready: deque[tuple[Step, Command]] = deque()  # in clear
        self._sent: deque[tuple[Step, bytes]] = deque()  # as the agent has them

    @property
    def quiet(self) -> bool:
        """Whether everything was answered."""
        return not self._ready and not self._sent

    def open(self, session: Session, external_authenticate: Command) -> None:
        """Wrap from here on; `external_authenticate` goes first."""
        self._session = session
        self._sent.append((Step.AUTHENTICATE, external_authenticate.encode()))

    def close(self) -> None:
        """End the session, and forget what was not sent."""
        if self._session is not None:
            self._session.close()
        self._session = None
        self._ready.clear()
        self._sent.clear()

    def say(self, commands: Iterable[tuple[Step, Command]]) -> None:
        """Take commands the guard has released, to go out behind those that wait."""
        self._ready.extend(commands)

    def script(self) -> Script:
        """What waits for an answer already, and as many more as fit."""
        while self._ready and len(self._sent) < self._most:
            step, command = self._ready.popleft()
            wrapped = self._session.wrap(command) if self._session else command
            self._sent.append((step, wrapped.encode()))
        return Script(tuple(octets for _step, octets in self._sent))

    def read(self, responses: Sequence[bytes]) -> Iterator[Answered]:
        """The answers to the script, one by one: each is checked before it is given.

        Raises ScriptAnswersMalformed ahead of all when they are not the answers to that script; then, where a
        session is open, what `card_steps.failure` says, ResponseNotAuthentic or CardAnswerMalformed.
        """
        return map(self._checked, self._matched(responses))

    def _matched(self, responses: Sequence[bytes]) -> list[Response]:
        """All answers but the last say 9000; the last one too, unless it is the reason there are no more."""
        facts = {"answers": len(responses), "commands": len(self._sent)}
        if not 1 <= len(responses) <= len(self._sent) or any(len(each) not in _ANSWER for each in responses):
            raise ScriptAnswersMalformed(**facts)
        *passed, last = map(read_response, responses)
        short = len(responses) < len(self._sent)
        if not all(each.succeeded for each in passed) or (short and last.succeeded):
            raise ScriptAnswersMalformed(**facts)
        return [*passed, last]

    def _checked(self, reply: Response) -> Answered:
        step, _octets = self._sent.popleft()
        if self._session is None:
            return Answered(step, reply)
        if not goes_on(step, reply.sw):
            raise failure(step, reply.sw)
        return Answered(step, self._session.unwrap(reply))
