"""One step, one transaction: what breaks in between leaves nothing, and trying again does the step."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.store.provisioning_samples import (
    OVERLAP_S,
    UNUSED,
    activated,
    arrival,
    control,
    enrolment,
    keyed,
    kid_of,
    newcomer,
    order,
    package,
    pending,
    registered,
    registration,
    stage_key,
    standing,
)
from tests.store.samples import NOW, device_id, open_store, payments
from tsm_gateway.registry.audit import DONE, AuditEntry
from tsm_gateway.registry.control import ControlState
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.errors import SecureElementTaken
from tsm_gateway.registry.suspension import SuspensionKind
from tsm_gateway.relay.interfaces import Batch, StoreBusy, StoreConflict
from tsm_gateway.store.schema_base import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore

    Step = Callable[[SqliteStore], object]


def enrol_and_key(store: SqliteStore) -> None:
    store.provisioning.enrol(newcomer(11), enrolment(11))
    stage_key(store, 11)


def deliver_by_air(store: SqliteStore) -> None:
    store.provisioning.deliver(pending(10, 3), UNUSED, package(10, 3), control(10, 3), at=NOW)


NOTE = AuditEntry(NOW, "somebody", "pki.renew", "store", DONE, "", ())
LATER = NOW + 5
STEPS: dict[str, Step] = {
    "enrol": enrol_and_key,
    "renew": lambda store: store.provisioning.renew(
        device_id(10), certificate=b"new", enrolment=enrolment(issuer="b"), at=LATER
    ),
    "deliver": deliver_by_air,
    "forget_elements": lambda store: store.provisioning.forget_elements(device_id(10), reason="", at=LATER),
    "register": lambda store: store.provisioning.register(registration(10, 2), overlap_s=OVERLAP_S, at=LATER),
    "confirm": lambda store: store.provisioning.confirm(kid_of(10, 2), overlap_s=OVERLAP_S, at=LATER),
    "order": lambda store: store.provisioning.order(order(reason="other")),
    "move_control": lambda store: store.provisioning.move_control(
        control(10, 2).message_id, ControlState.SENT, attempts=1, due_at=0, reason="", at=LATER
    ),
    "suspend": lambda store: store.provisioning.suspend(
        device_id(10), SuspensionKind.LOST, proof_wanted=True, reason="", at=LATER
    ),
    "change_number": lambda store: store.provisioning.change_number(
        device_id(10), "+491", reason="", at=LATER
    ),
    "terminate": lambda store: store.provisioning.terminate(device_id(10), reason="", at=LATER),
    "replace": lambda store: store.provisioning.replace(device_id(10), device_id(1), reason="", at=LATER),
    "note": lambda store: store.provisioning.note(NOTE),
}


@pytest.fixture
def prepared(folder: Path) -> Path:
    """A store with an active device that waits for a second key."""
    store = open_store(folder)
    activated(store)
    store.provisioning.order(order())
    store.provisioning.deliver(pending(10, 2), UNUSED, package(10, 2), control(10, 2), at=NOW)
    store.provisioning.order(order())
    store.stage(Batch(controls=[arrival(10, 2)]))
    store.flush()
    store.close()
    return folder


def content(folder: Path) -> dict[str, list[Any]]:
    """Every row of every table but the store's own counters."""
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        return {
            table.name: connection.execute(f"SELECT * FROM {table.name}").fetchall()  # noqa: S608 - ours
            for table in metadata.sorted_tables
            if table.name != "meta"
        }


class Faulty:
    """A cursor whose n-th statement fails, as a disk or a lock makes it fail."""

    def __init__(self, cursor: sqlite3.Cursor, nth: int) -> None:
        self._cursor, self.left = cursor, nth

    def execute(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        self._count()
        return self._cursor.execute(sql, values)

    def executemany(self, sql: str, values: Sequence[Sequence[object]]) -> sqlite3.Cursor:
        self._count()
        return self._cursor.executemany(sql, values)

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = 5
            error.sqlite_errorname = "SQLITE_BUSY"
            raise error


def failing_at_every_statement(store: SqliteStore, step: Step) -> Iterator[int]:
    """Run a step again and again, each time one statement further, until it comes to its end."""
    writer, real = store._writer, store._writer._cursor
    for nth in range(1, 200):
        faulty = Faulty(real, nth)
        writer._cursor = faulty  # type: ignore[assignment]
        try:
            step(store)
        except StoreBusy:
            yield nth
        else:
            assert faulty.left > 0
            return
        finally:
            writer._cursor = real
    pytest.fail("a step without an end")


@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_breaks_at_any_statement_leaves_nothing(prepared: Path, name: str) -> None:
    before = content(prepared)
    store = open_store(prepared)
    broken = 0
    for _ in failing_at_every_statement(store, STEPS[name]):
        broken += 1
        store.flush()
        assert content(prepared) == before
    assert broken >= 3
    store.flush()
    assert content(prepared) != before
    assert store.check() == []
    store.close()


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("durable", [False, True])
def test_a_process_that_is_killed_leaves_the_whole_step_or_nothing(
    prepared: Path, name: str, *, durable: bool
) -> None:
    before = content(prepared)
    child = os.fork()
    if not child:
        try:
            store = open_store(prepared)
            STEPS[name](store)
            if durable:
                store.flush()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    store = open_store(prepared)
    assert (content(prepared) != before) is durable
    if not durable:
        STEPS[name](store)
        store.flush()
    assert store.check() == []
    store.close()


def test_a_refusal_takes_the_rest_of_its_transaction_with_it(prepared: Path) -> None:
    store = open_store(prepared)
    keyed(store, 11)
    before = content(prepared)
    store.provisioning.order(order(11))
    with pytest.raises(SecureElementTaken):
        store.provisioning.register(
            registration(11, crypto_se=registration(10).crypto_se), overlap_s=0, at=NOW
        )
    store.flush()
    assert content(prepared) == before
    store.close()


def test_steps_and_payments_share_a_transaction(prepared: Path) -> None:
    store = open_store(prepared)
    store.stage(payments([1]))
    enrol_and_key(store)
    generation = store.generation
    store.flush()
    assert store.generation == generation + 1
    store.stage(payments([2]))
    with pytest.raises(StoreConflict):
        store.stage(payments([1], before=1))
    store.flush()
    assert store.provisioning.providers_of(device_id(1)) == [("bank", 1, NOW)]
    assert standing(store, 11).device.state is DeviceState.KEYED
    store.close()


def test_a_step_that_failed_tells_the_relay_nothing(folder: Path) -> None:
    store = open_store(folder)
    registered(store)
    keyed(store, 11)
    before = store.registry.versions()
    store.provisioning.change_number(device_id(1), "+491", reason="", at=NOW)
    with pytest.raises(SecureElementTaken):
        store.provisioning.register(registration(11, app_se=registration(10).app_se), overlap_s=0, at=NOW)
    store.provisioning.note(NOTE)
    store.flush()
    assert store.registry.versions() == before
    store.close()
