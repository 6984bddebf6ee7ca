"""What the policy does about keys that nobody confirms: again, ever further apart, and not for ever."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.daemon.provisioning_rig import MSISDN, Rig, played
from tests.daemon.test_provisioning_rekey import confirmation, order, use
from tests.provisioning.authority import NOW
from tsm_gateway.daemon.rekey_policy import DAY_S, SILENCE_S, TRIES
from tsm_gateway.registry.control import ControlState
from tsm_gateway.registry.key_package import Delivery
from tsm_gateway.store.key_store import WAITING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.literal_device import LiteralDevice

YEARS = (NOW - DAY_S, NOW + 3 * 365 * DAY_S)
STEP_S = DAY_S // 4


async def active(rig: Rig) -> LiteralDevice:
    """A device whose key is too old by now."""
    device = rig.world.device(lifetime=YEARS)
    await rig.activate(device, msisdn=MSISDN)
    rig.world.now += 31 * DAY_S
    return device


async def carried(rig: Rig, device: LiteralDevice, outcome: ControlState) -> int:
    """What is queued for the device goes so far; how many packages that were."""
    store, at = rig.store.provisioning, rig.world.now
    queued = [each for each in store.controls(device.device_id) if each.state is ControlState.QUEUED]
    for each in queued:
        move = partial(store.move_control, each.message_id, outcome)
        await rig.write(partial(move, attempts=1, due_at=at, reason="", at=at))
    return len(queued)


async def days_of_orders(rig: Rig, device: LiteralDevice, days: int, outcome: ControlState) -> list[int]:
    """On which days, from now on, a key went out to a phone that never answers."""
    start, on = rig.world.now, []
    while rig.world.now <= start + days * DAY_S:
        await rig.parts.policy.look()
        await rig.parts.orders.fulfil()
        on += [(rig.world.now - start) // DAY_S] * await carried(rig, device, outcome)
        rig.world.now += STEP_S
    return on


@pytest.mark.parametrize(
    ("outcome", "days"),
    [(ControlState.SENT, [0, 7, 21, 49]), (ControlState.FAILED, [0, 1, 3, 7])],
    ids=["never confirmed", "never delivered"],
)
def test_a_phone_that_never_answers_is_asked_four_times_and_then_told_of_once(
    tmp_path: Path, outcome: ControlState, days: list[int]
) -> None:
    async def story(rig: Rig) -> None:
        device = await active(rig)
        assert await days_of_orders(rig, device, 120, outcome) == days
        assert [each["reason"] for each in rig.logged("rekey.ordered")] == ["policy: age"] * TRIES
        (line,) = rig.logged("rekey.given_up")
        assert (line["device"], line["count"]) == (device.device_id, TRIES)
        waiting = [(epoch, "pending") for epoch in range(1 + TRIES, 1, -1)]
        assert rig.keys(device) == [*waiting, (1, "current")], "none was retired"
        store, silent = rig.store.provisioning, rig.world.now - SILENCE_S
        assert store.given_up(silent_before=silent, tries=TRIES) == 1

    played(tmp_path, story, rekey_after_days=30, rekey_delivery="sms")


@pytest.mark.parametrize("epoch", [2, 1 + TRIES])
def test_any_of_the_keys_that_wait_may_be_the_one_it_has_and_confirms(tmp_path: Path, epoch: int) -> None:
    async def story(rig: Rig) -> None:
        device = await active(rig)
        await days_of_orders(rig, device, 60, ControlState.SENT)
        packages = rig.standing(device).packages
        package = next(each for each in packages if each.epoch == epoch)
        held = device.install(package.package, rig.world.tsm_certificate)
        came = confirmation(rig, device, held, package.package, held.first_piv)
        await use(rig, held, arrival=came)
        await rig.parts.arrivals.settle()
        states = dict(rig.keys(device))
        assert states.pop(epoch) == "current"
        assert {states[older] for older in range(1, epoch)} == {"overlap"}
        assert {states[newer] for newer in range(epoch + 1, 2 + TRIES)} <= {"pending"}
        store = rig.store.provisioning
        assert store.given_up(silent_before=rig.world.now, tries=TRIES) == 0

    played(tmp_path, story, rekey_after_days=30, rekey_delivery="sms")


def test_an_operators_order_gives_a_phone_another_chance_and_confirmed_it_starts_anew(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = await active(rig)
        await days_of_orders(rig, device, 60, ControlState.SENT)
        assert len(rig.logged("rekey.given_up")) == 1
        await order(rig, device, Delivery.SMS)
        await rig.parts.orders.fulfil()
        assert await carried(rig, device, ControlState.SENT) == 1
        await rig.parts.policy.look()
        assert rig.store.provisioning.orders(9) == []
        package = rig.standing(device).packages[0]
        held = device.install(package.package, rig.world.tsm_certificate)
        await use(rig, held, arrival=confirmation(rig, device, held, package.package, held.first_piv))
        await rig.parts.arrivals.settle()
        assert rig.keys(device)[0] == (2 + TRIES, "current")
        rig.world.now += 31 * DAY_S
        assert await days_of_orders(rig, device, 1, ControlState.SENT) == [0]

    played(tmp_path, story, rekey_after_days=30, rekey_delivery="sms")


@pytest.mark.parametrize("delivery", list(Delivery))
def test_a_key_to_be_fetched_or_on_its_way_is_waited_for(tmp_path: Path, delivery: Delivery) -> None:
    async def story(rig: Rig) -> None:
        device = await active(rig)
        await order(rig, device, delivery)
        await rig.parts.orders.fulfil()
        rig.world.now += 100 * DAY_S
        await rig.parts.policy.look()
        assert rig.store.provisioning.orders(9) == []
        assert rig.keys(device) == [(2, "pending"), (1, "current")]

    played(tmp_path, story, rekey_after_days=30, rekey_delivery="sms")


def test_what_waits_newly_when_the_device_is_looked_at_is_not_overtaken(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = await active(rig)
        await days_of_orders(rig, device, 8, ControlState.SENT)
        rig.world.now += 60 * DAY_S
        store = rig.store.provisioning
        due = store.overdue_keys(created_before=rig.world.now, packets=0, silent_before=rig.world.now)
        await order(rig, device, Delivery.CHANNEL)
        await rig.parts.orders.fulfil()  # between the page and the look at its device
        store.overdue_keys = lambda **_: due  # type: ignore[method-assign]
        await rig.parts.policy.look()
        assert store.orders(9) == []

    played(tmp_path, story, rekey_after_days=30, rekey_delivery="sms")


def test_a_damaged_device_keeps_no_other_from_its_key(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        broken, device = rig.world.device(common="a", lifetime=YEARS), await active(rig)
        rig.world.now -= 31 * DAY_S
        await rig.activate(broken)
        rig.world.now += 31 * DAY_S
        with rig.store._writer.administration() as cursor:
            cursor.execute("UPDATE key_package SET kem = 9 WHERE device_id = ?", (broken.device_id,))
        await rig.parts.policy.look()
        assert [each.device_id for each in rig.store.provisioning.orders(9)] == [device.device_id]

    played(tmp_path, story, rekey_after_days=30)


def test_the_policy_never_makes_so_many_keys_that_the_oldest_has_to_go() -> None:
    assert TRIES < WAITING
