"""A store of the release before, with data in it, becomes one that cannot be told from a new one."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.store.provisioning_samples import key_states, keyed, registration, standing, state_of
from tests.store.samples import (
    FIRST_WINDOW,
    NOW,
    PROVIDER_KID,
    device,
    device_id,
    device_key,
    kid,
    open_store,
    payments,
    provider,
    provider_key,
)
from tests.store.test_schema import revision, tables_of
from tsm_gateway.registry.device import DeviceMove, DeviceState, KeyState
from tsm_gateway.relay.interfaces import StoreBroken
from tsm_gateway.store import migrate_store
from tsm_gateway.store.audit_triggers import TRIGGERS
from tsm_gateway.store.checksum import counter_crc
from tsm_gateway.store.registry_rows import StoredKey, device_row, key_row, provider_row, window_row
from tsm_gateway.store.registry_statements import (
    INSERT_ADDRESS,
    INSERT_COUNTER,
    INSERT_DEVICE,
    INSERT_KEY,
    INSERT_PROVIDER,
    INSERT_WINDOW,
)

if TYPE_CHECKING:
    from pathlib import Path

DEVICES = 300


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """A store as the release before left it, one of its devices suspended."""
    folder = tmp_path / "former"
    folder.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as before:
        before.setattr(migrate_store, "HEAD", "0001")
        migrate_store.create(folder / "gateway.db")
    with closing(sqlite3.connect(folder / "gateway.db")) as connection, connection:
        fill(connection)
    return folder


def fill(connection: sqlite3.Connection) -> None:
    for number in range(1, DEVICES + 1):
        state = DeviceState.SUSPENDED if number == 2 else DeviceState.ACTIVE
        connection.execute(INSERT_DEVICE, device_row(device(number, state=state)))
        key = StoredKey(device_key(number), of_device=True, accepted_until=None)
        connection.execute(INSERT_KEY, key_row(key))
        connection.execute(INSERT_WINDOW, window_row(kid(number), FIRST_WINDOW))
    connection.execute(INSERT_PROVIDER, provider_row(provider()))
    for position, address in enumerate(provider().addresses):
        connection.execute(INSERT_ADDRESS, (address, "bank", position))
    sealing = StoredKey(provider_key(), of_device=False, accepted_until=None)
    connection.execute(INSERT_KEY, key_row(sealing))
    connection.execute(INSERT_COUNTER, (PROVIDER_KID, 1, counter_crc(PROVIDER_KID, 1)))


def schema_of(folder: Path) -> dict[str, str]:
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        return tables_of(connection)


def test_a_migrated_store_has_the_schema_of_a_new_one(former: Path, folder: Path) -> None:
    assert "audit" not in schema_of(former)
    open_store(former).close()
    assert schema_of(former) == schema_of(folder)
    assert revision(former / "gateway.db") == migrate_store.HEAD
    assert revision(former / "gateway.db.before-0001") == "0001"
    assert set(TRIGGERS) <= set(schema_of(former))


def test_a_migrated_store_keeps_what_it_had_and_takes_what_is_new(former: Path) -> None:
    store = open_store(former)
    assert store.check() == []
    assert len(store.registry.devices()) == DEVICES
    assert standing(store, 1).keys == (device_key(1),)
    store.stage(payments([1]))
    keyed(store, 5_000)
    store.provisioning.register(registration(1, kid=kid(1)), overlap_s=0, at=NOW)
    store.flush()
    assert key_states(store, 5_000) == {1: KeyState.PENDING}
    assert store.provisioning.audit_head()[0] == 3
    assert store.check() == []
    store.close()


def test_a_device_suspended_before_resumes_to_where_it_was(former: Path) -> None:
    store = open_store(former)
    store.provisioning.resume(device_id(2), reason="", at=NOW)
    store.flush()
    assert state_of(store, 2) is DeviceState.ACTIVE
    store.registry.move_device(device_id(2), DeviceMove.SUSPEND, reason="", at=NOW)
    store.close()


def test_all_old_keys_are_found_by_age(former: Path) -> None:
    store = open_store(former)
    assert len(store.provisioning.overdue_keys(created_before=NOW + 1, packets=0)) == DEVICES - 1
    store.close()


def test_a_migration_that_breaks_off_leaves_the_former_store(
    former: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = shutil.copytree(migrate_store.MIGRATIONS, tmp_path / "migrations")
    file = scripts / "versions" / "0002_provisioning.py"
    file.write_text(file.read_text().replace("BEFORE {when}", "BEFORE nonsense {when}"))
    monkeypatch.setattr(migrate_store, "MIGRATIONS", scripts)
    with pytest.raises(StoreBroken):
        open_store(former)
    assert "audit" not in schema_of(former)
    monkeypatch.undo()
    open_store(former).close()
    assert "audit" in schema_of(former)
