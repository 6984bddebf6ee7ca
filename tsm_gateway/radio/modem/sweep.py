"""The sweep: every memory is read, what was read made durable by the caller, and only then deleted.

The memory is the truth, indications are only hints to look at it. Per memory, in one talk: select it;
list it; tell each PDU; wait until the caller said which are durable; delete those, by the index listed.

What stays where it is, for the next sweep: what the caller refused or did not answer; everything, when
the modem hinted at a reboot (the memory selected may be another one now); a place listed twice (a digit
was lost on the line); and a PDU that was damaged on the line. Such a PDU is read once more: the same
again means that the SIM holds just that, and it goes its way to quarantine like any other.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.modem import at_command
from tsm_gateway.radio.modem.at_values import fill_of, index_of
from tsm_gateway.radio.modem.pdu_line import read_pdu
from tsm_gateway.radio.modem.talk import Await, Outcome, Talk, Trouble

if TYPE_CHECKING:
    from tsm_gateway.radio.modem.at_command import Memory
    from tsm_gateway.radio.modem.at_reply import Entry
    from tsm_gateway.radio.modem.modem_value import Incoming
    from tsm_gateway.radio.modem.station import Station
    from tsm_gateway.radio.modem.talk import Reply

FALTERED: Final = (Outcome.LATE, Outcome.DEAF, Outcome.CUT)
STUBBORN: Final = 3  # sweeps in a row with something left: somebody has to look
_STALE_S: Final = 1.0  # the spool took longer: make sure that the memory is still selected


def sweep(station: Station) -> Talk[Trouble | int]:
    """Look through all memories; how many PDUs were found."""
    station.counters.sweeps += 1
    found = 0
    for memory in station.setting.sweeps:
        result = yield from _sweep_memory(station, memory)
        if isinstance(result, Trouble):
            return result
        found += result
    return found


def _sweep_memory(station: Station, memory: Memory) -> Talk[Trouble | int]:
    selected = yield at_command.select_memory(memory)
    if not selected.ok:
        return _trouble(station, selected) or 0
    _note_fill(station, memory.value, selected.line)
    listed = yield at_command.LIST
    if not listed.ok:
        return _trouble(station, listed) or 0
    read = yield from _readable(station, memory.value, listed.entries)
    if isinstance(read, Trouble):
        return read
    if not read:
        return 0
    told = [station.incoming(header, pdu, memory.value, index) for index, header, pdu in read]
    return (yield from _settle(station, memory, told))


def _trouble(station: Station, reply: Reply) -> Trouble | None:
    """Why nothing more may be said of this memory."""
    if reply.outcome in FALTERED:
        return Trouble(reply.outcome.value)
    return Trouble.REBOOTED if station.disturbed else None


def _readable(
    station: Station, memory: str, entries: tuple[Entry, ...]
) -> Talk[Trouble | list[tuple[int, str, str]]]:
    """Index, header and PDU of each place that can be told apart and read twice alike."""
    places = Counter(index_of(entry.header) for entry in entries)
    read: list[tuple[int, str, str]] = []
    for entry in entries:
        index = index_of(entry.header)
        if index is None or places[index] > 1:
            continue
        header, pdu = entry.header, entry.pdu
        if pdu is None or read_pdu(header, pdu).fault:
            again = yield at_command.read(index)
            if trouble := _trouble(station, again):
                return trouble
            header, pdu = _second_reading(entry, again)
        if pdu is not None:
            read.append((index, header, pdu))
    _note_left(station, memory, len(entries) - len(read), "modem.slot_unreadable")
    return read


def _second_reading(entry: Entry, again: Reply) -> tuple[str, str | None]:
    """The header and PDU to believe; None for the PDU when the two readings leave it open."""
    if not again.ok or len(again.entries) != 1:
        return entry.header, None
    header, pdu = again.entries[0]
    if pdu is None or (read_pdu(header, pdu).fault and pdu != entry.pdu):
        return header, None
    return header, pdu


def _settle(station: Station, memory: Memory, told: list[Incoming]) -> Talk[Trouble | int]:
    """Wait for the spool, then delete what it has."""
    reply = yield Await(tuple(each.number for each in told), station.options.timing.durable_s)
    if trouble := _trouble(station, reply):
        return trouble
    if reply.waited_s >= _STALE_S and reply.durable:
        selected = yield at_command.select_memory(memory)
        if not selected.ok:
            return _trouble(station, selected) or len(told)
    failed = 0
    for each in told:
        if each.number not in reply.durable:
            continue
        deleted = yield at_command.delete(each.index)
        station.counters.deleted += deleted.ok
        failed += not deleted.ok
        if trouble := _trouble(station, deleted):
            return trouble
    station.counters.deletes_failed += failed
    _note_left(station, memory.value, failed, "modem.delete_failed")
    return len(told)


def _note_left(station: Station, memory: str, count: int, event: str) -> None:
    key = f"{event} {memory}"
    station.stubborn[key] = station.stubborn.get(key, 0) + 1 if count else 0
    if station.stubborn[key] == STUBBORN:
        station.alarm(event, memory=memory, count=count)


def _note_fill(station: Station, memory: str, line: str) -> None:
    fill = fill_of(line)
    if fill is None:
        return
    station.health.fill[memory] = fill
    full = fill.used >= fill.total > 0
    if full and memory not in station.full:
        station.full.add(memory)
        station.alarm("modem.store_full", memory=memory, used=fill.used, total=fill.total)
    elif not full and memory in station.full:
        station.full.discard(memory)
        station.tell("modem.store_recovered", memory=memory)
