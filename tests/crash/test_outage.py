"""Everything around the gateway goes away and comes back: payments wait, arrive, and arrive once."""

from __future__ import annotations

import asyncio
import signal
from itertools import cycle, islice
from typing import TYPE_CHECKING

from tests.crash.line import Line
from tests.crash.load import STEADY, Manner
from tests.crash.stage import PASSWORD, SYSTEM_ID, Stage
from tsm_gateway.daemon.exits import Exit
from tsm_gateway.keys.master_store import add_master_version
from tsm_gateway.virtual.smpp_octets import Status
from tsm_gateway.virtual.smsc import VirtualSmsc
from tsm_gateway.virtual.smsc_options import Account

if TYPE_CHECKING:
    from pathlib import Path

    from tests.crash.daemon import Daemon

BREAKS = 20
REBIND_S = 5.0
QUICK = {"enquire_s": 0.3, "answer_s": 1.0, "response_s": 2.0, "bind_s": 1.0}


def test_payments_wait_for_a_provider_that_refuses_and_arrive_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with Stage(tmp_path) as stage:
            refusals = cycle([Status.RSYSERR, Status.RMSGQFUL, Status.RTHROTTLED])
            stage.refuse = lambda: next(refusals)
            daemon = await stage.running()
            load, task = stage.load(STEADY)
            await daemon.until(lambda: stage.answered > 300, "accepted payments")
            await daemon.until(lambda: stage.smsc.statistics.refusals.total() > 300, "refusals")
            assert stage.books.received == []
            stage.refuse = lambda: None
            await _all_is_well(stage, daemon, load, task)

    asyncio.run(run())


def test_payments_wait_while_the_bind_to_send_is_away_even_over_a_restart(tmp_path: Path) -> None:
    async def run() -> None:
        async with Stage(tmp_path) as stage:
            outward = VirtualSmsc({SYSTEM_ID: Account(PASSWORD)})
            await outward.start()
            port = outward.port
            await outward.stop()
            stage.configure({"bind": "receiver"}, {"name": "out", "bind": "transmitter", "port": port})
            daemon = await stage.running()
            load, task = stage.load(STEADY)
            await daemon.until(lambda: stage.answered > 200, "accepted payments")
            assert await daemon.stop() == 0, daemon.tail()
            daemon = await stage.running()
            await daemon.until(lambda: stage.answered > 400, "more of them")
            assert stage.books.received == []
            async with VirtualSmsc({SYSTEM_ID: Account(PASSWORD)}, port=port) as outward:
                outward.subscribe(stage.books.received.append)
                await _all_is_well(stage, daemon, load, task)

    asyncio.run(run())


def test_a_line_that_breaks_twenty_times_in_every_way_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with Stage(tmp_path) as stage, Line(stage.smsc.port) as line:
            stage.configure({"port": line.port, **QUICK})
            daemon = await stage.running()
            load, task = stage.load(Manner())
            for way in islice(cycle(("rst", "fin", "silence", "refused", "denied", "half-open")), BREAKS):
                answered = stage.answered
                await daemon.until(lambda: stage.answered > answered + 20, f"payments before {way}")  # noqa: B023
                await _break(stage, line, daemon, way)
                answered = stage.answered
                await daemon.until(lambda: stage.answered > answered, f"rebound after {way}", REBIND_S)  # noqa: B023
            await _all_is_well(stage, daemon, load, task)
            assert stage.smsc.statistics.binds > BREAKS

    asyncio.run(run())


async def _break(stage: Stage, line: Line, daemon: Daemon, way: str) -> None:
    """Break the line; when this returns nothing stands in the gateway's way any more."""
    calls, refused = line.calls, stage.smsc.statistics.refused_binds
    if way == "fin":
        line.finish()
    elif way == "silence":
        line.mute = True
        await daemon.until(lambda: line.calls > calls, "the gateway tries again")
        line.mute = False
        line.reset()
    elif way == "refused":
        await line.close()
        line.reset()
        failed = len(daemon.log("link.connect_failed"))
        await daemon.until(lambda: len(daemon.log("link.connect_failed")) > failed, "a try in vain")
        await line.open()
    elif way == "denied":
        accounts, stage.smsc._accounts = stage.smsc._accounts, {}
        line.reset()
        await daemon.until(lambda: stage.smsc.statistics.refused_binds > refused, "a bind that is refused")
        stage.smsc._accounts = accounts
    elif way == "half-open":
        line.half_open()
        await daemon.until(lambda: line.calls > calls, "the gateway finds out")
    else:
        line.reset()


