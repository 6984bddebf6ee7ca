"""Where messages go and how they are announced: memories, service, indications.

Each is chosen from what the modem offers, and verified by asking it back: some advertise what they do
not do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.modem import at_command
from tsm_gateway.radio.modem.at_values import ANYTHING, known_memories, memory_names, numbers, offers
from tsm_gateway.radio.modem.talk import Outcome, Reply, Talk, Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.radio.modem.at_command import Indications, Memory
    from tsm_gateway.radio.modem.at_values import Offer
    from tsm_gateway.radio.modem.station import Station

_ENDS: Final = (Outcome.DEAF, Outcome.CUT)
_HANDED_OVER: Final = 2  # mt
_MEM3: Final = 2  # memories of AT+CPMS: to read, to write, to receive


def choose_memories(station: Station) -> Talk[Trouble | None]:
    """All memories are swept, whichever receives; REFUSED when none can be chosen."""
    reply = yield at_command.MEMORIES_OFFERED
    if reply.outcome in _ENDS:
        return Trouble(reply.outcome.value)
    offered = offers(reply.line)
    for memories in _arrangements(station, offered):
        chosen = yield at_command.select_memories(memories)
        if chosen.ok:
            station.setting.sweeps = tuple(known_memories(offered[0])) if offered else (memories[0],)
            return (yield from _see_memories(station))
        if chosen.outcome in _ENDS:
            return Trouble(chosen.outcome.value)
    return Trouble.REFUSED


def _arrangements(station: Station, offered: Sequence[Offer]) -> list[tuple[Memory, ...]]:
    """What to say to AT+CPMS, best first: the same memory three times, then what each parameter allows."""
    to_receive = offered[_MEM3] if len(offered) > _MEM3 else ANYTHING
    likes = station.setting.profile.receives
    wanted = [memory for memory in likes if to_receive.allows(memory.value)] or list(likes)
    found: list[tuple[Memory, ...]] = []
    for memory in wanted:
        trio = [
            memory if offer.allows(memory.value) else next(iter(known_memories(offer)), memory)
            for offer in (*offered, ANYTHING, ANYTHING, ANYTHING)[:3]
        ]
        found += [tuple(trio), (trio[0],)]
    return found


def _see_memories(station: Station) -> Talk[Trouble | None]:
    reply = yield at_command.MEMORIES
    names = memory_names(reply.line)
    station.setting.receives = names[_MEM3] if len(names) > _MEM3 else ""
    return None


def choose_service(station: Station) -> Talk[Trouble | None]:
    """Phase 2+ for direct mode, where messages wait for our acknowledgement; without it for store mode."""
    reply = yield at_command.SERVICES_OFFERED
    offered = offers(reply.line)
    service = int(station.wants_direct)
    if reply.ok and (not offered or offered[0].allows(service)):
        reply = yield at_command.select_service(service)
    if reply.outcome in _ENDS:
        return Trouble(reply.outcome.value)
    station.setting.direct = station.wants_direct and reply.ok and not (offered and not offered[0].allows(1))
    return None


def choose_indications(station: Station) -> Talk[Trouble | None]:
    """Direct where it is wanted and possible, else announced, else nothing: then polling finds messages."""
    reply = yield at_command.INDICATIONS_OFFERED
    offered = offers(reply.line)
    setting, profile = station.setting, station.setting.profile
    if setting.direct:
        reply = yield from _try_all(
            station, possible(profile.direct, offered, reports=station.options.reports)
        )
        if setting.indications is None:
            setting.direct = False
            yield at_command.select_service(0)  # messages stored by the modem are acknowledged by it
    if station.wants_direct and not setting.direct:
        station.alarm("modem.direct_unavailable")
    if setting.indications is None:
        reply = yield from _try_all(
            station, possible(profile.store, offered, reports=station.options.reports)
        )
    if reply.outcome in _ENDS:
        return Trouble(reply.outcome.value)
    if setting.indications is None:
        station.tell("modem.indications_unavailable")
    station.health.mode = "direct" if setting.direct else "store"
    return None


def possible(rows: Sequence[Indications], offered: Sequence[Offer], *, reports: bool) -> list[Indications]:
    """The rows that AT+CNMI=? allows, the last number as the modem likes it; all if it allows none."""
    limits = (*offered, *[ANYTHING] * 5)[:5]
    wanted = [row if reports else row._replace(ds=0) for row in rows]
    fitted = [row if limits[4].allows(row.bfr) else row._replace(bfr=1) for row in wanted]
    allowed = [
        row for row in fitted if all(offer.allows(value) for offer, value in zip(limits, row, strict=True))
    ]
    return list(dict.fromkeys(allowed or wanted))


def _try_all(station: Station, rows: Sequence[Indications]) -> Talk[Reply]:
    reply = Reply(Outcome.ERROR)
    for row in rows:
        reply = yield at_command.set_indications(row)
        if reply.outcome in _ENDS:
            break
        if reply.ok:
            shown = yield at_command.INDICATIONS
            if not shown.ok or _agrees(row, shown.line):
                station.setting.indications = row
                station.setting.shown = tuple(numbers(shown.line))
                break
    return reply


def _agrees(row: Indications, shown: str) -> bool:
    """Whether the modem says that messages go where they should; the rest may be as it likes."""
    return numbers(shown)[1:2] == [row.mt]
