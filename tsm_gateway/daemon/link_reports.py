"""What links say, as events of the log: their words are ours, so only the kinds of the fields are held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsm_gateway.daemon.event_fields import FIELDS, Kind
from tsm_gateway.daemon.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.radio.smpp.link_event import LinkEvent
BY_LABEL: Mapping[str, Event] = {event.label: event for event in Event}


def report_link(log: Log, told: LinkEvent) -> None:
    """Log what a link told."""
    fields: dict[str, Any] = {
        name: str(value) if FIELDS[name] is Kind.TEXT else value for name, value in told.fields.items()
    }
    log.emit(BY_LABEL[told.event], alarm=told.alarm, **{"link": told.link, **fields})