def test_sigterm_under_load_drains_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async def run() -> None:
        async with Stage(tmp_path) as stage:
            load, task = stage.load(Manner())
            for _ in range(2):
                daemon = await stage.running()
                answered = stage.answered
                await daemon.until(lambda: stage.answered > answered + 200, "load")  # noqa: B023
                assert await daemon.stop(within_s=10.0) == Exit.DONE, daemon.tail()
            daemon = await stage.running()
            await _all_is_well(stage, daemon, load, task)

    asyncio.run(run())


def test_sighup_under_load_takes_a_changed_link_and_survives_a_broken_file(tmp_path: Path) -> None:
    async def run() -> None:
        async with Stage(tmp_path) as stage:
            daemon = await stage.running()
            load, task = stage.load(Manner())
            await daemon.until(lambda: stage.answered > 100, "load")
            stage.configure({"window": 7}, {"name": "second"})
            daemon.tell(signal.SIGHUP)
            await daemon.until(lambda: daemon.log("daemon.reloaded"), "reloaded")
            assert daemon.log("daemon.reloaded")[0]["changed"] == "link air, link second"
            await daemon.until(lambda: stage.smsc.bound() == 2, "two binds")
            stage.config.write_text("[gateway\nid = 3\n")
            add_master_version(stage.folder / "master.key", bytes(range(32)))
            daemon.tell(signal.SIGHUP)
            await daemon.until(lambda: daemon.log("daemon.reload_refused"), "told about the file")
            assert len(daemon.log("config.invalid")) == 1
            (refused,) = daemon.log("daemon.reload_refused")
            assert "the master key (now version 2)" in refused["changed"]
            answered = stage.answered
            await daemon.until(lambda: stage.answered > answered + 100, "payments all the same")
            await _all_is_well(stage, daemon, load, task)

    asyncio.run(run())


def test_a_stopped_process_goes_on_where_it_was(tmp_path: Path) -> None:
    async def run() -> None:
        async with Stage(tmp_path) as stage:
            stage.configure(QUICK)
            daemon = await stage.running()
            load, task = stage.load(Manner())
            await daemon.until(lambda: stage.answered > 100, "load")
            daemon.tell(signal.SIGSTOP)
            lost = stage.smsc.statistics.timeouts
            await daemon.until(lambda: stage.smsc.statistics.timeouts > lost, "unanswered short messages")
            daemon.tell(signal.SIGCONT)
            answered = stage.answered
            await daemon.until(lambda: stage.answered > answered + 100, "payments again", REBIND_S)
            await _all_is_well(stage, daemon, load, task)

    asyncio.run(run())


def test_a_second_daemon_on_the_same_store_is_refused_and_says_why(tmp_path: Path) -> None:
    async def run() -> None:
        async with Stage(tmp_path) as stage:
            daemon = await stage.running()
            load, task = stage.load(STEADY)
            second = await stage.start()
            assert await second.ended() == Exit.FAILED
            (failed,) = second.log("daemon.failed")
            assert failed["error"] == "store-locked"
            assert "Another process has this store open" in failed["problem"]
            await _all_is_well(stage, daemon, load, task)

    asyncio.run(run())


async def _all_is_well(stage: Stage, daemon: Daemon, load, task) -> None:
    """End the load: everything arrived once, and the gateway ends without a word of complaint."""
    verdict = await stage.settle(daemon, load, task)
    assert verdict.problems == []
    assert verdict.acknowledged == verdict.paid
    assert await daemon.stop() == 0, daemon.tail()
    assert [each.errors() for each in stage.daemons] == [""] * len(stage.daemons)
