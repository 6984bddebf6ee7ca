"""One store, two users of one group: relay and provisioning write to it in turn, nobody else may look."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.pool import NullPool

from tests.store.samples import device
from tsm_gateway.store.failures import StoreUnsafe
from tsm_gateway.store.files_store import check_directory
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RELAY, PROVISIONING, STRANGER, GROUP = 61_001, 61_002, 61_003, 61_000
UNSAFE = 9  # exit code
NEEDED = (command, ScriptDirectory, NullPool)  # imported while root still may: the child may not read them

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="changing the user takes root")


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="tsm-shared-"))
    os.chown(path, RELAY, GROUP)
    path.chmod(0o2770)
    yield path
    shutil.rmtree(path)


def start_as(uid: int, gid: int, act: Callable[[], None]) -> int:
    """Run `act` in a child as that user; the child's id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.umask(0o077)  # as the daemons set it
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        act()
        code = 0
    except StoreUnsafe:
        code = UNSAFE
    except BaseException:  # noqa: BLE001 - a child must not go on as pytest
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """How a child ended: 0 done, 1 raised, UNSAFE refused as unsafe."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def as_user(uid: int, gid: int, act: Callable[[], None]) -> int:
    return ended(start_as(uid, gid, act))


def adds(folder: Path, number: int) -> Callable[[], None]:
    def act() -> None:
        store = SqliteStore.open(folder / "gateway.db", mark=folder / "epoch", exclusive=False)
        store.registry.add_device(device(number))
        store.mark()
        store.close()

    return act


def test_two_users_of_the_group_write_in_turn(folder: Path) -> None:
    for number, user in enumerate([RELAY, PROVISIONING, RELAY, PROVISIONING], start=1):
        assert as_user(user, GROUP, adds(folder, number)) == 0, number
    with sqlite3.connect(folder / "gateway.db") as connection:
        assert connection.execute("SELECT count(*) FROM device").fetchone() == (4,)
    connection.close()


def test_one_holds_the_store_open_while_the_other_writes(folder: Path) -> None:
    opened, written = os.pipe(), os.pipe()

    def hold() -> None:
        store = SqliteStore.open(folder / "gateway.db", mark=folder / "epoch", exclusive=True)
        store.registry.add_device(device(1))
        os.write(opened[1], b".")
        os.read(written[0], 1)
        found = store.registry.device(device(2).device_id)
        assert found == device(2)
        store.registry.add_device(device(3))
        store.close()

    def write_beside() -> None:
        os.read(opened[0], 1)
        try:
            adds(folder, 2)()
        finally:
            os.write(written[1], b".")

    holder = start_as(RELAY, GROUP, hold)
    writer = start_as(PROVISIONING, GROUP, write_beside)
    assert (ended(writer), ended(holder)) == (0, 0)


def test_files_are_the_groups_and_nobody_elses(folder: Path) -> None:
    assert as_user(PROVISIONING, GROUP, adds(folder, 1)) == 0
    for path in folder.iterdir():
        found = path.stat()
        assert (found.st_gid, found.st_mode & 0o777) == (GROUP, 0o660), path.name


def test_a_user_outside_the_group_is_told_so(folder: Path) -> None:
    assert as_user(RELAY, GROUP, adds(folder, 1)) == 0
    folder.chmod(0o2775)
    assert as_user(STRANGER, STRANGER, adds(folder, 2)) == UNSAFE


def test_a_file_open_to_everybody_is_refused_in_a_shared_directory_too(folder: Path) -> None:
    assert as_user(RELAY, GROUP, adds(folder, 1)) == 0
    (folder / "gateway.db").chmod(0o664)
    assert as_user(PROVISIONING, GROUP, adds(folder, 2)) == UNSAFE


def test_a_shared_directory_that_everybody_may_write_to_stays_shared_by_the_advice(folder: Path) -> None:
    folder.chmod(0o2777)
    with pytest.raises(StoreUnsafe) as caught:
        check_directory(folder)
    assert "chmod o-w" in str(caught.value)
    assert as_user(RELAY, GROUP, adds(folder, 1)) == UNSAFE


def test_a_directory_writable_by_its_group_without_the_sign_of_sharing_is_refused(folder: Path) -> None:
    folder.chmod(0o770)
    assert as_user(RELAY, GROUP, adds(folder, 1)) == UNSAFE
