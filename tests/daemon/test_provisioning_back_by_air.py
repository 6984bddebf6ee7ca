"""A phone without a data connection proves itself with a new key that came as short messages, and only so."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.daemon.provisioning_rig import MSISDN, Rig, played
from tests.daemon.test_provisioning_rekey import confirmation, order, use
from tests.daemon.test_provisioning_suspended import WAYS, while_asked
from tsm_gateway.cli.device_move import resume
from tsm_gateway.registry.control import ControlState
from tsm_gateway.registry.key_package import Delivery
from tsm_gateway.registry.suspension import STRAYED, SuspensionKind
from tsm_gateway.relay.interfaces import StoreBusy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.literal_device import Installed, LiteralDevice
    from tsm_gateway.registry.control import ControlArrival, ControlMessage

NUMBER = "+4915100000001"


async def moved(rig: Rig, device: LiteralDevice, number: str = NUMBER) -> None:
    """It has a new number, or SIM, as an operator notes it."""
    store, at = rig.store.provisioning, rig.world.now
    await rig.write(lambda: store.change_number(device.device_id, number, reason="new SIM", at=at))


async def waits_for_its_proof(rig: Rig) -> LiteralDevice:
    """An active device whose number changed a moment ago."""
    device = rig.world.device()
    await rig.activate(device, msisdn=MSISDN)
    rig.world.now += 9
    await moved(rig, device)
    rig.world.now += 1
    return device


async def sent_key(rig: Rig, device: LiteralDevice) -> tuple[Installed, ControlMessage]:
    """A key is ordered over the air, and the device installs it."""
    await order(rig, device, Delivery.SMS)
    await rig.parts.orders.fulfil()
    (message,) = rig.store.provisioning.due_controls(rig.world.now, 9)
    return device.install(message.packet, rig.world.tsm_certificate), message


def answer(rig: Rig, device: LiteralDevice, held: Installed, message: ControlMessage) -> ControlArrival:
    return confirmation(rig, device, held, message.packet, held.first_piv)


async def came(rig: Rig, held: Installed, arrival: ControlArrival) -> None:
    """The relay took a confirmation, and it is judged."""
    await use(rig, held, arrival=arrival)
    await rig.parts.arrivals.settle()
    assert rig.store.provisioning.control_arrivals(9) == []


def state(rig: Rig, device: LiteralDevice) -> str:
    return rig.standing(device).device.state.value


@pytest.mark.parametrize("before", ["keyed", "registered", "active"])
@pytest.mark.parametrize(("kind", "proves"), WAYS)
def test_a_key_is_sent_and_lifts_a_suspension_where_only_a_proof_does_and_nobody_else_may_have_the_phone(
    tmp_path: Path, before: str, kind: SuspensionKind, proves: bool
) -> None:
    async def story(rig: Rig) -> None:
        device, store = rig.world.device(), rig.store.provisioning
        await {"keyed": rig.enrol, "registered": rig.register, "active": rig.activate}[before](
            device, msisdn=MSISDN
        )
        at = rig.world.now = rig.world.now + 9
        await rig.write(lambda: store.suspend(device.device_id, kind, proof_wanted=proves, reason="x", at=at))
        rig.world.now += 1
        if not proves or kind in STRAYED:
            asked: list[str] = []
            while_asked(rig, lambda: asked.append(device.device_id))
            await order(rig, device, Delivery.SMS)
            await rig.parts.orders.fulfil()
            assert store.controls(device.device_id) == []
            assert len(store.orders(9)) == 1, "it waits for the operator"
            assert rig.logged("rekey.postponed")[-1]["error"] == "device-suspended"
            assert (asked, state(rig, device)) == ([], "suspended")
            return
        held, message = await sent_key(rig, device)
        assert state(rig, device) == "suspended"
        await came(rig, held, answer(rig, device, held, message))
        found = rig.standing(device)
        assert found.device.state.value == ("registered" if before == "keyed" else before)
        assert found.suspension is None
        assert found.registration is not None
        assert found.registration.kid == held.kid
        assert rig.keys(device) == [(2, "current"), (1, "overlap")]
        assert rig.acts(device)[-1][:2] == ("device.register", "done")
        (line,) = [each for each in rig.logged("registration.accepted") if each["bearer"] == "sms"]
        assert line["state"] == found.device.state.value

    played(tmp_path, story)


def test_a_key_made_in_the_second_of_the_suspension_waits_for_the_next_one(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        await moved(rig, device)
        await order(rig, device, Delivery.SMS)
        await rig.parts.orders.fulfil()
        assert rig.keys(device) == [(1, "current")]
        (line,) = rig.logged("rekey.postponed")
        assert (line["error"], line["retry_in_s"]) == ("key-too-early", 1.0)
        rig.world.now += 1
        await rig.parts.orders.fulfil()
        (message,) = rig.store.provisioning.due_controls(rig.world.now, 9)
        held = device.install(message.packet, rig.world.tsm_certificate)
        await came(rig, held, answer(rig, device, held, message))
        assert state(rig, device) == "active"

    played(tmp_path, story)


def test_a_key_ordered_before_the_number_changed_goes_to_the_new_one(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        await order(rig, device, Delivery.SMS)
        rig.world.now += 9
        await moved(rig, device)
        rig.world.now += 1
        await rig.parts.orders.fulfil()
        (message,) = rig.store.provisioning.due_controls(rig.world.now, 9)
        assert message.msisdn == NUMBER
        held = device.install(message.packet, rig.world.tsm_certificate)
        await came(rig, held, answer(rig, device, held, message))
        assert state(rig, device) == "active"

    played(tmp_path, story)


@pytest.mark.parametrize("seconds", [0, 9])
def test_a_proof_of_a_package_of_before_lifts_nothing_and_one_of_after_it_does(
    tmp_path: Path, seconds: int
) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        early, message = await sent_key(rig, device)
        late = answer(rig, device, early, message)
        rig.world.now += seconds
        await moved(rig, device)
        rig.world.now += 1
        held, message = await sent_key(rig, device)
        await came(rig, early, late)
        assert state(rig, device) == "suspended"
        assert rig.acts(device)[-1] == ("device.register", "refused", "device-suspended")
        await came(rig, held, answer(rig, device, held, message))
        assert state(rig, device) == "active"
        assert rig.keys(device) == [(3, "current"), (2, "overlap"), (1, "overlap")]

    played(tmp_path, story)


@pytest.mark.parametrize("number", [NUMBER, "+4915100000002"], ids=["another SIM", "another number"])
def test_a_second_change_of_number_makes_the_key_that_was_sent_worthless(tmp_path: Path, number: str) -> None:
    async def story(rig: Rig) -> None:
        device = await waits_for_its_proof(rig)
        held, message = await sent_key(rig, device)
        rig.world.now += 5
        await moved(rig, device, number)
        assert rig.store.provisioning.due_controls(rig.world.now, 9) == []
        rig.world.now += 5
        await came(rig, held, answer(rig, device, held, message))
        assert state(rig, device) == "suspended"
        held, message = await sent_key(rig, device)
        assert message.msisdn == number
        await came(rig, held, answer(rig, device, held, message))
        assert state(rig, device) == "active"

    played(tmp_path, story)


@pytest.mark.parametrize("kind", [SuspensionKind.LOST, SuspensionKind.STOLEN])
@pytest.mark.parametrize("step", ["ordered", "asked", "queued", "sent"])
def test_a_phone_lost_on_the_way_back_gets_no_key_and_comes_back_by_none(
    tmp_path: Path, kind: SuspensionKind, step: str
) -> None:
    async def story(rig: Rig) -> None:
        device, store = await waits_for_its_proof(rig), rig.store.provisioning

        def strays() -> None:
            store.suspend(device.device_id, kind, proof_wanted=False, reason="", at=rig.world.now)

        if step in {"ordered", "asked"}:
            await order(rig, device, Delivery.SMS)
            if step == "ordered":
                await rig.write(strays)
            else:
                while_asked(rig, strays)
            await rig.parts.orders.fulfil()
            assert rig.keys(device) == [(1, "current")]
            assert store.controls(device.device_id) == []
            return
        held, message = await sent_key(rig, device)
        if step == "sent":
            move = partial(store.move_control, message.message_id, ControlState.SENT)
            await rig.write(partial(move, attempts=1, due_at=0, reason="", at=rig.world.now))
        rig.world.now += 5
        await rig.write(strays)
        assert store.due_controls(rig.world.now + 999, 9) == []
        if step == "queued":
            (given_up,) = store.controls(device.device_id)
            assert (given_up.state, given_up.reason) == (ControlState.FAILED, "suspended")
        arrival = answer(rig, device, held, message)
        await came(rig, held, arrival)
        assert state(rig, device) == "suspended"
        assert rig.acts(device)[-1] == ("device.register", "refused", "device-suspended")
        await rig.write(lambda: resume(rig.store, device.device_id, "found", rig.world.now))
        again = arrival._replace(
            piv=held.first_piv + 1,
            packet=confirmation(rig, device, held, message.packet, held.first_piv + 1).packet,
        )
        await came(rig, held, again)
        assert state(rig, device) == "keyed"
        assert rig.acts(device)[-1] == ("device.register", "refused", "challenge-stale")
        assert rig.keys(device) == [(2, "pending"), (1, "current")]

    played(tmp_path, story)


@pytest.mark.parametrize("awaited", [False, True], ids=["active", "awaited"])
def test_a_change_of_number_while_a_confirmation_is_judged_makes_it_stale(
    tmp_path: Path, *, awaited: bool
) -> None:
    async def story(rig: Rig) -> None:
        if awaited:
            device = await waits_for_its_proof(rig)
        else:
            device = rig.world.device()
            await rig.activate(device, msisdn=MSISDN)
        held, message = await sent_key(rig, device)
        rig.world.now += 5
        async with Rig(rig.world) as operator:
            register, changed = rig.store.provisioning.register, list[str]()

            def held_up(*given: object, **named: object) -> object:
                if not changed:
                    changed.append(device.device_id)
                    operator.store.provisioning.change_number(
                        device.device_id, "+4915100000003", reason="", at=rig.world.now
                    )
                    operator.store.flush()
                return register(*given, **named)  # type: ignore[arg-type]

            settle = rig.store.provisioning.settle_arrival
            # what is staged first holds the lock that the operator needs: here he comes ahead of it
            rig.store.provisioning.register = held_up  # type: ignore[method-assign,assignment]
            rig.store.provisioning.settle_arrival = lambda *_: None  # type: ignore[method-assign]
            arrival = answer(rig, device, held, message)
            await use(rig, held, arrival=arrival)
            await rig.parts.arrivals.settle()
            rig.store.provisioning.settle_arrival = settle  # type: ignore[method-assign]
        assert changed
        assert state(rig, device) == "suspended"
        assert rig.acts(device)[-1] == ("device.register", "refused", "challenge-stale")
        assert rig.keys(device) == [(2, "pending"), (1, "current")]

    played(tmp_path, story)


def test_what_lifts_the_suspension_is_one_transaction_with_its_entry(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device, store = await waits_for_its_proof(rig), rig.store.provisioning
        held, message = await sent_key(rig, device)
        await use(rig, held, arrival=answer(rig, device, held, message))
        before, acts = rig.standing(device), rig.acts(device)
        looked_at = store.suspension

        def busy(_: str) -> None:  # behind all that was staged
            raise StoreBusy

        store.suspension = busy  # type: ignore[method-assign,assignment]
        await rig.parts.arrivals.settle()
        store.suspension = looked_at  # type: ignore[method-assign]
        assert (rig.standing(device), rig.acts(device)) == (before, acts)
        assert len(store.control_arrivals(9)) == 1
        await rig.parts.arrivals.settle()
        assert state(rig, device) == "active"
        assert [each[:2] for each in rig.acts(device)[len(acts) :]] == [("device.register", "done")]
        assert store.control_arrivals(9) == []

    played(tmp_path, story)


def test_a_payment_key_that_waits_confirms_nothing_by_use_while_the_proof_is_awaited(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = await waits_for_its_proof(rig)
        held, _ = await sent_key(rig, device)
        await use(rig, held)
        await rig.parts.promotion.look()
        assert (state(rig, device), rig.keys(device)) == ("suspended", [(2, "pending"), (1, "current")])

    played(tmp_path, story)
