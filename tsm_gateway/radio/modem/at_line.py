"""Octets of a serial line to lines of text, and to the prompt, which is no line.

A serial line brings anything: NUL and FF when a plug makes contact, half lines, kilobytes without an end.
Only printable ASCII is kept; CR and LF end a line, alone or together; empty lines are dropped. A line
longer than `LONGEST_LINE` is dropped up to its end and told once by LineTooLong. What is kept is never
more than what was fed and not yet pulled, and of an unfinished line at most `LONGEST_LINE` octets.

`>` is a prompt as soon as it is seen at the start of a line while one is expected: no line end follows.
What comes right behind it begins a new line. When none is expected it is dropped: no line begins with it.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from tsm_gateway.radio.modem.faults import LineTooLong

LONGEST_LINE: Final = 1024  # the longest of use, a PDU with its SMSC's address, has 352 characters

_JUNK: Final = bytes(octet for octet in range(256) if octet not in b"\r\n" and not 0x20 <= octet < 0x7F)  # noqa: PLR2004 -- printable ASCII
_END: Final = re.compile(rb"[\r\n]")


class Mark(Enum):
    """What a reader may find besides lines."""

    PROMPT = "prompt"
    NEED_MORE = "need_more"


class Lines:
    """The lines of one opened port."""

    __slots__ = ("_buffer", "_skipping")

    def __init__(self) -> None:
        """Nothing read yet."""
        self._buffer = bytearray()
        self._skipping = False  # inside a line that was too long

    @property
    def pending(self) -> int:
        """How many octets are held."""
        return len(self._buffer)

    def feed(self, octets: bytes) -> None:
        """Take what was read, any amount, any octets."""
        self._buffer += octets.translate(None, _JUNK)

    def pull(self, *, prompt: bool) -> str | Mark:
        """The next line, without blanks at its ends; PROMPT only if `prompt`; NEED_MORE until more is fed.

        Raises LineTooLong once for each such line; anything else is a defect.
        """
        while True:
            if self._skipping and not self._skip():
                return Mark.NEED_MORE
            if self._begins_with_prompt(expected=prompt):
                return Mark.PROMPT
            line = self._line()
            if line is None:
                return Mark.NEED_MORE
            if line:
                return line

    def _skip(self) -> bool:
        """Drop up to the end of the line that is too long; whether that end has come."""
        end = _END.search(self._buffer)
        del self._buffer[: end.end() if end else None]
        self._skipping = end is None
        return not self._skipping

    def _begins_with_prompt(self, *, expected: bool) -> bool:
        blanks = b"\r\n " if expected else b"\r\n >"
        start = len(self._buffer) - len(self._buffer.lstrip(blanks))
        found = expected and self._buffer[start : start + 1] == b">"
        del self._buffer[: start + found]
        return found

    def _line(self) -> str | None:
        end = _END.search(self._buffer)
        length = end.start() if end else len(self._buffer)
        if length > LONGEST_LINE:
            self._skipping = True
            raise LineTooLong(longest=LONGEST_LINE)
        if end is None:
            return None
        line = self._buffer[:length].decode("ascii").rstrip()
        del self._buffer[: end.end()]
        return line
