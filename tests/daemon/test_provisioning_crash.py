"""A store that fails, and a process that dies, at every write: trying again completes, with the same key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import pytest

from tests.daemon.provisioning_rig import MSISDN, Rig, World
from tests.daemon.test_provisioning_rekey import confirmation, order, use
from tsm_gateway.registry.audit import broken_links
from tsm_gateway.registry.key_package import Delivery
from tsm_gateway.relay.interfaces import StoreBroken, StoreFull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.daemon.literal_device import Installed, LiteralDevice
    from tsm_gateway.errors import TsmError

    Act = Callable[[Rig, LiteralDevice], Awaitable[object]]


class Step(NamedTuple):
    """One write: what comes before it, and itself."""

    name: str
    prepare: Act
    act: Act


async def nothing(_rig: Rig, _device: LiteralDevice) -> None:
    pass


async def enrol(rig: Rig, device: LiteralDevice) -> None:
    await rig.enrol(device, msisdn=MSISDN)


async def renewed(rig: Rig, device: LiteralDevice) -> None:
    await enrol(rig, device)
    device.certify()


async def fetch(rig: Rig, device: LiteralDevice) -> None:
    package = await rig.desk.key_package(rig.who(device))
    device.install(package.key_package, package.tsm_certificate)


async def enrol_and_fetch(rig: Rig, device: LiteralDevice) -> None:
    await enrol(rig, device)
    await fetch(rig, device)


async def prove(rig: Rig, device: LiteralDevice) -> None:
    challenge = await rig.desk.challenge(rig.who(device))
    await rig.desk.register(rig.who(device), device.proof(challenge.challenge))


async def in_use(rig: Rig, device: LiteralDevice) -> None:
    await rig.activate(device, msisdn=MSISDN)


async def stale(rig: Rig, device: LiteralDevice) -> None:
    await in_use(rig, device)
    rig.store.resync(advance=0, demand_new_keys=True)


async def ordered(rig: Rig, device: LiteralDevice) -> None:
    await in_use(rig, device)
    await order(rig, device, Delivery.SMS)


async def fulfil(rig: Rig, _device: LiteralDevice) -> None:
    await rig.parts.orders.fulfil()


async def delivered(rig: Rig, device: LiteralDevice) -> tuple[Installed, bytes]:
    await ordered(rig, device)
    await fulfil(rig, device)
    (message,) = rig.store.provisioning.due_controls(rig.world.now, 10)
    return device.install(message.packet, rig.world.tsm_certificate), message.packet


async def on_the_air(rig: Rig, device: LiteralDevice) -> None:
    held, package = await delivered(rig, device)
    await use(rig, held, arrival=confirmation(rig, device, held, package, held.first_piv))


async def paid_with(rig: Rig, device: LiteralDevice) -> None:
    held, _ = await delivered(rig, device)
    await use(rig, held)


async def settle(rig: Rig, _device: LiteralDevice) -> None:
    await rig.parts.arrivals.settle()


async def promote(rig: Rig, _device: LiteralDevice) -> None:
    await rig.parts.promotion.look()


STEPS = (
    Step("enrol", nothing, enrol),
    Step("enrol again with another certificate", renewed, enrol),
    Step("prove", enrol_and_fetch, prove),
    Step("fetch a key in place of a stale one", stale, fetch),
    Step("make an ordered key", ordered, fulfil),
    Step("settle a confirmation", on_the_air, settle),
    Step("promote a key", paid_with, promote),
)


def break_flush(rig: Rig, error: TsmError, *, committed: bool) -> Callable[[], None]:
    """Let the next commit fail, before or after it was done; what is returned makes it work again."""
    flush = rig.store.flush

    def failing() -> NoReturn:
        if committed:
            flush()
        else:
            rig.store._writer._roll_back()
        raise error

    def mend() -> None:
        rig.store.flush = flush  # type: ignore[method-assign]

    rig.store.flush = failing  # type: ignore[method-assign]
    return mend


async def complete(rig: Rig, device: LiteralDevice) -> None:
    """What an agent does that begins anew: enrol, install what there is, prove it."""
    answer = await rig.enrol(device)
    if answer.key_package:
        assert answer.challenge
        device.install(answer.key_package, answer.tsm_certificate)
        await rig.desk.register(rig.who(device), device.proof(answer.challenge))
    standing = rig.standing(device)
    assert standing.device.state.value in {"registered", "active"}
    assert standing.registration
    assert [key.state.value for key in standing.keys].count("current") == 1
    assert (device.installed and device.installed.kid) == next(
        key.kid for key in standing.keys if key.state.value == "current"
    )
    assert broken_links(rig.store.provisioning.audit()) == []


@pytest.mark.parametrize("step", STEPS, ids=[step.name for step in STEPS])
@pytest.mark.parametrize("committed", [False, True], ids=["before the commit", "after it, unanswered"])
def test_a_process_that_dies_at_a_write_leaves_what_the_next_one_completes(
    tmp_path: Path, step: Step, *, committed: bool
) -> None:
    async def play() -> None:
        world = World(tmp_path)
        device = world.device()
        async with Rig(world) as rig:
            await step.prepare(rig, device)
            before = rig.store.provisioning.standing(device.device_id)
            break_flush(rig, StoreBroken(cause="test"), committed=committed)
            with pytest.raises(StoreBroken):
                await step.act(rig, device)
        async with Rig(world) as rig:
            after = rig.store.provisioning.standing(device.device_id)
            assert (after == before) is not committed
            await step.act(rig, device)
            again = rig.store.provisioning.standing(device.device_id)
            assert again
            if committed and after:
                assert again.keys == after.keys, "no second key"
            await fulfil(rig, device)
            await complete(rig, device)

    asyncio.run(asyncio.wait_for(play(), 60))


@pytest.mark.parametrize("step", STEPS, ids=[step.name for step in STEPS])
def test_a_full_store_registers_nothing_and_the_same_process_goes_on_when_there_is_room(
    tmp_path: Path, step: Step
) -> None:
    async def play() -> None:
        world = World(tmp_path)
        device = world.device()
        async with Rig(world) as rig:
            await step.prepare(rig, device)
            before = rig.store.provisioning.standing(device.device_id)
            mend = break_flush(rig, StoreFull(cause="test"), committed=False)
            try:
                await step.act(rig, device)
            except StoreFull:
                pass
            else:  # upkeep puts it off by itself
                assert step.act in {fulfil, settle, promote}
            assert rig.store.provisioning.standing(device.device_id) == before
            mend()
            await step.act(rig, device)
            assert rig.store.provisioning.standing(device.device_id) != before
            await complete(rig, device)

    asyncio.run(asyncio.wait_for(play(), 60))


def test_a_challenge_is_not_used_up_by_a_store_that_is_full(tmp_path: Path) -> None:
    async def play() -> None:
        world = World(tmp_path)
        device = world.device()
        async with Rig(world) as rig:
            await enrol_and_fetch(rig, device)
            challenge = await rig.desk.challenge(rig.who(device))
            proof = device.proof(challenge.challenge)
            mend = break_flush(rig, StoreFull(cause="test"), committed=False)
            with pytest.raises(StoreFull):
                await rig.desk.register(rig.who(device), proof)
            mend()
            done = await rig.desk.register(rig.who(device), proof)
            assert done.state == "registered"

    asyncio.run(asyncio.wait_for(play(), 60))


def test_one_refusal_in_a_group_fails_nobody_else(tmp_path: Path) -> None:
    async def play() -> None:
        world = World(tmp_path)
        async with Rig(world) as rig:
            first = world.device(common="first")
            await rig.register(first)
            thief, honest = world.device(common="thief"), [world.device(common=f"h{n}") for n in range(8)]
            thief.crypto_se = first.crypto_se
            for device in (thief, *honest):
                await enrol_and_fetch(rig, device)
            done = await asyncio.gather(
                *(prove(rig, device) for device in (*honest[:4], thief, *honest[4:])), return_exceptions=True
            )
            assert [type(each).__name__ for each in done if each] == ["SecureElementTaken"]
            assert all(rig.standing(device).registration for device in honest)

    asyncio.run(asyncio.wait_for(play(), 60))
