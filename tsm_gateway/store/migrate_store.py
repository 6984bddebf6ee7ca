"""Create the database, or bring it to this release's schema; refuse what is newer or not ours.

| file | at open |
|---|---|
| none | made under a temporary name, renamed when complete |
| this release's schema | opened |
| an older schema | copied to `NAME.before-REVISION`, then changed in one transaction |
| a newer schema | SchemaNewer: an older release would not keep what the newer one promised |
| not a database, or without our tables | StoreUnreadable |
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tsm_gateway.store.failures import SchemaNewer, StoreUnreadable, translate
from tsm_gateway.store.files_store import make_private, put_in_place
from tsm_gateway.store.registry_statements import INSERT_META

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEAD: Final = "0003"  # the schema this release reads and writes
MIGRATIONS: Final = Path(__file__).parent / "migrations"
STORE_ID_OCTETS: Final = 16


def create(path: Path) -> None:
    """Make an empty store. Raises StoreFull or StoreBroken; nothing stands under `path` then."""
    new = path.with_name(path.name + ".new")
    make_private(new)
    migrate(new)
    with closing(sqlite3.connect(new)) as connection, connection:
        connection.execute(INSERT_META, (os.urandom(STORE_ID_OCTETS),))
    put_in_place(new, path)


def revision_of(connection: sqlite3.Connection, path: Path) -> str:
    """Which schema a database has. Raises StoreUnreadable when it says none or several."""
    found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    if len(found) != 1:
        raise StoreUnreadable(path=str(path), why="no store of this gateway")
    return str(found[0][0])


def bring_up_to_date(path: Path, found: str) -> None:
    """Upgrade the schema `found`, a copy first. Raises SchemaNewer, StoreFull, StoreBusy, StoreBroken."""
    if not _is_older(found):
        raise SchemaNewer(path=str(path), found=found, known=HEAD)
    copy_database(path, path.with_name(f"{path.name}.before-{found}"))
    migrate(path)


def _is_older(revision: str) -> bool:
    """Whether a migration of ours starts from `revision`; what we do not know is newer."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - half a second, at upgrades only

    return any(script.down_revision == revision for script in ScriptDirectory(MIGRATIONS).walk_revisions())


def copy_database(source: Path, target: Path, stamp: str = "") -> None:
    """Copy a database in use to `target`, private and complete or not there at all.

    `stamp` is a statement run on the copy. Raises StoreFull, StoreBusy or StoreBroken.
    """
    new = target.with_name(target.name + ".new")
    make_private(new)
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(new, isolation_level=None)) as copy,
        ):
            old.backup(copy)  # in one step: a snapshot, however busy the writer is
            copy.execute("PRAGMA journal_mode = DELETE")  # one file
            if stamp:
                copy.execute(stamp)
    except sqlite3.Error as error:
        new.unlink(missing_ok=True)
        raise translate(error) from error
    put_in_place(new, target)


def migrate(path: Path) -> None:
    """Run alembic's migrations up to HEAD in one transaction. Raises as `bring_up_to_date`."""
    # Half a second to import, and needed only by a new or an old store.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import create_engine, event  # noqa: PLC0415
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None)

    def begin(connection: Connection) -> None:
        # The driver would begin at the first change of a row only, and leave tables outside.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", begin)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, HEAD)
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise translate(error.orig) from error
        raise
    finally:
        engine.dispose()
