"""Judge a store against what was acknowledged: an independent reading of both."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.store.samples import acceptance, message_id, open_store, payments
from tsm_gateway.relay.interfaces import StoreConflict

if TYPE_CHECKING:
    from pathlib import Path

REACHED = {"accepted": 0, "handed_over": 1, "delivered": 2}
STATES = {"active": 0, "queued": 0, "handed_over": 1, "delivered": 2}


class History(NamedTuple):
    """What was told, by kind."""

    facts: dict[str, set[int]]
    failures: list[str]  # "failed CODE", "refused CODE" in order
    after_failure: list[str]  # facts told after the first failure

    @classmethod
    def read(cls, text: str) -> History:
        history = cls(defaultdict(set), [], [])
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            if word in {"failed", "refused"}:
                history.failures.append(line)
            elif word in REACHED:
                history.facts[word].add(int(rest))
                if history.failures:
                    history.after_failure.append(line)
        return history

    @property
    def accepted(self) -> set[int]:
        return self.facts["accepted"]


def lost_of(history: History, database: Path) -> list[str]:
    """The facts that the database does not know, read without any code of the store."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        states = {
            int.from_bytes(row[0], "big"): STATES[row[1]]
            for row in connection.execute("SELECT message_id, state FROM message")
        }
    return [
        f"{what} {number}"
        for what, numbers in history.facts.items()
        for number in numbers
        if states.get(number, -1) < REACHED[what]
    ]


def assert_kept(history: History, folder: Path, replays: int = 20) -> None:
    """Nothing acknowledged is lost, nothing in the store is wrong, nothing accepted is accepted again."""
    assert lost_of(history, folder / "gateway.db") == []
    store = open_store(folder)
    try:
        assert store.check() == []
        for number in sorted(history.accepted)[-replays:]:
            with pytest.raises(StoreConflict):
                store.stage(payments([number]))
        packets = {
            outgoing.message_id: outgoing.packet
            for outgoing in (store.recover(0), store.claim_due(0, 10**6, ["bank"]))[1]
        }
        for number in history.accepted - history.facts["handed_over"]:
            # What was handed over but not told may be gone from the outbox; what is there is unchanged.
            if message_id(number) in packets:
                assert packets[message_id(number)] == acceptance(number).packet
        store.flush()
    finally:
        store.close()
