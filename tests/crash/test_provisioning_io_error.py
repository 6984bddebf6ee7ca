"""A disk that fails or is full under enrolments: nobody is told what is not true, and it mends."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.crash.provisioning_load import EnrolmentLoad
from tests.crash.test_disk_full import DISK_MIB, MIB, fill, needs_mount, small_disk
from tests.crash.trace import read_trace
from tests.faults.premises import Premises
from tests.faults.tracer import needs_strace, traced
from tsm_gateway.daemon.exits import Exit
from tsm_gateway.virtual.errors import VirtualError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.premises import Heard
    from tests.faults.zygote import Zygote

# Python's ssl forgets a socket whose peer resets it between connecting and the handshake.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")

WITHIN_S = 1.0  # from the error to the end
FAULTS = {
    "the first sync, once": "fdatasync:error=EIO:when=1",
    "a later sync, once": "fdatasync:error=EIO:when=12",
    "every sync from one on": "fdatasync:error=EIO:when=5+",
    "a write ahead of a sync": "pwrite64:error=EIO:when=70",
    "the epoch mark": "fsync:error=EIO:when=1",
}
STARTS = {"a sync": "fsync:error=EIO:when=1", "a write": "pwrite64:error=EIO:when=1"}


@needs_strace
@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_nobody_is_told_anything_after_an_io_error_and_the_next_life_completes(
    tmp_path: Path, zygote: Zygote, fault: str
) -> None:
    with Premises(tmp_path, zygote) as premises:
        life = premises.start().ready()
        load = EnrolmentLoad(premises)
        with traced(life, tmp_path / "trace", fault), load.going():
            assert life.ended() == Exit.STORE_BROKEN, life.tail()
        seen = read_trace(tmp_path / "trace")
        error = seen.failures[0]
        assert seen.ended_at - error.at < WITHIN_S
        assert premises.problems(load.told) == []  # nobody was told what is not so
        refused = [heard for heard in answers(load) if heard.status != 200]
        assert refused or fault == FAULTS["the epoch mark"]  # nobody need wait for that one
        assert {heard.status for heard in refused} <= {503}
        assert {codes(heard) for heard in refused} <= {"TSM-UNAVAILABLE"}
        assert [each["event"] for each in life.events("store.broken", "daemon.stopped")] == [
            "store.broken",
            "daemon.stopped",
        ]
        premises.start().ready()
        for phone in load.cut:
            phone.complete()
        assert premises.lives[-1].stop() == Exit.DONE
        assert premises.problems(load.phones) == []


@needs_strace
@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", STARTS.values(), ids=STARTS)
def test_a_disk_that_fails_at_the_start_ends_it_with_the_same_code(
    tmp_path: Path, zygote: Zygote, fault: str
) -> None:
    with Premises(tmp_path, zygote) as premises:
        life = premises.start(held=True)
        with traced(life, tmp_path / "trace", fault):
            assert life.ended() == Exit.STORE_BROKEN, life.tail()
        phone = premises.phone()
        premises.start().ready()
        phone.enrol()
        assert premises.lives[-1].stop() == Exit.DONE
        assert premises.problems([phone]) == []


@needs_mount
@pytest.mark.timeout(60)
def test_a_full_disk_puts_phones_off_and_room_heals_the_same_process(tmp_path: Path, zygote: Zygote) -> None:
    with small_disk(tmp_path, DISK_MIB * MIB) as disk, Premises(tmp_path, zygote, store=disk) as premises:
        life = premises.start().ready()
        before, unknown = premises.phone(), premises.phone()
        before.enrol()
        life.until(lambda: len(life.events("registration.accepted")) == 1, "a registration")
        ballast = fill(disk, 0)
        with pytest.raises(VirtualError):
            unknown.enrol(hurried=True)
        assert not os.statvfs(disk).f_bavail
        assert {heard.status for heard in unknown.heard} == {503}
        assert {codes(heard) for heard in unknown.heard} == {"TSM-UNAVAILABLE"}
        assert before.enrol() == "registered"  # nothing has to be written for it
        ballast.unlink()
        unknown.complete()
        assert life.stop() == Exit.DONE
        assert premises.problems([before, unknown]) == []


def codes(heard: Heard) -> str:
    return str(json.loads(heard.octets)["code"])


def answers(load: EnrolmentLoad) -> list[Heard]:
    return [heard for phone in load.phones for heard in phone.heard]
