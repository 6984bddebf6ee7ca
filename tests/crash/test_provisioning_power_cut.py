"""Power cuts under enrolments, a slice of `scripts/campaigns/enrolment`, with the control that loses some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.crash.provisioning_power import cut_enrolments
from tests.faults.tracer import needs_strace
from tests.store.test_power_cut import needs_disk
from tsm_gateway.daemon.exits import Exit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.zygote import Zygote

# Python's ssl forgets a socket whose peer resets it between connecting and the handshake.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


@needs_disk
@pytest.mark.timeout(90)
@pytest.mark.parametrize("phones", [3, 60])
def test_who_was_told_registered_is_registered_after_a_power_cut_and_the_others_complete(
    tmp_path: Path, zygote: Zygote, phones: int
) -> None:
    cut = cut_enrolments(tmp_path, zygote, phones)
    assert cut.lost == []
    assert cut.problems == []
    assert cut.told > phones
    assert cut.cut_off > 0
    assert cut.exit_code == Exit.STORE_BROKEN


@needs_disk
@needs_strace
@pytest.mark.timeout(90)
def test_a_disk_that_does_not_sync_loses_registrations_so_that_the_test_can_fail(
    tmp_path: Path, zygote: Zygote
) -> None:
    assert cut_enrolments(tmp_path, zygote, 40, loose=True).lost
