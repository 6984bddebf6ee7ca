"""INITIALIZE UPDATE and EXTERNAL AUTHENTICATE: how a session begins (Amendment D §7.1).

Whatever is wrong with an EXTERNAL AUTHENTICATE, cryptogram or C-MAC, the answer is 6300 and nothing else.
After some of them in a row, the answer comes later every time; the count survives a power cut.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tsm_gateway.virtual.card_apdu import Answer, Command, Refusal, Status
from tsm_gateway.virtual.card_scp03 import (
    PSEUDO_RANDOM,
    SecureChannel,
    challenge_length,
    is_level,
    pseudo_random,
    shake,
)

if TYPE_CHECKING:
    from tsm_gateway.virtual.card_session import Running

_SCP = 0x03
_LAST_SEQUENCE = 0xFFFFFF
_FREE_TRIES = 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0


def initialize_update(running: Running, command: Command) -> Answer:
    """Answer with diversification data, key information, challenge and cryptogram. Raises Refusal."""
    volatile, profile = running.volatile, running.state.profile
    volatile.end_session()
    if command.p2:
        raise Refusal(Status.WRONG_P1P2, "P2 of INITIALIZE UPDATE is 00")
    keys = running.state.key_set(command.p1)
    if keys is None:
        raise Refusal(Status.NOT_REFERENCED, f"no key set {command.p1:02X}")
    octets = challenge_length(profile.protocol)
    if len(command.data) != octets:
        raise Refusal(Status.WRONG_LENGTH, f"a host challenge of {len(command.data)} octets")
    counter = b""
    if profile.protocol & PSEUDO_RANDOM:
        if keys.sequence >= _LAST_SEQUENCE:
            raise Refusal(Status.NOT_NOW, "the sequence counter is at its end")
        keys = replace(keys, sequence=keys.sequence + 1)
        running.state = running.state.with_keys(keys)  # kept before it is told: no challenge comes twice
        challenge, counter = pseudo_random(keys, profile.sd_aid, octets), keys.sequence.to_bytes(3, "big")
    else:
        challenge = running.chance(octets)
    shaken = shake(keys, command.data, challenge)
    volatile.handshake = shaken
    head = profile.diversification + bytes([keys.kvn, _SCP, profile.protocol])
    return Answer(head + challenge + shaken.card_cryptogram + counter)


def external_authenticate(running: Running, command: Command) -> Answer:
    """Open the session at the security level in P1. Raises Refusal."""
    volatile, protocol = running.volatile, running.state.profile.protocol
    shaken = volatile.handshake
    volatile.end_session()  # a handshake is good for one try, and a session does not survive a second begin
    if shaken is None:
        raise Refusal(Status.NOT_NOW, "no INITIALIZE UPDATE went ahead")
    if command.p2 or not is_level(command.p1, protocol):
        raise Refusal(Status.WRONG_P1P2, f"no security level {command.p1:02X}")
    octets = challenge_length(protocol)
    if len(command.data) != 2 * octets:
        raise Refusal(Status.WRONG_LENGTH, "neither more nor less than a cryptogram and a C-MAC")
    channel = SecureChannel(shaken, octets)
    if not channel.authenticate(command):
        return _failed(running, shaken.keys.kvn)
    _count(running, shaken.keys.kvn, failures=0)
    channel.level = command.p1
    volatile.channel = channel
    return Answer()


def _failed(running: Running, kvn: int) -> Answer:
    keys = running.state.key_set(kvn)
    failures = keys.failures + 1 if keys else 0
    _count(running, kvn, failures=failures)
    if failures > _FREE_TRIES:
        running.pause(min(_FIRST_PAUSE_S * 2.0 ** (failures - _FREE_TRIES - 1), _LONGEST_PAUSE_S))
    return Answer(status=Status.NOT_VERIFIED)


def _count(running: Running, kvn: int, *, failures: int) -> None:
    keys = running.state.key_set(kvn)
    if keys is not None and keys.failures != failures:
        running.state = running.state.with_keys(replace(keys, failures=failures))
