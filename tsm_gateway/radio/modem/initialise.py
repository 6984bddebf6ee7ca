"""The ladder from an opened port to a modem that is ready, step by step.

Every step is tolerant: it sets what the modem's answers to `=?` allow, and goes on when the modem refuses
what we can do without. Only these end it: no answer at all, no PDU mode, no memory, a SIM that is locked,
another modem or SIM than configured. Who the modem is stands ahead of everything that changes something
on it: a stranger's modem is left as it was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.radio.modem import at_command
from tsm_gateway.radio.modem.arrange import choose_indications, choose_memories, choose_service
from tsm_gateway.radio.modem.at_values import iccid_of, imei_of, numbers, text_of
from tsm_gateway.radio.modem.profiles import PROFILES, profile_of
from tsm_gateway.radio.modem.sim_lock import unlock
from tsm_gateway.radio.modem.station import Setting, Station
from tsm_gateway.radio.modem.talk import Outcome, Resync, Talk, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.radio.modem.at_command import Command

_ENDS: Final = (Outcome.DEAF, Outcome.CUT)


class Rung(NamedTuple):
    """One step of the ladder."""

    name: str
    talk: Callable[[Station], Talk[Trouble | None]]


def initialise(station: Station) -> Talk[Trouble | None]:
    """Climb the whole ladder; None when the modem is ready."""
    station.setting = Setting()
    for rung in LADDER:
        trouble = yield from rung.talk(station)
        if trouble is not None:
            return trouble
    station.counters.initialisations += 1
    return None


def _wake(_station: Station) -> Talk[Trouble | None]:
    reply = yield Resync()
    return Trouble.DEAF if reply.outcome in _ENDS else None


def _try(*commands: Command) -> Callable[[Station], Talk[Trouble | None]]:
    """Say commands whose refusal changes nothing."""

    def talk(_station: Station) -> Talk[Trouble | None]:
        for command in commands:
            reply = yield command
            if reply.outcome in _ENDS:
                return Trouble(reply.outcome.value)
        return None

    return talk


def _identity(station: Station) -> Talk[Trouble | None]:
    health = station.health
    maker = yield at_command.MAKER
    model = yield at_command.MODEL
    firmware = yield at_command.FIRMWARE
    imei = yield at_command.IMEI
    if imei.outcome in _ENDS:
        return Trouble(imei.outcome.value)
    health.maker, health.model, health.firmware = map(text_of, (maker.lines, model.lines, firmware.lines))
    health.imei = imei_of(imei.lines)
    named = PROFILES.get(station.options.profile)
    station.setting.profile = named or profile_of(health.maker, health.model)
    health.profile = station.setting.profile.name
    return _foreign(station, "imei", station.options.imei, health.imei)


def _foreign(station: Station, identity: str, wanted: str, found: str) -> Trouble | None:
    if not wanted or wanted == found:
        return None
    station.alarm("modem.foreign", identity=identity)
    return Trouble.FOREIGN


def _card(station: Station) -> Talk[Trouble | None]:
    """Read the card's number if it can be read; one that cannot be read is not the one that is pinned."""
    station.health.iccid = ""
    for name in station.setting.profile.card:
        reply = yield at_command.CARD_NUMBERS[name]
        if reply.outcome in _ENDS:
            return Trouble(reply.outcome.value)
        station.health.iccid = iccid_of(reply.lines)
        if station.health.iccid:
            break
    return None


def _card_early(station: Station) -> Talk[Trouble | None]:
    """Ahead of the PIN many SIMs tell their number, others do not: only another number ends it here."""
    if not station.options.iccid:
        return None
    trouble = yield from _card(station)
    if trouble is not None or not station.health.iccid:
        return trouble
    return _foreign(station, "iccid", station.options.iccid, station.health.iccid)


def _card_late(station: Station) -> Talk[Trouble | None]:
    trouble = yield from _card(station)
    return trouble or _foreign(station, "iccid", station.options.iccid, station.health.iccid)


def _speed(station: Station) -> Talk[Trouble | None]:
    if station.options.speed_bd and station.setting.profile.guesses_speed:
        yield at_command.fix_speed(station.options.speed_bd)
    return None


def _switch_on(_station: Station) -> Talk[Trouble | None]:
    """Full functionality, unless it is on: saying it again restarts some modems."""
    reply = yield at_command.FUNCTIONALITY
    if reply.ok and numbers(reply.line)[:1] != [1]:
        yield at_command.SWITCH_ON
    return None


def _profile(station: Station) -> Talk[Trouble | None]:
    return (yield from _try(*station.setting.profile.first)(station))


def _format(_station: Station) -> Talk[Trouble | None]:
    """PDU mode: nothing else carries octets."""
    reply = yield at_command.PDU_MODE
    if reply.ok:
        return None
    return Trouble(reply.outcome.value) if reply.outcome in _ENDS else Trouble.REFUSED


LADDER: Final = (
    Rung("wake", _wake),
    Rung("manners", _try(at_command.MANNERS, at_command.NUMBERED_ERRORS)),
    Rung("identity", _identity),
    Rung("speed", _speed),
    Rung("functionality", _switch_on),
    Rung("card number, if it can be read", _card_early),
    Rung("lock", unlock),
    Rung("card number", _card_late),
    Rung("profile", _profile),
    Rung("format", _format),
    Rung("memories", choose_memories),
    Rung("service", choose_service),
    Rung("indications", choose_indications),
    Rung("registration", _try(*at_command.WATCH_REGISTRATION, at_command.OPERATOR_NAMES)),
)
