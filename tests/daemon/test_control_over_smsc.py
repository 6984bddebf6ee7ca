"""Key packages and confirmations through a gateway process, its bind and a message centre with faults."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.daemon.control_desk import MSISDN, stage_package
from tests.faults.daemon import PASSWORD, Daemon
from tests.relay.test_confirmations import in_parts, sealed
from tsm_gateway.registry.control import ControlMessage, ControlState
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.smsc import VirtualSmsc
from tsm_gateway.virtual.smsc_faults import read_faults
from tsm_gateway.virtual.smsc_options import Account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tsm_gateway.virtual.part import Part

WITHIN_S, POLL_S = 40.0, 0.02
QUEUED, SENT, FAILED = ControlState


class Stage:
    """A gateway process between a message centre and its store, into which provisioning writes too."""

    def __init__(self, folder: Path) -> None:
        self.daemon = Daemon(folder)
        self.store = SqliteStore.open(folder / "gateway.db", mark=folder / "epoch", exclusive=False)
        self.came: list[Part] = []

    @asynccontextmanager
    async def message_centre(self, faults: str = "", refuse: Callable | None = None) -> AsyncIterator:
        """Listen where the gateway binds."""
        smsc = VirtualSmsc(
            {"tsm": Account(PASSWORD, ("16500",))},
            port=self.daemon.port,
            faults=read_faults(faults),
            on_submit=refuse,
        )
        smsc.subscribe(self.came.append, MSISDN)
        async with smsc:
            yield smsc

    def queue(self, count: int = 1) -> list[ControlMessage]:
        """As provisioning does: another process than the relay, another connection."""
        controls = [stage_package(self.store, due_at=0) for _ in range(count)]
        self.store.flush()
        return controls

    def of(self, control: ControlMessage) -> ControlMessage:
        (found,) = self.store.provisioning.controls(control.device_id)
        return found

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not condition():
                assert not self.daemon.gone, self.daemon.lines()[-5:]
                await asyncio.sleep(POLL_S)

    async def until_all(self, controls: list[ControlMessage], state: ControlState) -> None:
        await self.until(lambda: all(self.of(control).state is state for control in controls))

    def bodies(self, control: ControlMessage) -> list[bytes]:
        """The user data of every part of a package that came, in order."""
        reference = control.message_id[-1]
        return [part.udh + part.data for part in self.came if part.udh[9] == reference]

    def close(self) -> None:
        self.store.close()
        self.daemon.kill()


def staged(story: Callable) -> Callable[[Path], None]:
    """Run an async test on a stage of its own."""

    def run(tmp_path: Path) -> None:
        stage = Stage(tmp_path)
        try:
            asyncio.run(story(stage))
        finally:
            stage.close()

    run.__name__ = story.__name__
    return run


def whole(bodies: list[bytes]) -> bytes:
    return b"".join(body[body[0] + 1 :] for body in bodies)


THROTTLED, QUEUE_FULL, SYSTEM_ERROR, DROP, UNBIND = 0x58, 0x14, 0x08, -1, -2
TROUBLE = {  # what happens at the first submits; later ones are taken
    "throttled": (THROTTLED, 0),
    "a full queue": (0, QUEUE_FULL),
    "a system error": (0, SYSTEM_ERROR),
    "the connection breaks at either part": (DROP, 0, DROP),
    "an unbind between the parts": (UNBIND,),
}


class Script:
    """What the message centre does at each submit."""

    def __init__(self, steps: tuple[int, ...]) -> None:
        self.smsc: VirtualSmsc | None = None
        self._steps = list(steps)

    def __call__(self, _: Part) -> int:
        step = self._steps.pop(0) if self._steps else 0
        if step >= 0:
            return step
        assert self.smsc
        asyncio.get_running_loop().call_soon(self.smsc.drop_links if step == DROP else self.smsc.unbind_all)
        return 0

    @property
    def played(self) -> bool:
        return not self._steps


@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_package_arrives_whole_whatever_the_message_centre_does_meanwhile(trouble, tmp_path):
    @staged
    async def story(stage: Stage) -> None:
        script = Script(TROUBLE[trouble])
        async with stage.message_centre(refuse=script) as smsc:
            script.smsc = smsc
            await asyncio.to_thread(stage.daemon.start)
            (control,) = stage.queue()
            await stage.until_all([control], SENT)
        assert script.played
        assert whole(stage.bodies(control)[-2:]) == control.packet

    story(tmp_path)


@staged
async def test_a_number_the_network_refuses_fails_and_a_payment_still_goes_through(stage: Stage) -> None:
    def refuse(part: Part) -> int:
        return 0x0B if part.destination == MSISDN else 0  # RINVDSTADR

    async with stage.message_centre(refuse=refuse) as smsc:
        await asyncio.to_thread(stage.daemon.start)
        (control,) = stage.queue()
        await stage.until_all([control], FAILED)
        assert stage.of(control).reason == "permanent"
        assert await smsc.send(stage.daemon.pay()) == [0, 0]
        await stage.until(lambda: bool(stage.daemon.events("payment.handed_over")))
    (line,) = stage.daemon.events("control.failed")
    assert line["status"] == "0xb"


@staged
async def test_killed_under_way_a_package_goes_out_again_with_the_same_octets(stage: Stage) -> None:
    async with stage.message_centre("slow_ms=300"):
        await asyncio.to_thread(stage.daemon.start)
        (control,) = stage.queue()
        await stage.until(lambda: len(stage.came) == 1)
        await asyncio.to_thread(stage.daemon.kill)
        assert stage.of(control).state is QUEUED
        await asyncio.to_thread(stage.daemon.start)
        await stage.until_all([control], SENT)
    first, *again = stage.bodies(control)
    assert first == again[0]
    assert whole(again) == control.packet


@staged
async def test_a_package_waits_for_a_bind_and_goes_out_once_there_is_one(stage: Stage) -> None:
    (control,) = stage.queue()
    await asyncio.to_thread(stage.daemon.start)
    assert stage.of(control).attempts == 0
    async with stage.message_centre():
        await stage.until_all([control], SENT)
    assert whole(stage.bodies(control)) == control.packet
    assert stage.of(control).attempts == 1


@staged
async def test_a_confirmation_comes_in_by_any_order_of_its_parts_and_once(stage: Stage) -> None:
    handset, chance = stage.daemon.handsets[0], random.Random(3)
    async with stage.message_centre("double=2") as smsc:
        await asyncio.to_thread(stage.daemon.start)
        packet = sealed(handset)
        parts = in_parts(handset, packet)
        chance.shuffle(parts)
        assert await smsc.send(parts) == [0] * len(parts)
        (arrival,) = stage.store.provisioning.control_arrivals(9)
        assert (arrival.packet, arrival.device_id) == (packet, handset.record.device_id)
        assert await smsc.send(in_parts(handset, packet, reference=8)) == [0] * len(parts)
        await stage.until(lambda: bool(stage.daemon.events("payment.refused")))
        await asyncio.to_thread(stage.daemon.kill)
        await asyncio.to_thread(stage.daemon.start)
        assert await smsc.send(in_parts(handset, packet, reference=9)) == [0] * len(parts)
        await stage.until(lambda: bool(stage.daemon.events("payment.refused")))
    assert stage.daemon.events("payment.refused")[0]["reason"] == "replay"
    assert stage.store.provisioning.control_arrivals(9) == [arrival]
