"""INSTALL, DELETE: what comes onto a virtual card and what goes (GlobalPlatform §11.5, §11.2).

| P1 of INSTALL | for | fields (each behind its length) |
|---|---|---|
| 02 | load | load file AID, security domain AID, hash, parameters, token |
| 04 | install | load file AID, module AID, instance AID, privileges, parameters, token |
| 08 | make selectable | (none), (none), instance AID, privileges, parameters, token |
| 0C | install and make selectable | as for install |
| 20 | personalisation | (none), (none), instance AID, (none), (none), (none) |
| 40 | registry update | security domain AID, (none), instance AID, privileges, parameters, token |
| 10 | extradition | refused: there is one security domain |
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tsm_gateway.virtual.card_apdu import Answer, Command, Refusal, Status
from tsm_gateway.virtual.card_load_file import Loading
from tsm_gateway.virtual.card_memory import INSTANCE_SIZE, LOAD_FILE_EXTRA, require_memory
from tsm_gateway.virtual.card_receipt import confirmed, require_token
from tsm_gateway.virtual.card_state import AID_OCTETS, ApplicationLife, Instance
from tsm_gateway.virtual.card_tlv import as_table, lvs, read_lvs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.virtual.card_session import Running
    from tsm_gateway.virtual.card_state import CardState

LOAD, INSTALL, MAKE_SELECTABLE, EXTRADITE, PERSONALISE, UPDATE = 0x02, 0x04, 0x08, 0x10, 0x20, 0x40
_SYSTEM, _APPLICATION = 0xEF, 0xC9  # tags of install parameters
_CODE_SIZE, _DATA_SIZE = 0xC6, 0xC8
_SHA256_OCTETS = 32
DEFAULT_SELECTED = 0x04  # the one privilege an application may have here
_PRIVILEGE_OCTETS = (1, 3)


def install(running: Running, command: Command) -> Answer:
    """Run INSTALL. Raises Refusal."""
    if command.p2 or command.p1 not in _KINDS:
        raise Refusal(Status.WRONG_P1P2, f"INSTALL {command.p1:02X} {command.p2:02X}")
    return _KINDS[command.p1](running, command)


def _for_load(running: Running, command: Command) -> Answer:
    aid, security_domain, digest, parameters, token = read_lvs(command.data, 5)
    state = running.state
    _require_free_aid(state, aid)
    if security_domain not in {b"", state.profile.sd_aid}:
        raise Refusal(Status.NOT_REFERENCED, "another security domain")
    if len(digest) not in {0, _SHA256_OCTETS} or (state.profile.token_key and not digest):
        raise Refusal(Status.WRONG_DATA, "the hash is not a SHA-256")
    size = _system_parameter(as_table(parameters), _CODE_SIZE)
    require_memory(state, size + LOAD_FILE_EXTRA)
    _require_token(state, command, token)
    running.volatile.loading = Loading(aid, state.profile.sd_aid, digest)
    return Answer(b"\0")


def _for_install(running: Running, command: Command) -> Answer:
    file_aid, module, aid, privileges, parameters, token = read_lvs(command.data, 6)
    state = running.state
    file = state.load_file(file_aid)
    if file is None or module not in file.modules:
        raise Refusal(Status.NOT_REFERENCED, "no such load file or module")
    _require_free_aid(state, aid)
    _require_privileges(state, privileges, aid)
    table = as_table(parameters)
    if _APPLICATION not in table or not set(table) <= {_APPLICATION, _SYSTEM}:
        raise Refusal(Status.WRONG_DATA, "install parameters want C9, and EF at most")
    made = Instance(aid, file_aid, module, privileges, table[_APPLICATION])
    wanted = max(INSTANCE_SIZE, _system_parameter(table, _DATA_SIZE))
    require_memory(state, wanted + len(made.install_data))
    _require_token(state, command, token)
    if command.p1 & MAKE_SELECTABLE:
        made = replace(made, life=ApplicationLife.SELECTABLE)
    running.state = replace(state, instances=(*state.instances, made))
    return confirmed(running, file_aid, aid)


def _for_make_selectable(running: Running, command: Command) -> Answer:
    file_aid, module, aid, privileges, _, token = read_lvs(command.data, 6)
    instance = _instance(running.state, aid)
    if file_aid or module:
        raise Refusal(Status.WRONG_DATA, "a load file or module where none belongs")
    if instance.life != ApplicationLife.INSTALLED:
        raise Refusal(Status.NOT_NOW, "selectable already")
    _require_privileges(running.state, privileges, aid)
    _require_token(running.state, command, token)
    made = replace(instance, life=ApplicationLife.SELECTABLE, privileges=privileges)
    running.state = running.state.with_instance(made)
    return confirmed(running, aid)


def _for_personalisation(running: Running, command: Command) -> Answer:
    *others, aid, privileges, parameters, token = read_lvs(command.data, 6)
    if any((*others, privileges, parameters, token)):
        raise Refusal(Status.WRONG_DATA, "more than an AID")
    if not _instance(running.state, aid).is_selectable:
        raise Refusal(Status.NOT_NOW, "not selectable, or locked")
    running.volatile.personalised = aid
    return Answer(b"\0")


def _for_update(running: Running, command: Command) -> Answer:
    security_domain, nothing, aid, privileges, parameters, token = read_lvs(command.data, 6)
    state = running.state
    instance = _instance(state, aid)
    if nothing or parameters or security_domain not in {b"", state.profile.sd_aid}:
        raise Refusal(Status.WRONG_DATA, "only privileges can be updated")
    _require_privileges(state, privileges, aid)
    _require_token(state, command, token)
    running.state = state.with_instance(replace(instance, privileges=privileges))
    return confirmed(running, aid)


_KINDS: Mapping[int, Callable[[Running, Command], Answer]] = {
    LOAD: _for_load,
    INSTALL: _for_install,
    MAKE_SELECTABLE: _for_make_selectable,
    INSTALL | MAKE_SELECTABLE: _for_install,
    PERSONALISE: _for_personalisation,
    UPDATE: _for_update,
}


def _instance(state: CardState, aid: bytes) -> Instance:
    instance = state.instance(aid)
    if instance is None:
        raise Refusal(Status.NOT_REFERENCED, "no such application")
    return instance


def _require_free_aid(state: CardState, aid: bytes) -> None:
    if len(aid) not in AID_OCTETS:
        raise Refusal(Status.WRONG_DATA, "an AID has 5 to 16 octets")
    if aid == state.profile.sd_aid or state.load_file(aid) or state.instance(aid):
        raise Refusal(Status.NOT_NOW, "the AID is taken")


def _require_privileges(state: CardState, privileges: bytes, aid: bytes) -> None:
    if len(privileges) not in _PRIVILEGE_OCTETS or privileges[0] & ~DEFAULT_SELECTED or any(privileges[1:]):
        raise Refusal(Status.WRONG_DATA, "a privilege no application gets here")
    others = (each for each in state.instances if each.aid != aid)
    if privileges[0] and any(each.privileges[0] for each in others):
        raise Refusal(Status.NOT_NOW, "another application is selected by default")


def _require_token(state: CardState, command: Command, token: bytes) -> None:
    """A token is the last field: what it signs is everything ahead of its length."""
    unsigned = command.data[: len(command.data) - len(lvs((token,)))]
    require_token(state, command, unsigned, token)


def _system_parameter(table: Mapping[int, bytes], tag: int) -> int:
    """A size among the system parameters, 2 or 4 octets; 0 when it is not given. Raises Refusal."""
    value = as_table(table.get(_SYSTEM, b"")).get(tag, bytes(2))
    if len(value) not in {2, 4}:
        raise Refusal(Status.WRONG_DATA, "a size of another length")
    return int.from_bytes(value, "big")
