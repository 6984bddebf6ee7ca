"""Power cuts, a short slice of `scripts/campaigns/power_cut`, which shows that it would notice a loss."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.store.power import cut_once

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Deadline

needs_disk = pytest.mark.skipif(
    (os.geteuid() != 0 or shutil.which("mkfs.ext4") is None) and os.environ.get("CI") != "true",
    reason="a disk of one's own needs root and mkfs.ext4",
)


@needs_disk
@pytest.mark.parametrize("facts", [50, 400, 1_500])
def test_what_was_acknowledged_survives_a_power_cut(
    populated: Path, tmp_path: Path, deadline: Deadline, facts: int
) -> None:
    cut = cut_once(tmp_path / "cut", populated, facts, deadline)
    assert cut.told >= facts
    assert cut.lost == []
    assert cut.faults == []
