"""V8: a message deleted or answered before it was handed over.

A modem library reads, deletes, and only then calls its user. Here the radio is told "taken" when the
payment is durable and not before: killed in between, the radio still has it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from tests.faults.daemon import PASSWORD
from tests.relay.test_payments import rigged
from tsm_gateway.virtual.provider import Provider
from tsm_gateway.virtual.smsc import VirtualSmsc
from tsm_gateway.virtual.smsc_options import Account

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.daemon import Daemon
    from tests.relay.rig import Rig

WITHIN_S = 20.0
KILLS = 2


@rigged()
async def test_nothing_is_answered_while_the_disk_has_not_confirmed(rig: Rig):
    disk, reached = threading.Event(), threading.Event()
    flush = rig.store.flush

    def slow_flush() -> None:
        reached.set()
        assert disk.wait(WITHIN_S)
        flush()

    rig.store.flush = slow_flush  # type: ignore[method-assign]
    offered = asyncio.ensure_future(rig.offer(rig.pay()))
    await rig.until(reached.is_set)
    for _ in range(20):  # the loop runs on, and everything it might do is done
        await asyncio.sleep(0)
    assert rig.bearer.answers == []
    assert rig.bearer.sent == []
    disk.set()
    await offered
    assert len(await rig.opened(1)) == 1


def test_a_daemon_killed_between_reading_and_storing_leaves_the_message_with_the_radio(
    new_daemon: Callable[..., Daemon],
) -> None:
    daemon = new_daemon()

    async def run() -> None:
        async with VirtualSmsc({"tsm": Account(PASSWORD)}, port=daemon.port) as smsc:
            opened = watch(smsc, daemon)
            await asyncio.to_thread(daemon.start)
            await smsc.until_bound()
            with closing(sqlite3.connect(daemon.folder / "gateway.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")  # nothing can be stored now
                sending = smsc.send(daemon.pay())
                await until(lambda: daemon.figure("tsm_arrivals_unanswered") == 2)
                assert sending.statuses == [None, None]
                daemon.kill()
            assert not sending.done
            await asyncio.to_thread(daemon.start)
            assert await asyncio.wait_for(sending, WITHIN_S) == [0, 0]
            await until(lambda: len(opened) == 1)

    asyncio.run(run())


def test_a_daemon_killed_right_after_its_answer_still_forwards_the_payment(
    new_daemon: Callable[..., Daemon],
) -> None:
    daemon = new_daemon()

    async def run() -> None:
        async with VirtualSmsc({"tsm": Account(PASSWORD)}, port=daemon.port) as smsc:
            opened = watch(smsc, daemon)
            for _ in range(KILLS):
                await asyncio.to_thread(daemon.start)
                await smsc.until_bound()
                assert await asyncio.wait_for(smsc.send(daemon.pay()), WITHIN_S) == [0, 0]
                daemon.kill()
                await smsc.until(lambda: not smsc.bound(), WITHIN_S)
            await asyncio.to_thread(daemon.start)
            await until(lambda: len(opened) == KILLS)

    asyncio.run(run())


def watch(smsc: VirtualSmsc, daemon: Daemon) -> list[bytes]:
    """The message ids of payments as they reach the provider, each once."""
    provider, opened = Provider(daemon.provider), []

    def take(part) -> None:
        payment = provider.receive(part)
        if payment is not None and not payment.duplicate:
            opened.append(payment.message_id)

    smsc.subscribe(take)
    return opened


async def until(condition: Callable[[], bool]) -> None:
    """Ask in a thread, as what is asked may ask the daemon."""
    async with asyncio.timeout(WITHIN_S):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.01)
