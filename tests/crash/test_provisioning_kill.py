"""kill -9 of provisioning at a write, a sync, a step: a slice of `scripts/campaigns/enrolment`, which takes
every one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.crash.provisioning_kills import STEPS, Kills
from tests.faults.tracer import needs_strace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.zygote import Zygote

# Python's ssl forgets a socket whose peer resets it between connecting and the handshake.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")

CALLS = (1, 9, 31, 32, 33, 50, 62)  # two commits, each of writes and a sync
NEVER = 500  # no enrolment writes so often


@needs_strace
@pytest.mark.timeout(90)
def test_killed_at_a_write_or_sync_an_enrolment_is_completed_with_the_same_key(
    tmp_path: Path, zygote: Zygote
) -> None:
    with Kills(tmp_path, zygote) as kills:
        assert [number for number in CALLS if kills.at_call(number)][:4] == list(CALLS[:4])
        assert not kills.at_call(NEVER)
        assert kills.verdict() == []
        assert kills.deaths >= 4


@pytest.mark.timeout(60)
def test_killed_between_two_requests_an_enrolment_is_completed_with_the_same_key(
    tmp_path: Path, zygote: Zygote
) -> None:
    with Kills(tmp_path, zygote) as kills:
        for step in STEPS:
            kills.at_step(step)
        assert kills.verdict() == []


@needs_strace
@pytest.mark.timeout(60)
def test_killed_while_it_starts_or_ends_it_starts_again(tmp_path: Path, zygote: Zygote) -> None:
    with Kills(tmp_path, zygote) as kills:
        assert kills.at_start(1)
        assert kills.at_start(3)
        assert not kills.at_start(NEVER)
        assert kills.at_end(2)
        assert kills.verdict() == []
        assert kills.deaths == 3
