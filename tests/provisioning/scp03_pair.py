"""A host's session and a card at its other end, for the tests of SCP03."""

from __future__ import annotations

from typing import Any

import pytest

from tests.provisioning.gp_card import Card
from tsm_gateway.provisioning.apdu import Command, read_response
from tsm_gateway.provisioning.card_errors import SessionOver
from tsm_gateway.provisioning.card_keys import KeySet
from tsm_gateway.provisioning.scp03 import SecurityLevel, Session, open_session
from tsm_gateway.secret import Secret

LEVELS = [SecurityLevel(level) for level in (0x01, 0x03, 0x11, 0x13, 0x33)]
WITH_R_MAC = [level for level in LEVELS if level & SecurityLevel.R_MAC]
MODES = [0x60, 0x61, 0x70, 0x71]
OK = b"\x90\x00"
GET_STATUS = Command(0x80, 0xF2, 0x40, 0x02, b"\x4f\x00", 256)
NO_DATA = Command(0x80, 0xCA, 0x00, 0x66, le=256)


class Pair:
    """An open session and the card at its other end."""

    def __init__(
        self, i: int = 0x70, level: SecurityLevel = SecurityLevel.L33, length: int = 16, **told: Any
    ) -> None:
        enc, mac = bytes(range(length)), bytes(range(100, 100 + length))
        self.keys = KeySet(0x30, Secret(enc), Secret(mac), Secret(mac))
        self.card = Card(enc, mac, i=i)
        self.host_challenge = bytes(range(1, 1 + self.card.size))
        random = None if i & 0x10 else bytes(range(50, 50 + self.card.size))
        self.greeting = self.card.greet(self.host_challenge, random=random)
        self.session, command = self.open(self.greeting, level, **told)
        self.confirmation = self.card.authenticate(command.encode())

    def open(
        self, greeting: bytes, level: SecurityLevel = SecurityLevel.L33, **told: Any
    ) -> tuple[Session, Command]:
        told = {"sd_aid": self.card.sd_aid, **told}
        return open_session(self.keys, self.host_challenge, read_response(greeting), level=level, **told)

    def confirmed(self) -> Pair:
        self.session.unwrap(self.confirmation)
        return self

    def send(self, command: Command, answer: bytes = b"", sw: bytes = OK) -> bytes:
        """The card's octets for one command."""
        assert self.card.take(self.session.wrap(command).encode()) == command.data
        return self.card.answer(answer, sw)


def flipped(octets: bytes, bit: int) -> bytes:
    changed = bytearray(octets)
    changed[bit // 8] ^= 0x80 >> bit % 8
    return bytes(changed)


def ended(session: Session) -> None:
    assert session.over
    assert session.awaited == 0
    with pytest.raises(SessionOver):
        session.wrap(NO_DATA)
    with pytest.raises(SessionOver):
        session.unwrap(OK)
