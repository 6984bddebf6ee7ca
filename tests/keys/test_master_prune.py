"""Old versions leave the master key file only when nothing needs them."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from tsm_gateway.keys.errors import MasterFileBusy
from tsm_gateway.keys.master_store import (
    add_master_version,
    init_master,
    prune_master_versions,
    read_master,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "master.key"
    init_master(made, bytes(32))
    add_master_version(made, bytes([1]) * 32)
    add_master_version(made, bytes([2]) * 32)
    return made


def versions(path: Path) -> tuple[int, ...]:
    return read_master(f"file:{path}").versions()


@pytest.mark.parametrize(
    ("used", "dropped", "kept"),
    [
        ((), (1, 2), (3,)),
        ((1,), (2,), (1, 3)),
        ((3,), (1, 2), (3,)),
        ((1, 2, 3), (), (1, 2, 3)),
        ((9,), (1, 2), (3,)),
    ],
)
def test_what_is_neither_used_nor_current_goes(
    path: Path, used: tuple[int, ...], dropped: tuple[int, ...], kept: tuple[int, ...]
) -> None:
    keys = {number: read_master(f"file:{path}").version(number).key for number in kept}
    assert prune_master_versions(path, used) == dropped
    assert versions(path) == kept
    assert all(read_master(f"file:{path}").version(number).key == key for number, key in keys.items())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_change_under_way_is_not_disturbed(path: Path) -> None:
    path.with_name("master.key.new").touch()
    with pytest.raises(MasterFileBusy):
        prune_master_versions(path, ())
    assert versions(path) == (1, 2, 3)
