"""The clockwork: what waits for the disk holds up nothing else, and a disk that hangs is told."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from tests.radio.smpp.peer import options_for
from tests.relay.test_payments import rigged
from tsm_gateway.daemon.housekeeping import PURGE_ROWS, STUCK_S, Housekeeping
from tsm_gateway.daemon.intake import Clocks
from tsm_gateway.daemon.notify import Notifier
from tsm_gateway.registry.device import DeviceMove
from tsm_gateway.relay.interfaces import StoreBusy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.relay.rig import Rig
    from tsm_gateway.registry.device import DeviceEntry


class Fed(Notifier):
    """Counts how often the watchdog was fed."""

    def __init__(self) -> None:
        super().__init__(None)
        self.times = 0

    def watchdog(self) -> bool:
        self.times += 1
        return True


class Clockwork:
    """Housekeeping beside a rig, on a clock that can be put forward."""

    def __init__(self, rig: Rig) -> None:
        self.ahead_s = 0.0
        self.fed = Fed()
        clocks = Clocks(lambda: rig.now, lambda: time.monotonic() + self.ahead_s)
        self.keeper = Housekeeping(rig.parts, clocks, self.fed)


def times_fed(work: Clockwork, least: int) -> bool:
    return work.fed.times >= least


@contextlib.asynccontextmanager
async def clockwork(rig: Rig) -> AsyncIterator[Clockwork]:
    made = Clockwork(rig)
    task = asyncio.create_task(made.keeper.run())
    rig._tasks.append(task)  # so that what it raises is seen
    yield made


@rigged()
async def test_an_idle_relay_feeds_its_watchdog(rig: Rig):
    async with clockwork(rig) as work:
        for fed in range(1, 4):
            await rig.until(partial(times_fed, work, fed))
            work.ahead_s += 2 * STUCK_S
    assert not rig.events("watchdog.missed")


@rigged()
async def test_a_purge_without_end_holds_up_neither_watchdog_nor_administration(rig: Rig):
    rig.store.purge = lambda *_: PURGE_ROWS  # type: ignore[method-assign]
    async with clockwork(rig) as work:
        await rig.until(lambda: work.fed.times >= 3)
        assert rig.events("store.purged")


@rigged()
async def test_a_disk_that_hangs_is_told_and_starves_the_watchdog(rig: Rig):
    async with clockwork(rig) as work:
        await rig.until(lambda: work.fed.times >= 1)
        disk, flush = threading.Event(), rig.store.flush
        rig.store.flush = lambda: (disk.wait(30), flush())  # type: ignore[method-assign,assignment]
        try:
            rig.parts.intake.offer([rig.segment(part) for part in rig.pay()])
            await rig.until(lambda: not rig.parts.committer.idle)
            before = work.fed.times
            await rig.until(lambda: work.fed.times > before)  # every loop was seen at work
            work.ahead_s = STUCK_S + 5
            await rig.until(lambda: bool(rig.events("watchdog.missed")))
            assert "committer" in {event["loop"] for event in rig.events("watchdog.missed")}
            before = work.fed.times
            work.ahead_s += 5
            await asyncio.sleep(0.6)
            assert work.fed.times == before
            assert not rig.bearer.answers
        finally:
            disk.set()
        await rig.until(lambda: len(rig.bearer.answers) == 2)
        await rig.until(lambda: work.fed.times > before)


@rigged()
async def test_a_registry_that_is_busy_for_a_moment_ends_nothing_and_is_asked_again(rig: Rig):
    versions, busy = rig.store.registry.versions, iter([True, True])

    def sometimes() -> tuple[int, int]:
        if next(busy, False):
            raise StoreBusy
        return versions()

    async with clockwork(rig):
        rig.store.registry.versions = sometimes  # type: ignore[method-assign]
        rig.store.registry.move_device(
            rig.handsets[0].record.device_id, DeviceMove.SUSPEND, reason="test", at=1
        )
        await rig.until(lambda: bool(rig.events("registry.changed")))
        await rig.offer(rig.pay())
        assert rig.reasons() == ["device_not_active"]


@rigged()
async def test_nothing_is_read_any_more_during_a_drain(rig: Rig):
    links = rig.parts.links
    links.drain()
    links.throttle_reading()  # the clockwork goes on
    async with asyncio.TaskGroup() as group:
        links.start([options_for(1)], group)
        assert links.links["carrier-a"]._held
        await links.close(0.1)


@rigged()
async def test_a_store_that_cannot_be_read_for_a_moment_puts_payments_off(rig: Rig):
    device_for = rig.store.registry.device_for

    def busy(kid: bytes) -> DeviceEntry | None:
        raise StoreBusy

    parts = rig.pay()
    rig.store.registry.device_for = busy  # type: ignore[method-assign]
    assert [verdict.value for verdict in await rig.offer(parts)] == ["busy", "busy"]
    rig.store.registry.device_for = device_for  # type: ignore[method-assign]
    assert [verdict.value for verdict in await rig.offer(parts)] == ["taken", "taken"]
    assert len(await rig.opened(1)) == 1
