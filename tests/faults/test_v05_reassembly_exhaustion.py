"""V5, goal G13: ten thousand messages never finished and a hundred senders that flood.

Memory is bounded, a sender cannot hold more than its share, and whoever pays meanwhile is served in full.
The resident set is held to an absolute figure, too: a daemon that has seen all this stays below 150 MB.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.daemon import PASSWORD
from tsm_gateway.virtual.part import Part
from tsm_gateway.virtual.provider import Provider
from tsm_gateway.virtual.smsc import VirtualSmsc
from tsm_gateway.virtual.smsc_options import Account, SmscOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.faults.daemon import Daemon

MIB = 1 << 20
GROWTH, RESIDENT = 32 * MIB, 150 * MIB
HALF_OPEN, FLOODERS, PARTS_EACH, PER_SENDER = 10_000, 100, 100, 64
HONEST = 50  # payments
WITHIN_S = 60.0


def half(source: int, reference: int, number: int = 1, total: int = 2) -> Part:
    """One part of a message whose others never come, full of octets of its own."""
    udh = b"\x0c\x05\x04\x40\x74\x40\x74\x08\x04" + reference.to_bytes(2, "big") + bytes((total, number))
    body = source.to_bytes(8, "big") + reference.to_bytes(4, "big") + bytes(115)
    return Part(f"+49160{source:08}", "16500", 4, 0, udh, body)


def patient(daemon: Daemon) -> VirtualSmsc:
    """A message centre that tries a part five times."""
    options = SmscOptions(window=500, attempts=5, redeliver_s=0.1)
    return VirtualSmsc({"tsm": Account(PASSWORD)}, port=daemon.port, options=options)


@pytest.mark.timeout(120)
def test_memory_and_shares_are_bounded_and_the_honest_are_served(new_daemon: Callable[..., Daemon]) -> None:
    daemon = new_daemon()
    daemon.start()
    asyncio.run(_flood(daemon))


async def _flood(daemon: Daemon) -> None:
    provider, opened = Provider(daemon.provider), []
    async with patient(daemon) as smsc:
        smsc.subscribe(lambda part: opened.append(provider.receive(part)))
        await smsc.until_bound()
        warm = [smsc.send(daemon.pay()) for _ in range(500)]
        for sending in warm:
            assert set(await asyncio.wait_for(sending, WITHIN_S)) == {0}
        before = daemon.memory()

        idle = smsc.send([half(source, 1) for source in range(HALF_OPEN)])
        flood = smsc.send(
            [
                half(HALF_OPEN + flooder, reference)
                for reference in range(PARTS_EACH)
                for flooder in range(FLOODERS)
            ]
        )
        honest = []
        for _ in range(HONEST):
            honest.append(smsc.send(daemon.pay()))
            await asyncio.sleep(0)
        for sending in honest:
            assert set(await asyncio.wait_for(sending, WITHIN_S)) == {0}
        assert set(await asyncio.wait_for(idle, WITHIN_S)) == {0}
        statuses = await asyncio.wait_for(flood, WITHIN_S)

        assert statuses.count(0) == FLOODERS * PER_SENDER
        assert daemon.figure("tsm_segments_waiting") == HALF_OPEN + FLOODERS * PER_SENDER
        growth, resident = daemon.memory() - before, daemon.memory()
        await asyncio.wait_for(_all_opened(opened, 500 + HONEST), WITHIN_S)
    assert growth <= GROWTH, f"{growth / MIB:.1f} MiB"
    assert resident <= RESIDENT, f"{resident / MIB:.1f} MiB"


async def _all_opened(opened: Sequence[object], count: int) -> None:
    while sum(each is not None for each in opened) < count:
        await asyncio.sleep(0.01)


@pytest.mark.timeout(120)
def test_more_than_the_bound_in_all_still_lets_the_honest_through(new_daemon: Callable[..., Daemon]) -> None:
    daemon = new_daemon(relay="parts_in_all = 1000")
    daemon.start()

    async def run() -> None:
        async with patient(daemon) as smsc:
            await smsc.until_bound()
            idle = smsc.send([half(source, 1) for source in range(3_000)])
            began = time.monotonic()
            while not idle.done or time.monotonic() - began < 0.1:
                assert set(await asyncio.wait_for(smsc.send(daemon.pay()), WITHIN_S)) == {0}
            assert daemon.figure("tsm_segments_waiting") <= 1_000
            assert daemon.figure("tsm_payments_refused_total") == 0

    asyncio.run(run())
