"""Conversations with a card on paper, for the tests of conversation and programs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from tests.provisioning.paper_card import SD_AID, PaperCard, carry
from tsm_gateway.provisioning.card_keys import KeySet
from tsm_gateway.provisioning.conversation import Conversation
from tsm_gateway.provisioning.delivery_events import Event, Finished, Script, Store, Turn
from tsm_gateway.provisioning.install_program import Installation, install
from tsm_gateway.provisioning.live_secrets import NO_SECRETS, LiveSecrets
from tsm_gateway.provisioning.load_file import LoadFile
from tsm_gateway.provisioning.parameters import Parameters
from tsm_gateway.provisioning.script_program import Task
from tsm_gateway.registry.card import Card
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PACKAGE, APPLET = b"\xa0\x00\x00\x09\x51\x01", b"\xa0\x00\x00\x09\x51\x01\x01"
PARAMETERS = Parameters("sp:shop", "+4930123456", 16500, 50000, 978)
JOB = b"\x00" * 7 + b"\x01"

PaperKeys = tuple[bytes, bytes, bytes]


def paper_keys(kvn: int, length: int = 16) -> PaperKeys:
    one, two, three = (hashlib.sha256(bytes([kvn, purpose])).digest()[:length] for purpose in (1, 2, 3))
    return one, two, three


def key_set(kvn: int, keys: PaperKeys | None = None) -> KeySet:
    return KeySet(kvn, *map(Secret, keys or paper_keys(kvn)))


def load_file(size: int = 1000, aid: bytes = PACKAGE) -> LoadFile:
    return LoadFile(
        b"".join(hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(size // 32 + 1))[:size], aid
    )


def order(size: int = 1000, **changed: object) -> Installation:
    whole = Installation(load_file(size), b"\x5a" * 64, APPLET, APPLET, PARAMETERS)
    return whole._replace(**changed)  # type: ignore[arg-type]


def installing(size: int = 1000, *, job_id: bytes = JOB, **changed: object) -> Task:
    return Task(job_id, install(order(size, **changed)))


class Chance:
    """Octets that differ each time and are the same in each run."""

    def __init__(self) -> None:
        self.drawn: list[bytes] = []

    def __call__(self, octets: int) -> bytes:
        self.drawn.append(hashlib.shake_128(bytes([len(self.drawn)])).digest(octets))
        return self.drawn[-1]


class Talk(NamedTuple):
    """A whole conversation."""

    events: list[Event]
    scripts: list[tuple[bytes, ...]]
    stored: list[KeySet]
    last: Finished


def conversation(
    tasks: Sequence[Task],
    *,
    keys: Sequence[KeySet] = (),
    secrets: LiveSecrets = NO_SECRETS,
    script_commands: int = 16,
    i: int = 0x70,
    fresh: Callable[[int], bytes] | None = None,
    receipt_key: Secret | None = None,
) -> Conversation:
    card = Card(b"\x5e" * 16, SD_AID, i, "issuer", b"", 0)
    return Conversation(
        card,
        keys or [key_set(0x30)],
        tasks,
        secrets if callable(secrets) else lambda: secrets,
        receipt_key=receipt_key,
        script_commands=script_commands,
        fresh=fresh or Chance(),
    )


def run(
    talk: Conversation,
    card: PaperCard,
    meddle: Callable[[int, list[bytes]], list[bytes]] = lambda _, answers: answers,
) -> Talk:
    """Carry scripts to and fro until the end; `meddle` changes what is brought back for the n-th script."""
    events: list[Event] = []
    scripts: list[tuple[bytes, ...]] = []
    stored: list[KeySet] = []
    turn: Turn = talk.begin()
    while True:
        events += talk.events()
        if isinstance(turn, Finished):
            return Talk(events, scripts, stored, turn)
        if isinstance(turn, Store):
            stored.append(turn.keys)
            turn = talk.stored()
            continue
        assert isinstance(turn, Script)
        assert len(scripts) < 200
        scripts.append(turn.commands)
        turn = talk.answer(meddle(len(scripts) - 1, carry(card, turn.commands)))
