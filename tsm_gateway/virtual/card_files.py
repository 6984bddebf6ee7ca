"""A virtual card on disk: a private file, replaced whole at every change, and one process at a time.

The file is what the card keeps without power. A process that dies in the middle of a command leaves the card
before it or after it, as a power cut does.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tsm_gateway.virtual.card import Card
from tsm_gateway.virtual.card_json import card_as_json, card_from_json
from tsm_gateway.virtual.errors import PartyFileInvalid
from tsm_gateway.virtual.private_files import write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tsm_gateway.virtual.card import Moment
    from tsm_gateway.virtual.card_state import CardState

_PRIVATE = 0o600


def read_card(path: Path) -> CardState:
    """The card in the file at `path`. Raises PartyFileInvalid, OSError."""
    try:
        fields: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise PartyFileInvalid(what="not JSON", file=path.name) from None
    return card_from_json(fields)


def write_card(path: Path, state: CardState) -> None:
    """Put the card at `path`: 0600, whole or not at all, on the disk when this returns. Raises OSError."""
    write_private(path, (json.dumps(card_as_json(state), indent=2) + "\n").encode())


@contextmanager
def open_card(
    path: Path,
    *,
    tear: Callable[[Moment, bytes], bool] = lambda _moment, _apdu: False,
    pause: Callable[[float], object] = lambda _: None,
) -> Iterator[Card]:
    """The card in the file at `path`, with power; what it keeps is on the disk before it answers.

    Raises PartyFileInvalid, for a card that another process holds, too; OSError.
    """
    lock = path.with_name(f".{path.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield Card(read_card(path), keep=lambda state: write_card(path, state), tear=tear, pause=pause)
    except BlockingIOError:
        raise PartyFileInvalid(what="another process holds this card", file=path.name) from None
    finally:
        os.close(descriptor)
