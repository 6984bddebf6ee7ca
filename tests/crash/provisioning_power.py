"""A power cut under provisioning while phones enrol: who was told "registered" is registered after it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from tests.crash.provisioning_load import EnrolmentLoad
from tests.faults.premises import Premises
from tests.faults.tracer import traced
from tests.store.power import disk_in
from tsm_gateway.errors import TsmError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.premises import Phone
    from tests.faults.zygote import Zygote

UNSYNCED = "fdatasync,fsync:retval=0"  # a disk that says "written" and does nothing


class Cut(NamedTuple):
    """What one power cut did."""

    told: int  # phones told "registered" before it
    cut_off: int  # phones that were not, and completed after it
    lost: list[str]
    problems: list[str]
    exit_code: int  # how the process ended by itself


def cut_enrolments(folder: Path, zygote: Zygote, phones: int, *, loose: bool = False) -> Cut:
    """Cut the power of the store's disk once `phones` were told; `loose`: of one that never synced.

    The epoch mark is on another disk that loses nothing, which is the harder case: it may not be ahead.
    """
    folder.mkdir(exist_ok=True)
    with disk_in(folder) as disk, ExitStack() as later:
        store = disk.path / "store"
        store.mkdir(mode=0o700)
        premises = later.enter_context(Premises(folder, zygote, store=store))
        life = premises.start().ready()
        first = premises.phone()
        first.enrol()
        load = EnrolmentLoad(premises)
        tracer = later.enter_context(ExitStack())
        if loose:
            tracer.enter_context(traced(life, folder / "trace", UNSYNCED, calls="fdatasync,fsync"))
        with load.going():
            life.until(lambda: len(load.told) >= phones, "phones that were told", 60)
            # Who is told from here on counts as cut off: a power cut would have taken the network, too, while
            # this one lets an fdatasync that is under way return 0 although its journal is aborted.
            told = [first, *load.told]
            disk.cut_power()
            exit_code = life.ended()
        tracer.close()
        disk.unmount()
        disk.mount()
        lost = _lost(premises, told)
        if lost:
            return Cut(len(told), 0, lost, [], exit_code)
        premises.start().ready()
        cut_off = [phone for phone in load.phones if phone not in told]
        for phone in cut_off:
            phone.complete()
        assert premises.lives[-1].stop() == 0
        return Cut(len(told), len(cut_off), [], premises.problems([first, *load.phones]), exit_code)


def _lost(premises: Premises, told: list[Phone]) -> list[str]:
    try:
        return premises.problems(told)
    except TsmError as error:  # the mark speaks of what is not there any more
        return [str(error)]
