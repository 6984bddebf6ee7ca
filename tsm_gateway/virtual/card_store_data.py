"""STORE DATA: to the security domain, or to the application chosen by INSTALL [for personalisation].

GlobalPlatform §11.11. Blocks are numbered from 00 by P2 and taken together; the one whose P1 says that it is
the last has them all done, or none of them.

| P1 bits | |
|---|---|
| 80 | the last block |
| 60 | 00: nothing in it is enciphered. Enciphered data would be secret, and a secret has no place here |
| 18 | 08: data groupings (to an application); 10: BER-TLV (to the security domain) |
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tsm_gateway.virtual.card_apdu import Answer, Command, Refusal, Status
from tsm_gateway.virtual.card_session import Collected
from tsm_gateway.virtual.card_tlv import as_table
from tsm_gateway.virtual.payment_application import personalise

if TYPE_CHECKING:
    from tsm_gateway.virtual.card_session import Running

LAST, GROUPINGS, BER = 0x80, 0x08, 0x10
_LONGEST = 1024  # octets of all blocks
_ISSUER, _URL = 0x42, 0x5F50
_ISSUER_OCTETS, _URL_OCTETS = range(1, 11), range(129)


def store_data(running: Running, command: Command) -> Answer:
    """Take one block. Raises Refusal; then those before it are forgotten, too."""
    volatile = running.volatile
    collected, volatile.collected = volatile.collected, Collected()
    structure = GROUPINGS if volatile.personalised else BER
    if command.p1 & ~LAST != structure:
        raise Refusal(Status.WRONG_P1P2, f"P1 {command.p1:02X}: another structure, or enciphered")
    if command.p2 != collected.blocks:
        raise Refusal(Status.WRONG_P1P2, f"block {command.p2:02X}, and not {collected.blocks:02X}")
    octets = collected.octets + command.data
    if len(octets) > _LONGEST:
        raise Refusal(Status.NO_MEMORY, "too much to store")
    if not command.p1 & LAST:
        volatile.collected = Collected(collected.blocks + 1, octets)
        return Answer()
    if volatile.personalised:
        _personalise(running, octets)
    else:
        _store(running, octets)
    return Answer()


def _personalise(running: Running, octets: bytes) -> None:
    instance = running.state.instance(running.volatile.personalised)
    if instance is None or not instance.is_selectable:
        raise Refusal(Status.NOT_NOW, "the application is gone or locked")
    running.state = running.state.with_instance(replace(instance, parameters=personalise(octets)))
    running.volatile.personalised = b""


def _store(running: Running, octets: bytes) -> None:
    table = as_table(octets)
    if not table or not set(table) <= {_ISSUER, _URL}:
        raise Refusal(Status.NOT_REFERENCED, "the security domain keeps 42 and 5F50, and nothing else")
    state = running.state
    issuer, url = table.get(_ISSUER, state.issuer), table.get(_URL, state.manager_url)
    if (_ISSUER in table and len(issuer) not in _ISSUER_OCTETS) or len(url) not in _URL_OCTETS:
        raise Refusal(Status.WRONG_DATA, "an object of another length")
    running.state = replace(state, issuer=issuer, manager_url=url)
