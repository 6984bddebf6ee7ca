"""Looking after a modem that is ready: is it still set as we set it, where does it stand with the network.

Modems restart without a word and come up with their own settings: messages would be stored where nobody
looks, or announced to nobody. So the settings are asked for every few minutes, and whenever something the
modem says hints at a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.radio.modem import at_command
from tsm_gateway.radio.modem.at_values import (
    REGISTRATION_RANK,
    Registration,
    memory_names,
    numbers,
    operator_of,
    registration_of,
    signal_of,
)
from tsm_gateway.radio.modem.talk import Outcome, Talk, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.radio.modem.at_command import Command
    from tsm_gateway.radio.modem.station import Station

_FALTERED = (Outcome.LATE, Outcome.DEAF, Outcome.CUT)
_CARD_GONE = frozenset({10, 11, 12, 13, 310, 311, 313, 316})  # +CME and +CMS ERROR: missing, locked, failed


def _still_pdu(_station: Station, line: str) -> bool:
    return numbers(line)[:1] == [0]


def _still_receives(station: Station, line: str) -> bool:
    names = memory_names(line)
    return not station.setting.receives or names[2:3] == [station.setting.receives]


def _still_announces(station: Station, line: str) -> bool:
    return not station.setting.shown or tuple(numbers(line)) == station.setting.shown


def _still_waits_for_us(station: Station, line: str) -> bool:
    return not station.setting.direct or numbers(line)[:1] == [1]


CHECKS: tuple[tuple[str, Command, Callable[[Station, str], bool]], ...] = (
    ("format", at_command.FORMAT, _still_pdu),
    ("memory", at_command.MEMORIES, _still_receives),
    ("service", at_command.SERVICE, _still_waits_for_us),
    ("indications", at_command.INDICATIONS, _still_announces),
)


def verify(station: Station) -> Talk[Trouble | str]:
    """The name of the first setting that was lost, "" when all stand."""
    for name, command, holds in CHECKS:
        reply = yield command
        if reply.outcome in _FALTERED:
            return Trouble(reply.outcome.value)
        if reply.result.number in _CARD_GONE:
            return "card"
        if reply.ok and not holds(station, reply.line):
            return name
    return ""


def look(station: Station) -> Talk[Trouble | None]:
    """Registration, signal and operator, for metrics and events."""
    told: list[Registration] = []
    for command in at_command.REGISTRATIONS:
        reply = yield command
        if reply.outcome in _FALTERED:
            return Trouble(reply.outcome.value)
        told += [state for line in reply.lines if (state := registration_of(line))]
    note_registration(station, told)
    reply = yield at_command.SIGNAL
    if reply.ok:
        station.health.signal_dbm = signal_of(reply.line)
    if reply.outcome not in _FALTERED:
        reply = yield at_command.OPERATOR
        if reply.ok:
            station.health.operator = operator_of(reply.line)
    return Trouble(reply.outcome.value) if reply.outcome in _FALTERED else None


def note_registration(station: Station, told: list[Registration]) -> None:
    """The best of what the modem says of its networks; an event when it can, or cannot, be reached now."""
    state = min(told, key=REGISTRATION_RANK.index, default=None)
    if state is None:
        return
    before, station.health.registration = station.health.registration, state.value
    if before == state.value:
        return
    if state.registered:
        station.tell("network.registered", roaming=int(state is Registration.ROAMING))
    elif state is Registration.DENIED:
        station.alarm("network.lost", status=state.value)
    elif before:  # nothing is lost that was never found
        station.tell("network.lost", status=state.value)
