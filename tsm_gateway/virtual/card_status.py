"""GET STATUS and SET STATUS: what is on a virtual card, and in which state (GlobalPlatform §11.4, §11.10).

| P1 | about |
|---|---|
| 80 | the issuer security domain |
| 40 | applications |
| 20 | load files |
| 10 | load files and their modules |

P2 of GET STATUS: bit 02 asks for TLV, bit 01 for the rows that did not fit into the answer before (6310).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tsm_gateway.virtual.card_apdu import Answer, Command, Refusal, Status
from tsm_gateway.virtual.card_state import LOADED, CardLife
from tsm_gateway.virtual.card_tlv import as_table, lvs, tlv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tsm_gateway.virtual.card_session import Running
    from tsm_gateway.virtual.card_state import CardState

ISD, APPLICATIONS, LOAD_FILES, WITH_MODULES = 0x80, 0x40, 0x20, 0x10
NEXT, IN_TLV = 0x01, 0x02
_PAGE = 200  # octets of rows in one answer: MAC and padding still fit into 256
_LOCKED = 0x80  # of P2 in SET STATUS
_ISD_PRIVILEGES = bytes.fromhex("9EDE00")  # security domain, and everything that goes with the last word
_ROW, _AID, _LIFE, _PRIVILEGES, _LOAD_FILE = 0xE3, 0x4F, 0x9F70, 0xC5, 0xC4
_SECURITY_DOMAIN, _VERSION, _MODULE, _TAG_LIST = 0xCC, 0xCE, 0x84, 0x5C

Objects = list[tuple[int, bytes]]  # tag and value of each; the first is the AID


def _isd(state: CardState) -> Iterator[Objects]:
    sd_aid = state.profile.sd_aid
    yield [(_AID, sd_aid), (_LIFE, bytes([state.life])), (_PRIVILEGES, _ISD_PRIVILEGES)]


def _applications(state: CardState) -> Iterator[Objects]:
    for each in state.instances:
        yield [
            (_AID, each.aid),
            (_LIFE, bytes([each.life_octet])),
            (_PRIVILEGES, each.privileges.ljust(3, b"\0")),
            (_LOAD_FILE, each.load_file),
            (_SECURITY_DOMAIN, state.profile.sd_aid),
        ]


def _load_files(state: CardState) -> Iterator[Objects]:
    for file in state.load_files:
        yield [
            (_AID, file.aid),
            (_LIFE, bytes([LOADED])),
            (_VERSION, bytes(file.version)),
            (_SECURITY_DOMAIN, file.security_domain),
        ]


def _with_modules(state: CardState) -> Iterator[Objects]:
    for file, objects in zip(state.load_files, _load_files(state), strict=True):
        yield objects + [(_MODULE, module) for module in file.modules]


_SETS: Mapping[int, Callable[[CardState], Iterator[Objects]]] = {
    ISD: _isd,
    APPLICATIONS: _applications,
    LOAD_FILES: _load_files,
    WITH_MODULES: _with_modules,
}


def get_status(running: Running, command: Command) -> Answer:
    """The rows whose AID begins as `4F` says. Raises Refusal (6A88) when there is none."""
    if command.p1 not in _SETS or command.p2 not in range(4):
        raise Refusal(Status.WRONG_P1P2, f"GET STATUS {command.p1:02X} {command.p2:02X}")
    table = as_table(command.data)
    if _AID not in table or not set(table) <= {_AID, _TAG_LIST}:
        raise Refusal(Status.WRONG_DATA, "the search wants 4F, and 5C at most")
    rows, running.volatile.listing = running.volatile.listing, ()
    if not command.p2 & NEXT:
        rows = tuple(_rows(running.state, command, table))
    if not rows:
        raise Refusal(Status.NOT_NOW if command.p2 & NEXT else Status.NOT_REFERENCED, "no row")
    page, taken = b"", 0
    while taken < len(rows) and (not page or len(page) + len(rows[taken]) <= _PAGE):
        page, taken = page + rows[taken], taken + 1
    running.volatile.listing = rows[taken:]
    return Answer(page, Status.MORE_DATA if rows[taken:] else Status.OK)


def _rows(state: CardState, command: Command, table: Mapping[int, bytes]) -> Iterator[bytes]:
    wanted = _tags(table[_TAG_LIST]) if _TAG_LIST in table else None
    for objects in _SETS[command.p1](state):
        if not objects[0][1].startswith(table[_AID]):
            continue
        if command.p2 & IN_TLV:
            yield tlv(_ROW, *(tlv(tag, value) for tag, value in objects if not wanted or tag in wanted))
        else:
            yield _untagged(objects, modules=command.p1 == WITH_MODULES)


def _untagged(objects: Objects, *, modules: bool) -> bytes:
    """LV AID, life cycle, the first octet of the privileges; then the number of modules and LV each."""
    table = dict(objects)
    row = lvs((table[_AID],)) + table[_LIFE] + table.get(_PRIVILEGES, b"\0")[:1]
    if not modules:
        return row
    aids = [value for tag, value in objects if tag == _MODULE]
    return row + bytes([len(aids)]) + lvs(aids)


def _tags(octets: bytes) -> set[int]:
    """The tags in a tag list."""
    tags, at = set(), 0
    while at < len(octets):
        end = at + (2 if octets[at] & 0x1F == 0x1F else 1)  # noqa: PLR2004 - low bits set: the tag goes on
        tags.add(int.from_bytes(octets[at:end], "big"))
        at = end
    return tags


_MOVES: Mapping[CardLife, tuple[CardLife, ...]] = {
    CardLife.OP_READY: (CardLife.INITIALIZED, CardLife.SECURED, CardLife.TERMINATED),
    CardLife.INITIALIZED: (CardLife.SECURED, CardLife.TERMINATED),
    CardLife.SECURED: (CardLife.CARD_LOCKED, CardLife.TERMINATED),
    CardLife.CARD_LOCKED: (CardLife.SECURED, CardLife.TERMINATED),
    CardLife.TERMINATED: (),
}


def set_status(running: Running, command: Command) -> Answer:
    """Move the card along its life, or lock and unlock an application. Raises Refusal."""
    state = running.state
    if command.p1 == ISD:
        life = next((each for each in _MOVES[state.life] if each == command.p2), None)
        if life is None:
            raise Refusal(Status.NOT_NOW, f"the card does not go from {state.life:02X} to {command.p2:02X}")
        running.state = replace(state, life=life)
        return Answer()
    if command.p1 != APPLICATIONS:
        raise Refusal(Status.WRONG_P1P2, f"SET STATUS {command.p1:02X}")
    instance = state.instance(command.data)
    if instance is None:
        raise Refusal(Status.NOT_REFERENCED, "no such application")
    locked = bool(command.p2 & _LOCKED)
    if instance.locked is locked:
        raise Refusal(Status.NOT_NOW, "the application is in that state")
    running.state = state.with_instance(replace(instance, locked=locked))
    return Answer()
