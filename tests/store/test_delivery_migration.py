"""A store of the release before the second channel, with devices in it, becomes one that has it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.store.delivery_samples import delivered, published, ready, resumes_to, stage_removal
from tests.store.provisioning_samples import state_of
from tests.store.samples import NOW, device, device_id, device_key, kid, open_store, payments
from tests.store.test_provisioning_migration import fill, schema_of
from tests.store.test_schema import revision
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.suspension import Suspension, SuspensionKind
from tsm_gateway.relay.interfaces import StoreBroken
from tsm_gateway.store import migrate_store
from tsm_gateway.store.provisioning_rows import suspension_row
from tsm_gateway.store.provisioning_statements import PUT_SUSPENSION

if TYPE_CHECKING:
    from pathlib import Path

NEW = {
    *("load_file", "application", "application_signature", "rule", "device_application"),
    *("card", "card_key", "card_inventory", "job"),
}


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """A store as the release before left it, with an audit log and a suspension."""
    folder = tmp_path / "former"
    folder.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as before:
        before.setattr(migrate_store, "HEAD", "0002")
        migrate_store.create(folder / "gateway.db")
    lost = Suspension(
        device_id(2), SuspensionKind.LOST, DeviceState.REGISTERED, proof_wanted=False, since=NOW, reason=""
    )
    with closing(sqlite3.connect(folder / "gateway.db")) as connection, connection:
        fill(connection)
        connection.execute(PUT_SUSPENSION, suspension_row(lost))
    return folder


def test_a_migrated_store_has_the_schema_of_a_new_one(former: Path, folder: Path) -> None:
    assert not NEW & set(schema_of(former))
    open_store(former).close()
    assert schema_of(former) == schema_of(folder)
    assert set(schema_of(former)) >= NEW
    assert revision(former / "gateway.db.before-0002") == "0002"
    assert not NEW & _tables(former / "gateway.db.before-0002")


def _tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def test_a_migrated_store_keeps_what_it_had_and_delivers(former: Path) -> None:
    store = open_store(former)
    assert store.check() == []
    assert store.registry.device(device_id(1)) == device(1)
    assert store.registry.key(kid(1)) == device_key(1)
    assert (state_of(store, 2), resumes_to(store, 2)) == (DeviceState.SUSPENDED, DeviceState.REGISTERED)
    store.stage(payments([1]))
    ready(store, 5_000)
    delivered(store, 5_000)
    assert state_of(store, 5_000) is DeviceState.ACTIVE
    stage_removal(store, 5_000)
    store.flush()
    assert store.check() == []
    store.close()


def test_a_migration_that_breaks_off_leaves_the_former_store(
    former: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = shutil.copytree(migrate_store.MIGRATIONS, tmp_path / "migrations")
    file = scripts / "versions" / "0003_delivery.py"
    text = file.read_text()
    assert '"ix_job_closed"' in text
    file.write_text(text.replace('"ix_job_closed"', '"ix_job_open"'))
    monkeypatch.setattr(migrate_store, "MIGRATIONS", scripts)
    with pytest.raises(StoreBroken):
        open_store(former)
    assert not NEW & set(schema_of(former))
    monkeypatch.undo()
    store = open_store(former)
    published(store)
    assert store.check() == []
    store.close()
