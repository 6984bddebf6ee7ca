"""A program that lives off a store: it tells on stdout what was made durable, line by line, after the flush.

    python -m tests.store.writer FOLDER ACKS [--count N] [--lives] [--loose]

FOLDER is a populated store (samples.populate); ACKS a file that gets one octet-exact line per fact
("accepted 7"), written without a buffer, or "-" for stdout. Payments are numbered on from what the store
already holds. Exit status: 0 done, 70 and up by the error that ended it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.store.samples import NOW, message_id, open_store, payments, receipt, submitted
from tsm_gateway.errors import TsmError
from tsm_gateway.relay.interfaces import Batch, StoreBroken, StoreFull, Transition
from tsm_gateway.relay.states import MessageState, Move
from tsm_gateway.store import connection_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.store.sqlite_store import SqliteStore

EXITS: dict[type[TsmError], int] = {StoreBroken: 74, StoreFull: 75}  # ours, after sysexits.h
LATER_TRIES = 50
PER_BATCH = 3


def work(store: SqliteStore, tell: Callable[[str], None], *, count: int, lives: bool) -> None:
    """Accept `count` payments in small batches; with `lives` also hand every other batch over."""
    first = next_number(store)
    for start in range(first, first + count, PER_BATCH):
        numbers = range(start, min(start + PER_BATCH, first + count))
        store.stage(payments(numbers, receipt=True, state=MessageState.ACTIVE))
        store.flush()
        tell_all(tell, "accepted", numbers)
        if lives and start % 2:
            parts = [submitted(number, 1, 1, f"{number:x}") for number in numbers]
            done = [Transition(message_id(number), Move.HAND_OVER, NOW) for number in numbers]
            store.stage(Batch(submitted=parts, transitions=done))
            store.flush()
            tell_all(tell, "handed_over", numbers)
            store.stage(Batch(receipts=[receipt(f"{number:x}") for number in numbers]))
            store.flush()
            tell_all(tell, "delivered", numbers)
        store.mark()


def next_number(store: SqliteStore) -> int:
    """One more than the last payment that the store has."""
    window = store.registry.window_of((1).to_bytes(4, "big"))
    assert window is not None
    return window[0] + 1


def tell_all(tell: Callable[[str], None], what: str, numbers: range) -> None:
    for number in numbers:
        tell(f"{what} {number}")


def teller(descriptor: int) -> Callable[[str], None]:
    """Write lines without a buffer, each at once."""

    def tell(line: str) -> None:
        os.write(descriptor, line.encode() + b"\n")

    return tell


def keep_trying(store: SqliteStore, tell: Callable[[str], None]) -> None:
    """After a failure: whatever succeeds now would be acknowledged although nobody can trust it."""
    for _ in range(LATER_TRIES):
        try:
            work(store, tell, count=PER_BATCH, lives=False)
        except TsmError:
            continue


def loosen() -> None:
    """The setting that everybody recommends and that loses what was acknowledged: a negative control."""
    strict = connection_store.WRITING
    loose = tuple(pragma.replace("synchronous = FULL", "synchronous = NORMAL") for pragma in strict)
    assert loose != strict
    vars(connection_store)["WRITING"] = loose


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("acks")
    parser.add_argument("--count", type=int, default=10**9)
    parser.add_argument("--lives", action="store_true")
    parser.add_argument("--loose", action="store_true")
    options = parser.parse_args()
    if options.loose:
        loosen()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    descriptor = 1 if options.acks == "-" else os.open(options.acks, flags, 0o600)
    tell = teller(descriptor)
    try:
        store = open_store(options.folder)
    except TsmError as error:
        tell(f"refused {error.code}")
        return EXITS.get(type(error), 70)
    tell("ready")
    try:
        work(store, tell, count=options.count, lives=options.lives)
    except TsmError as error:
        tell(f"failed {error.code}")
        keep_trying(store, tell)
        store.close()
        return EXITS.get(type(error), 70)
    store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
