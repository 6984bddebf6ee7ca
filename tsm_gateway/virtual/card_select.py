"""SELECT: who on a virtual card gets the commands (GlobalPlatform §6.4, §11.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.virtual.card_apdu import Answer, Command, Refusal, Status
from tsm_gateway.virtual.card_state import CardLife
from tsm_gateway.virtual.card_tlv import tlv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.virtual.card_session import Running
    from tsm_gateway.virtual.card_state import CardState

BY_NAME = 0x04
FIRST, NEXT = 0x00, 0x02
_FCI, _AID, _PROPRIETARY = 0x6F, 0x84, 0xA5
_LONGEST_COMMAND = bytes.fromhex("9F6501FF")  # data field: 255 octets


def select(running: Running, command: Command) -> Answer:
    """Select by a whole AID or its beginning; without data: the security domain. Raises Refusal (6A82)."""
    if command.p1 != BY_NAME or command.p2 not in {FIRST, NEXT}:
        raise Refusal(Status.WRONG_P1P2, f"SELECT {command.p1:02X} {command.p2:02X}")
    state, volatile = running.state, running.volatile
    matching = [aid for aid in _selectable(state) if aid.startswith(command.data)]
    if command.p2 == NEXT:
        known = volatile.selected in matching
        matching = matching[matching.index(volatile.selected) + 1 :] if known else []
    if not matching:
        raise Refusal(Status.NOT_FOUND, "no such application")
    volatile.end_session()
    volatile.selected = matching[0]
    locked = state.life == CardLife.CARD_LOCKED
    fci = tlv(_FCI, tlv(_AID, matching[0]), tlv(_PROPRIETARY, _LONGEST_COMMAND))
    return Answer(fci, Status.CARD_LOCKED if locked else Status.OK)


def _selectable(state: CardState) -> Iterator[bytes]:
    yield state.profile.sd_aid
    if state.life != CardLife.CARD_LOCKED:
        yield from (each.aid for each in state.instances if each.is_selectable)


def selected_by_default(state: CardState) -> bytes:
    """The AID that is selected after power-on: the application with that privilege, or the domain."""
    if state.life in {CardLife.CARD_LOCKED, CardLife.TERMINATED}:
        return state.profile.sd_aid
    chosen = (each.aid for each in state.instances if each.is_selectable and any(each.privileges))
    return next(chosen, state.profile.sd_aid)
