"""Two processes are offered the same payments: each is accepted once.

The negative control does what everybody writes first, look and then insert, and must fail this test:
otherwise the test could not tell.
"""

from __future__ import annotations

import os
import sqlite3
import traceback
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from tests.store.samples import kid, open_store, payments
from tsm_gateway.relay.interfaces import StoreBusy, StoreConflict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore

OFFERED = 300


def test_two_processes_accept_each_payment_once(folder: Path) -> None:
    accepted = race(lambda ready: offer_all(folder, ready))
    assert sum(accepted) == OFFERED
    store = open_store(folder)
    assert sum(store.queue.counts().values()) == OFFERED
    assert store.registry.window_of(kid(1)) == payments([OFFERED]).windows[0].new
    assert store.check() == []
    store.close()


def offer_all(folder: Path, ready: Callable[[], None]) -> int:
    store = open_store(folder, exclusive=False)
    ready()
    taken = sum(offer(store, number) for number in range(1, OFFERED + 1))
    store.close()
    return taken


def offer(store: SqliteStore, number: int) -> bool:
    """Accept one payment unless somebody else has; as the relay does, from the window it sees."""
    while True:
        window = store.registry.window_of(kid(1))
        if window is None or window[0] >= number:
            return False
        with suppress(StoreConflict, StoreBusy):
            store.stage(payments([number]))
            store.flush()
            return True


def test_looking_before_inserting_accepts_some_twice(tmp_path: Path) -> None:
    path = tmp_path / "naive.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE accepted (piv INTEGER)")
    assert sum(race(lambda ready: offer_naively(path, ready))) > OFFERED


def offer_naively(path: Path, ready: Callable[[], None]) -> int:
    taken = 0
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        ready()
        for number in range(OFFERED):
            known = connection.execute("SELECT 1 FROM accepted WHERE piv = ?", (number,)).fetchall()
            if not known:
                os.sched_yield()  # anything may happen here
                connection.execute("INSERT INTO accepted VALUES (?)", (number,))
                taken += 1
    return taken


def race(run: Callable[[Callable[[], None]], int]) -> list[int]:
    """Run a function in two processes at once; what each returned."""
    racers = [start(run) for _ in range(2)]
    for _, told, _ in racers:
        assert os.read(told, 1) == b"r"
    for _, _, go in racers:
        os.write(go, b"g")
    results = []
    for child, told, go in racers:
        results.append(int(os.read(told, 100)))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        os.close(told)
        os.close(go)
    return results


def start(run: Callable[[Callable[[], None]], int]) -> tuple[int, int, int]:
    told, tell = os.pipe()
    wait, go = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        os.close(wait)
        return child, told, go

    def ready() -> None:
        os.write(tell, b"r")
        os.read(wait, 1)

    try:
        os.write(tell, b"%d" % run(ready))
        os._exit(0)
    except BaseException:  # noqa: BLE001 - it must be seen before the fork ends
        traceback.print_exc()
    finally:
        os._exit(1)
