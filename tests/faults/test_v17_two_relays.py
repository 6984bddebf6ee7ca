"""V17: two processes offered the same messages; look-then-insert accepted 667 of 300 twice in a measurement.

Two whole relays work on one store here, each with caches of its own. `tests/store/test_race.py` holds the
store alone to it; its naive writer is the control here, too.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.faults.daemon import ROOT
from tests.relay.rig import Rig
from tests.store.test_race import race
from tests.store.test_race import test_looking_before_inserting_accepts_some_twice as naive_control
from tsm_gateway.daemon.exits import Exit
from tsm_gateway.messages import Verdict
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.daemon import Daemon
    from tsm_gateway.virtual.part import Part

PAYMENTS, IN_A_BATCH = 200, 5
LEAD_S = 0.02  # in step, the same relay would come first to every batch


class Node(Rig):
    """A relay beside others: its store is not its own."""

    def open_store(self) -> SqliteStore:
        return SqliteStore.open(self.folder / "gateway.db", mark=self.folder / "epoch", exclusive=False)


def test_two_relays_accept_each_payment_once(tmp_path: Path) -> None:
    first = Rig(tmp_path, devices=4)
    payments = [first.pay(handset=first.handsets[number % 4]) for number in range(PAYMENTS)]
    first.parts.verifier.close()
    first.store.close()
    accepted = race(lambda ready: asyncio.run(offer_all(tmp_path, payments, ready)))
    assert sum(accepted) == PAYMENTS
    assert min(accepted) > 0  # they did race
    store = SqliteStore.open(tmp_path / "gateway.db", mark=tmp_path / "epoch", exclusive=True)
    try:
        assert sum(store.queue.counts().values()) == PAYMENTS
        assert store.check() == []
    finally:
        store.close()


async def offer_all(folder: Path, payments: list[list[Part]], ready: Callable[[], None]) -> int:
    """Offer every payment until it is taken; how many this relay accepted."""
    dice = random.Random(os.getpid())
    async with Node(folder) as node:
        node.bearer.hold = True  # who forwards is of no interest here
        ready()
        for at in range(0, len(payments), IN_A_BATCH):
            parts = [part for each in payments[at : at + IN_A_BATCH] for part in each]
            while set(await node.offer(parts)) != {Verdict.TAKEN}:
                pass
            await asyncio.sleep(dice.uniform(0, LEAD_S))
        assert set(node.reasons()) <= {"replay"}
        return len(node.events("payment.accepted"))


def test_the_naive_way_fails_this_test(tmp_path: Path) -> None:
    naive_control(tmp_path)


def test_a_second_daemon_on_the_same_store_does_not_start(new_daemon: Callable[..., Daemon]) -> None:
    daemon = new_daemon()
    daemon.start()
    command = [sys.executable, "-m", "tsm_gateway", "--config", str(daemon.folder / "gateway.toml"), "run"]
    second = subprocess.run(
        command, capture_output=True, timeout=30, check=False, env={"PYTHONPATH": str(ROOT)}
    )
    assert second.returncode in {Exit.FAILED, Exit.CONFLICT}
    assert b"store-locked" in second.stdout + second.stderr
    assert daemon.page("health") == b"ok\n"
