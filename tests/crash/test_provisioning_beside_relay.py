"""Both processes on one store, each under load, either killed again and again: nobody loses anything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.crash.load import STEADY, Manner
from tests.crash.provisioning_load import EnrolmentLoad
from tests.crash.town import Town

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.zygote import Zygote

# Python's ssl forgets a socket whose peer resets it between connecting and the handshake.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")

HANDSETS = 6
RARE = 0.01  # of all answers


async def progress(town: Town, phones: EnrolmentLoad, *, told: int, answered: int) -> None:
    """Return once so many more phones were told, and so many more parts answered."""
    told, answered = len(phones.told) + told, town.smsc.statistics.delivered + answered
    await town.until(
        lambda: len(phones.told) > told and town.smsc.statistics.delivered > answered,
        "enrolments and payments",
    )


@pytest.mark.timeout(90)
def test_payments_and_enrolments_under_load_hardly_keep_each_other_waiting(
    tmp_path: Path, zygote: Zygote
) -> None:
    async def run() -> None:
        async with Town(tmp_path, zygote) as town:
            load, task = town.load(HANDSETS, STEADY)
            phones = EnrolmentLoad(town.premises, threads=3)
            with phones.going():
                await progress(town, phones, told=100, answered=400)
            assert phones.refusals == []
            load.stop()
            await task
            await town.until(lambda: load.settled and not town.smsc.unanswered, "an answer to all")
            verdict = await town.verdict()
            assert verdict.problems == []
            assert verdict.acknowledged == verdict.paid
            statistics = town.smsc.statistics
            put_off = sum(statistics.deferrals.values())
            print(f"{put_off} of {statistics.delivered} answers put off")  # noqa: T201 - shown when it fails
            assert put_off <= RARE * statistics.delivered
            assert not statistics.given_up
            assert await town.stopped() == [0, 0]
            assert town.premises.problems(phones.phones) == []

    asyncio.run(run())


@pytest.mark.timeout(120)
def test_either_killed_under_load_loses_no_payment_and_no_enrolment(tmp_path: Path, zygote: Zygote) -> None:
    async def run() -> None:
        async with Town(tmp_path, zygote) as town:
            load, task = town.load(HANDSETS, Manner(per_s=80.0))
            phones = EnrolmentLoad(town.premises, threads=3)
            with phones.going():
                for round_ in range(3):
                    await progress(town, phones, told=15, answered=60)
                    if round_ != 1:
                        await town.killed(town.relay)
                    if round_ != 0:
                        await town.killed(town.provisioning)
                        await town.start_provisioning()
                    if round_ != 1:
                        await town.start_relay()
            load.stop()
            await task
            await asyncio.gather(*(asyncio.to_thread(phone.complete) for phone in phones.cut))
            await town.until(lambda: load.settled and not town.smsc.unanswered, "an answer to all")
            verdict = await town.verdict()
            assert verdict.problems == []
            assert verdict.acknowledged == verdict.paid
            assert len(phones.told) > 45
            assert await town.stopped() == [0, 0]
            assert town.premises.problems(phones.phones) == []

    asyncio.run(run())
