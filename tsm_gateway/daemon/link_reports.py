"""What links say, as events of the log.

Their words are ours, so only the kinds of the fields are held. A carrier that is away all night is not
told of at every attempt: the same event of one link for the same reason comes once per `AGAIN_S`, with
the number of times it stands for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsm_gateway.daemon.event_fields import FIELDS, Kind
from tsm_gateway.daemon.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.radio.smpp.link_event import LinkEvent

BY_LABEL: Mapping[str, Event] = {event.label: event for event in Event}
REPEATED = frozenset({"link.connect_failed", "link.bind_refused"})
AGAIN_S = 60.0
SAYINGS = 64  # remembered per link: hosts times reasons are few

Saying = tuple[str, tuple[tuple[str, int | float | str], ...]]


class LinkReports:
    """Logs what links tell."""

    def __init__(self, log: Log, monotonic: Callable[[], float]) -> None:
        """`monotonic` gives seconds."""
        self._log, self._monotonic = log, monotonic
        self._told: dict[str, dict[Saying, tuple[float, int]]] = {}  # link -> when, times since

    def tell(self, told: LinkEvent) -> None:
        """Log what a link told, unless it said the very same a moment ago."""
        if told.event not in REPEATED:
            self._told.pop(told.link, None)  # what comes after it is news again
            self._emit(told)
            return
        now, saying = self._monotonic(), (told.event, tuple(sorted(told.fields.items())))
        sayings = self._told.setdefault(told.link, {})
        at, held = sayings.get(saying, (now - AGAIN_S, 0))
        if now - at < AGAIN_S:
            sayings[saying] = (at, held + 1)
            return
        if len(sayings) >= SAYINGS:
            sayings.clear()
        sayings[saying] = (now, 0)
        self._emit(told, count=held + 1 if held else None)

    def _emit(self, told: LinkEvent, count: int | None = None) -> None:
        fields: dict[str, Any] = {
            name: str(value) if FIELDS[name] is Kind.TEXT else value for name, value in told.fields.items()
        }
        if count is not None:
            fields["count"] = count
        self._log.emit(BY_LABEL[told.event], alarm=told.alarm, **{"link": told.link, **fields})
