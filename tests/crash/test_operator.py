"""An operator's commands beside a running gateway: processes of their own on one store, heeded at once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tests.crash.daemon import Daemon
from tests.crash.history import Payment
from tests.crash.stage import ADDRESS, Stage
from tsm_gateway.virtual.smpp_octets import Status

if TYPE_CHECKING:
    from pathlib import Path

HEEDED_S = 1.5  # a second, and a little for a busy machine
LATER_S = 600  # a deferred message does not come back by itself within a test


class Desk:
    """Types commands."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._typed = stage, 0

    async def type(self, *words: str) -> None:
        """Run one command; it must succeed."""
        self._typed += 1
        command = await Daemon.start(self._stage.config, f"command-{self._typed}", verb=words)
        self._stage.daemons.append(command)
        assert await command.ended() == 0, command.tail()


async def _pay(stage: Stage, daemon: Daemon, number: int) -> Payment:
    """Let a handset pay; returns when the payment is answered."""
    cti = number.to_bytes(8, "big")
    handset = stage.handsets[0]
    parts = tuple(handset.pay(ADDRESS, "1.00", "EUR", at=int(time.time()), cti=cti))
    stage.books.paid[cti] = payment = Payment(cti, handset.record.device_id, "1.00", parts)
    sending = stage.smsc.send(parts)
    await daemon.until(lambda: sending.done, "an answer")
    assert sending.statuses == [0, 0]
    return payment


def test_queue_commands_are_heeded_within_a_second(tmp_path: Path) -> None:
    async def run() -> None:
        async with Stage(tmp_path) as stage:
            stage.configure(retry_first_s=LATER_S, retry_cap_s=LATER_S)
            stage.refuse = lambda: Status.RSYSERR
            daemon, desk = await stage.running(), Desk(stage)
            payments = {}
            for number in range(4):
                payment = await _pay(stage, daemon, number)
                seen = number + 1
                await daemon.until(lambda: len(daemon.log("payment.deferred")) == seen, "deferred")  # noqa: B023
                payments[daemon.log("payment.deferred")[-1]["message_id"]] = payment.cti
            stage.refuse = lambda: None
            held, retried, dropped, left = payments

            await desk.type("queue", "retry", retried)
            await _arrives(stage, daemon, payments[retried])
            await desk.type("queue", "hold", held)
            await desk.type("queue", "release", held)
            await _arrives(stage, daemon, payments[held])
            await desk.type("queue", "drop", "--yes", dropped)
            assert stage.judge.missing() == {payments[dropped], payments[left]}
            store = stage.open_store()
            try:
                states = {
                    entry.message_id.hex(): entry.state.value for entry in store.queue.entries(limit=10)
                }
            finally:
                store.close()
            assert states == {
                retried: "handed_over", held: "handed_over", dropped: "dropped", left: "deferred"
            }  # fmt: skip
            assert await daemon.stop() == 0

    asyncio.run(run())


async def _arrives(stage: Stage, daemon: Daemon, cti: bytes) -> None:
    await daemon.until(lambda: cti not in stage.judge.missing(), "the payment at its provider", HEEDED_S)


def test_a_suspended_device_is_refused_and_a_resumed_one_is_not(tmp_path: Path) -> None:
    async def run() -> None:
        async with Stage(tmp_path) as stage:
            daemon, desk = await stage.running(), Desk(stage)
            device = stage.handsets[0].record.device_id
            for number, command in enumerate(("resumed", "suspend", "resume")):
                if number:
                    await desk.type("device", command, device)
                    await daemon.until(
                        lambda: len(daemon.log("registry.changed")) == number,  # noqa: B023
                        "the change seen",
                        HEEDED_S,
                    )
                await _pay(stage, daemon, number)
            refused = (1).to_bytes(8, "big")
            await daemon.until(lambda: stage.judge.missing() == {refused}, "the other two at the provider")
            (said,) = daemon.log("payment.refused")
            assert said["reason"] == "device_not_active"
            assert await daemon.stop() == 0

    asyncio.run(run())
