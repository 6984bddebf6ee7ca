"""The log: one JSON object per line, or coloured text on a terminal; only what `events` allows.

`Log.emit` is the only way in. An unknown field, a value of the wrong type or octets where text belongs
raise TypeError at once: a defect of ours, found by the first test that walks there. A line that cannot be
written (a closed pipe, a full disk) is counted and lost, as no payment may wait for its log.
"""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import structlog

from tsm_gateway.daemon.event_fields import FIELDS, SHAPES, Kind
from tsm_gateway.daemon.events import Event, Level
from tsm_gateway.daemon.foreign_logs import route_foreign
from tsm_gateway.daemon.log_lines import Clock, as_json, as_text
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import BinaryIO

HASH_OCTETS = (
    8  # of a telephone number: too few to search all numbers for without the key, enough to tell apart
)


NUMBERS_KNOWN = 4096  # whose hashes are remembered: the same phones and providers come again


class Numbers:
    """Telephone numbers as they may be seen: a keyed hash to compare, the last two digits to recognise."""

    def __init__(self, key: Secret | None) -> None:
        """`key`: any length; None draws one, and then hashes compare only until the next start."""
        octets = (key or Secret(secrets.token_bytes(32))).reveal()
        self._key = octets if len(octets) <= blake2b.MAX_KEY_SIZE else blake2b(octets).digest()
        self.shown = lru_cache(NUMBERS_KNOWN)(self._shown)

    def _shown(self, number: object) -> str:
        """`9f2c4e1ab07d33e1-67`; a name has no digits behind the dash. Raises TypeError unless text."""
        if not isinstance(number, str):
            message = f"a telephone number was given as {type(number).__name__}"
            raise TypeError(message)
        octets = number.encode("utf-8", "surrogatepass")
        digest = blake2b(octets, digest_size=HASH_OCTETS, key=self._key).hexdigest()
        last = number[-2:] if number[-2:].isdecimal() and number.isascii() else ""
        return f"{digest}-{last}"


class _Lines(structlog.BoundLoggerBase):
    """Structlog's pipeline with one entry point; the line is complete, so nothing is copied or merged."""

    held: list[bytes] | None = None  # lines that are to be written at once

    def line(self, level: str, line: Mapping[str, object]) -> None:
        """Run the processors and write, or keep the line until `release`."""
        rendered: Any = line
        for processor in self._processors:
            rendered = processor(self._logger, level, rendered)
        if self.held is not None:
            self.held.append(rendered)
        else:
            self._logger.msg(rendered)

    def release(self) -> int:
        """Write the lines held; how many were lost because the stream would not take them."""
        held, self.held = self.held or [], None
        try:
            if held:
                self._logger.msg(b"\n".join(held))
        except (OSError, ValueError):  # ValueError: the stream was closed
            return len(held)
        return 0


class Log:
    """Where events go."""

    def __init__(self, lines: _Lines, level: Level, numbers: Numbers) -> None:
        """See `configure`."""
        self._lines, self._clock = lines, Clock()
        self.level = level  # may be set again on reload
        self.written = {level.name.lower(): 0 for level in Level}
        self.lost = 0  # lines that could not be written
        shapes: Mapping[Kind, Callable[[object], object]] = {**SHAPES, Kind.NUMBER: numbers.shown}
        self._shape = {name: shapes[kind] for name, kind in FIELDS.items()}

    def emit(self, event: Event, *, alarm: bool = False, **fields: object) -> None:
        """Write one line; None leaves a field out, `alarm` makes it an error.

        Raises TypeError for what the table does not allow.
        """
        level, level_name = (Level.ERROR, "error") if alarm else (event.level, event.level_name)
        if level < self.level:
            return
        allowed, shape = event.fields, self._shape
        line: dict[str, object] = {"at": self._clock.now(), "level": level_name, "event": event.label}
        for name, value in fields.items():
            if name not in allowed:
                message = f"{event.label} has no field {name!r}"
                raise TypeError(message)
            if value is not None:
                line[name] = shape[name](value)
        try:
            self._lines.line(level_name, line)
        except (OSError, ValueError):  # ValueError: the stream was closed
            self.lost += 1
        else:
            self.written[level_name] += 1

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write the lines of this block at its end, in one go: for batches."""
        if self._lines.held is not None:  # inside another one
            yield
            return
        self._lines.held = []
        try:
            yield
        finally:
            self.lost += self._lines.release()

    def enabled(self, event: Event) -> bool:
        """Whether `event` would be written: for callers that would have to compute its fields."""
        return event.level >= self.level


def configure(
    form: str = "auto",
    level: str = "info",
    stream: BinaryIO | None = None,
    number_key: Secret | None = None,
) -> Log:
    """Make the process's log and send the libraries' own loggers to it.

    `form` is "auto" (text on a terminal), "json" or "text"; `stream` is standard output unless given.
    """
    output = stream or sys.stdout.buffer
    terminal = output.isatty()
    colours = terminal and "NO_COLOR" not in os.environ
    text = form == "text" or (form == "auto" and terminal)
    render = as_text(colours=colours) if text else as_json
    lines = _Lines(structlog.BytesLogger(output), [render], {})
    log = Log(lines, Level[level.upper()], Numbers(number_key))
    route_foreign(log)
    return log
