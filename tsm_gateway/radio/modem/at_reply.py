"""What a modem says, as events: feed octets, pull events.

What a line means depends on what was asked: `expect` tells the command in flight. In order:

| a line is | when | event |
|---|---|---|
| an echo | it is the command or body just written | none |
| a final result | see `final_code`; nothing in flight: late, dropped | Ended |
| an answer | it begins with a prefix of the command | Info, or Entry with the PDU of the next line |
| an indication | see `indication` | Indicated; with the PDU of the next line where it has two |
| a PDU | a header waits for it; the latest header first | Entry, Indicated |
| an answer | the command's answers have no prefix | Info |
| noise | nothing else | none; counted |

An indication of two lines may come between a header and its PDU, so up to two headers wait. A header
whose PDU never comes is told without one: it is never taken for an empty place.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from tsm_gateway.radio.modem.at_line import Lines, Mark
from tsm_gateway.radio.modem.final_code import Result, read_final
from tsm_gateway.radio.modem.indication import TWO_LINES, Kind, kind_of, looks_like_one
from tsm_gateway.radio.modem.pdu_line import fits

if TYPE_CHECKING:
    from tsm_gateway.radio.modem.at_command import Command


class Prompted(NamedTuple):
    """The modem waits for a body."""


class Ended(NamedTuple):
    """The command in flight is answered."""

    result: Result


class Info(NamedTuple):
    """One line of the answer."""

    line: str


class Entry(NamedTuple):
    """One message of the answer: `header` is '+CMGL: ..' or '+CMGR: ..', `pdu` None: its line was lost."""

    header: str
    pdu: str | None


class Indicated(NamedTuple):
    """The modem said something by itself."""

    kind: Kind
    line: str
    pdu: str | None = None  # of the kinds with two lines; None when its line was lost


AtEvent = Prompted | Ended | Info | Entry | Indicated
NEED_MORE: Final = Mark.NEED_MORE
NeedMore = Literal[Mark.NEED_MORE]
_ECHO: Final = re.compile(r"AT([+^&*#%$E].*)?", re.IGNORECASE)


class Reader:
    """One opened port, from its first octet."""

    def __init__(self) -> None:
        """Nothing is in flight."""
        self.noise = 0  # lines dropped, late results among them
        self._lines = Lines()
        self._command: Command | None = None
        self._prompt = False
        self._answer: str | None = None  # header of an answer whose PDU is to come
        self._indication: Indicated | None = None  # the same of an indication
        self._latest_is_indication = False
        self._ready: deque[AtEvent] = deque()  # at most two

    def expect(self, command: Command | None) -> None:
        """From now on lines answer `command`; None: nothing is in flight."""
        self._command = command
        self._prompt = bool(command and command.body)
        self._answer = None

    @property
    def pending(self) -> int:
        """How many octets are held."""
        return self._lines.pending

    def feed(self, octets: bytes) -> None:
        """Take what was read, any amount, any octets; then pull until NEED_MORE."""
        self._lines.feed(octets)

    def pull(self) -> AtEvent | NeedMore:
        """The next event, or NEED_MORE.

        Raises LineTooLong (the line is dropped, go on pulling); anything else is a defect.
        """
        while not self._ready:
            line = self._lines.pull(prompt=self._prompt)
            if line is Mark.PROMPT:
                self._prompt = False  # one body per command
                return Prompted()
            if line is Mark.NEED_MORE:
                return NEED_MORE
            self._take(line)
        return self._ready.popleft()

    def _take(self, line: str) -> None:
        command = self._command
        if command and line in (command.line, command.body):
            return
        result = read_final(line, numeric=bool(command and command.numeric))
        if result is not None:
            self._end(result)
        elif command and line.startswith(command.prefixes):
            self._answered(line, entries=command.entries)
        elif (kind := kind_of(line)) is not None:
            self._indicated(Indicated(kind, line))
        elif not self._take_pdu(line):
            self._take_bare(line)

    def _end(self, result: Result) -> None:
        if self._command is None:
            self.noise += 1
            return
        self._flush_answer()
        self._ready.append(Ended(result))

    def _answered(self, line: str, *, entries: bool) -> None:
        if not entries:
            self._ready.append(Info(line))
            return
        self._flush_answer()
        self._answer, self._latest_is_indication = line, False

    def _flush_answer(self) -> None:
        if self._answer is not None:
            self._ready.append(Entry(self._answer, None))
            self._answer = None

    def _indicated(self, indicated: Indicated) -> None:
        if indicated.kind not in TWO_LINES:
            self._ready.append(indicated)
            return
        if self._indication is not None:
            self._ready.append(self._indication)
        self._indication, self._latest_is_indication = indicated, True

    def _take_pdu(self, line: str) -> bool:
        """Give the line to the header that waits for it; whether one did."""
        indication, answer = self._indication, self._answer
        if indication is not None and (self._latest_is_indication or answer is None):
            bare = self._command is not None and self._command.bare
            if looks_like_one(line) or (bare and not fits(indication.line, line)):
                return False
            self._indication = None
            self._ready.append(indication._replace(pdu=line))
        elif answer is not None and not looks_like_one(line):
            self._answer = None
            self._ready.append(Entry(answer, line))
        else:
            return False
        return True

    def _take_bare(self, line: str) -> None:
        if self._command and self._command.bare and not _ECHO.fullmatch(line) and not looks_like_one(line):
            self._ready.append(Info(line))
        else:
            self.noise += 1
