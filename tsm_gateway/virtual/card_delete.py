"""DELETE: applications, load files and key sets go (GlobalPlatform §11.2).

| data | P2 | goes |
|---|---|---|
| `4F` AID | 00 | the application, or the load file without applications |
| `4F` AID | 80 | the load file and every application made out of it |
| `D2` key version number | 00 | the key set; never the last one, nor that of the session |
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tsm_gateway.virtual.card_apdu import Answer, Command, Refusal, Status
from tsm_gateway.virtual.card_receipt import NOTHING_CONFIRMED, confirmed, require_token
from tsm_gateway.virtual.card_tlv import as_table, tlv

if TYPE_CHECKING:
    from tsm_gateway.virtual.card_session import Running

ALONE, AND_RELATED = 0x00, 0x80
_AID, _KEY_ID, _KVN, _CONTROL, _TOKEN = 0x4F, 0xD0, 0xD2, 0xB6, 0x9E


def delete(running: Running, command: Command) -> Answer:
    """Run DELETE. Raises Refusal."""
    if command.p1 or command.p2 not in {ALONE, AND_RELATED}:
        raise Refusal(Status.WRONG_P1P2, f"DELETE {command.p1:02X} {command.p2:02X}")
    table = as_table(command.data)
    if set(table) <= {_KEY_ID, _KVN} and table:
        return _delete_keys(running, table)
    if _AID not in table or not set(table) <= {_AID, _CONTROL, _TOKEN}:
        raise Refusal(Status.WRONG_DATA, "neither an AID nor a key")
    token = table.get(_TOKEN, b"")
    end = tlv(_TOKEN, token) if token else b""
    if not command.data.endswith(end):
        raise Refusal(Status.WRONG_DATA, "the token is not the last object")
    require_token(running.state, command, command.data.removesuffix(end), token)
    return _delete_content(running, table[_AID], and_related=command.p2 == AND_RELATED)


def _delete_content(running: Running, aid: bytes, *, and_related: bool) -> Answer:
    state = running.state
    if aid == state.profile.sd_aid:
        raise Refusal(Status.NOT_NOW, "the security domain stays")
    if state.instance(aid):
        if and_related:
            raise Refusal(Status.WRONG_P1P2, "an application has no related objects")
        running.state = replace(state, instances=tuple(each for each in state.instances if each.aid != aid))
        return confirmed(running, aid)
    if state.load_file(aid) is None:
        raise Refusal(Status.NOT_REFERENCED, "no such AID")
    others = tuple(each for each in state.instances if each.load_file != aid)
    if len(others) < len(state.instances) and not and_related:
        raise Refusal(Status.NOT_NOW, "applications made out of the load file are there")
    files = tuple(file for file in state.load_files if file.aid != aid)
    running.state = replace(state, load_files=files, instances=others)
    return confirmed(running, aid)


def _delete_keys(running: Running, table: dict[int, bytes]) -> Answer:
    """Only a whole key set goes: one key of three is of no use."""
    state = running.state
    keys = state.key_set(table[_KVN][0]) if len(table.get(_KVN, b"")) == 1 else None
    if _KEY_ID in table or keys is None or not table[_KVN][0]:
        raise Refusal(Status.NOT_REFERENCED, "no such key set")
    if len(state.key_sets) == 1 or keys.kvn == running.channel.keys.kvn:
        raise Refusal(Status.NOT_NOW, "the last key set, or that of the session")
    running.state = replace(state, key_sets=tuple(each for each in state.key_sets if each is not keys))
    return NOTHING_CONFIRMED
