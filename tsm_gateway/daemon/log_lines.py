"""The two forms of a log line, as structlog processors: JSON for machines, text for a terminal.

Values arrive shaped by `event_fields`: numbers, and text without control characters.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_encode = json.JSONEncoder(separators=(",", ":")).encode  # ASCII only: other letters are spelled \uXXXX

_RESET, _DIM, _BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"
_COLOURS: Mapping[str, str] = {
    "debug": _DIM,
    "info": "\x1b[32m",
    "warning": "\x1b[33m",
    "error": "\x1b[1;31m",
}


class Clock:
    """The time of a line, UTC to the millisecond (RFC 3339); a second is formatted once, not per line."""

    def __init__(self) -> None:
        """Start before any second."""
        self._second = -1
        self._prefix = ""

    def now(self) -> str:
        """`2026-11-24T11:30:11.045Z`."""
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second, self._prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._prefix}.{rest // 1_000_000:03d}Z"


def as_json(_logger: object, _level: str, line: Mapping[str, object]) -> bytes:
    """`{"at":…,"level":…,"event":…,…}`."""
    return _encode(line).encode("ascii")


def as_text(*, colours: bool) -> Callable[[object, str, Mapping[str, object]], bytes]:
    """`12:00:00.123 info    payment.accepted  device=d:… provider=…`."""
    paint = _COLOURS if colours else {}
    bold, dim, reset = (_BOLD, _DIM, _RESET) if colours else ("", "", "")

    def render(_logger: object, _level: str, line: Mapping[str, object]) -> bytes:
        fields = dict(line)
        at, event, level = (str(fields.pop(name)) for name in ("at", "event", "level"))
        values = " ".join(f"{dim}{name}={reset}{_value(value)}" for name, value in fields.items())
        mark = f"{paint.get(level, '')}{level:7}{reset}"
        text = f"{dim}{at[11:-1]}{reset} {mark} {bold}{event}{reset}  {values}"
        return text.rstrip().encode("utf-8", "backslashreplace")

    return render


def _value(value: object) -> str:
    """In quotes when it would not be read as one word."""
    text = str(value)
    return text if text and not set(text) & set(' "=') else json.dumps(text, ensure_ascii=False)
