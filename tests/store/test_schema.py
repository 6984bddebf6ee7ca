"""The schema: written twice, in words for people and in steps for files; both must say the same."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateIndex, CreateTable

from tests.store.samples import open_store, payments
from tsm_gateway.relay.interfaces import StoreBroken
from tsm_gateway.relay.states import MessageState
from tsm_gateway.store import migrate_store, schema, schema_delivery, schema_provisioning
from tsm_gateway.store import open_store as opening
from tsm_gateway.store.audit_triggers import TRIGGERS
from tsm_gateway.store.failures import SchemaNewer, StoreLocked
from tsm_gateway.store.schema_base import metadata

if TYPE_CHECKING:
    from pathlib import Path

OURS = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%' AND name NOT LIKE 'sqlite%'"
NEXT = '''"""A change that adds a column."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("device", sa.Column("note", sa.Text(), server_default="new"))
    {then}
'''


def tables_of(connection: sqlite3.Connection) -> dict[str, str]:
    return {name: " ".join((sql or "").split()) for name, sql in connection.execute(OURS)}


def revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_the_migrations_make_the_schema_that_is_described(folder: Path) -> None:
    described = sqlite3.connect(":memory:")
    metadata.create_all(create_engine("sqlite://", creator=lambda: described, poolclass=StaticPool))
    for trigger in TRIGGERS.values():
        described.execute(trigger)
    with closing(sqlite3.connect(folder / "gateway.db")) as made:
        assert tables_of(made) == tables_of(described)
    described.close()


def test_the_last_migration_is_this_releases_schema() -> None:
    assert ScriptDirectory(migrate_store.MIGRATIONS).get_current_head() == migrate_store.HEAD


def test_every_table_is_described_in_one_of_three_places() -> None:
    described = {name for module in (schema, schema_provisioning, schema_delivery) for name in vars(module)}
    assert {table.name for table in metadata.sorted_tables} <= described


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_the_schema_can_be_said_to_postgresql(table: object) -> None:
    dialect = postgresql.dialect()
    text = str(CreateTable(table).compile(dialect=dialect))  # type: ignore[arg-type]
    indices = [str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes]  # type: ignore[attr-defined]
    assert "ROWID" not in text
    partial = ("due", "overlap", "age", "waiting", "open", "closed")
    assert all(("WHERE" in index) == any(f"_{name} " in index for name in partial) for index in indices)


# --- upgrades ---


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release with one more migration; its file, to be written."""
    scripts = shutil.copytree(migrate_store.MIGRATIONS, tmp_path / "migrations")
    monkeypatch.setattr(migrate_store, "MIGRATIONS", scripts)
    for module in (migrate_store, opening):
        monkeypatch.setattr(module, "HEAD", "0004")
    file = scripts / "versions" / "0004_note.py"
    file.write_text(NEXT.format(then="pass"))
    return file


@pytest.mark.usefixtures("newer")
def test_an_older_store_is_copied_and_brought_up_to_date(folder: Path) -> None:
    store = open_store(folder)
    store.stage(payments([1]))
    store.flush()
    assert store.queue.counts() == {MessageState.QUEUED: 1}
    store.close()
    assert (revision(folder / "gateway.db"), revision(folder / "gateway.db.before-0003")) == ("0004", "0003")
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        assert connection.execute("SELECT DISTINCT note FROM device").fetchall() == [("new",)]
    assert (folder / "gateway.db.before-0003").stat().st_mode & 0o777 == 0o600
    assert not list(folder.glob("*.new"))
    open_store(folder).close()


@pytest.mark.parametrize("then", ["op.execute('nonsense')", "raise RuntimeError('half way')"])
def test_an_upgrade_that_fails_changes_nothing(folder: Path, newer: Path, then: str) -> None:
    newer.write_text(NEXT.format(then=then))
    before = (folder / "gateway.db").read_bytes()
    with pytest.raises((StoreBroken, RuntimeError)):
        open_store(folder)
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        assert "note" not in tables_of(connection)["device"]
    assert revision(folder / "gateway.db") == "0003"
    assert len((folder / "gateway.db").read_bytes()) == len(before)


def test_nobody_upgrades_under_a_running_daemon(folder: Path, request: pytest.FixtureRequest) -> None:
    daemon = open_store(folder)
    request.getfixturevalue("newer")
    with pytest.raises(StoreLocked):
        open_store(folder, exclusive=False)
    daemon.close()
    assert revision(folder / "gateway.db") == "0003"


def test_a_newer_store_is_refused_naming_both(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as newest:
        scripts = shutil.copytree(migrate_store.MIGRATIONS, folder / "migrations")
        (scripts / "versions" / "0004_note.py").write_text(NEXT.format(then="pass"))
        newest.setattr(migrate_store, "MIGRATIONS", scripts)
        for module in (migrate_store, opening):
            newest.setattr(module, "HEAD", "0004")
        open_store(folder).close()
    with pytest.raises(SchemaNewer) as caught:
        open_store(folder)
    assert (caught.value.facts["found"], caught.value.facts["known"]) == ("0004", "0003")
