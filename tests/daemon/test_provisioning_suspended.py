"""Phones in the wrong hands, and found again: what reaches a suspended device, and what it gets done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.daemon.provisioning_rig import MSISDN, Rig, played
from tests.daemon.test_provisioning_rekey import confirmation, order, use
from tsm_gateway.cli.device_move import resume, suspend
from tsm_gateway.daemon.provisioning_answers import DeviceSuspended, DeviceTerminated
from tsm_gateway.errors import TsmError
from tsm_gateway.registry.errors import ProofWanted
from tsm_gateway.registry.key_package import Delivery
from tsm_gateway.registry.suspension import SuspensionKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.daemon.literal_device import Installed, LiteralDevice
    from tsm_gateway.provisioning.device_trust import TrustedDevice

NUMBER = "+4915100000001"


async def stolen(rig: Rig, device: LiteralDevice, kind: SuspensionKind = SuspensionKind.STOLEN) -> None:
    store, at = rig.store.provisioning, rig.world.now
    await rig.write(
        lambda: store.suspend(device.device_id, kind, proof_wanted=False, reason="reported", at=at)
    )


async def ordered(rig: Rig, device: LiteralDevice, delivery: Delivery) -> Installed:
    """An active device with a second key, which it has not confirmed."""
    await rig.activate(device, msisdn=MSISDN)
    await order(rig, device, delivery)
    await rig.parts.orders.fulfil()
    package = rig.standing(device).packages[0]
    return device.install(package.package, rig.held.now.tsm_certificate)


def while_asked(rig: Rig, act: Callable[[], object]) -> None:
    """`act` is done while the issuer is asked about a certificate."""
    judge = rig.parts.judge
    asked = judge.device

    async def slow(der: bytes) -> TrustedDevice:
        judge.device = asked  # type: ignore[method-assign]
        await rig.write(act)
        return await asked(der)

    judge.device = slow  # type: ignore[method-assign]


@pytest.mark.parametrize("kind", [SuspensionKind.LOST, SuspensionKind.STOLEN])
def test_an_unpaid_bill_on_top_of_a_theft_spares_nobody_the_new_key(
    tmp_path: Path, kind: SuspensionKind
) -> None:
    async def story(rig: Rig) -> None:
        device, store = rig.world.device(), rig.store
        await rig.activate(device)
        at = rig.world.now
        await stolen(rig, device, kind)
        await rig.write(lambda: suspend(store, device.device_id, "unpaid", at))
        await rig.write(lambda: resume(store, device.device_id, "found and paid", at))
        assert [each.reason for each in store.provisioning.orders(9)] == [f"resumed after {kind.value}"]
        await rig.parts.orders.fulfil()
        assert rig.keys(device) == [(2, "pending"), (1, "current")]

    played(tmp_path, story)


@pytest.mark.parametrize("delivery", list(Delivery))
def test_a_phone_stolen_while_its_issuer_is_asked_gets_no_key(tmp_path: Path, delivery: Delivery) -> None:
    async def story(rig: Rig) -> None:
        device, store, at = rig.world.device(), rig.store.provisioning, rig.world.now
        await rig.activate(device, msisdn=MSISDN)
        await order(rig, device, delivery)
        wanted = store.orders(9)
        kind = SuspensionKind.STOLEN
        while_asked(
            rig,
            lambda: store.suspend(device.device_id, kind, proof_wanted=False, reason="", at=at),
        )
        await rig.parts.orders.fulfil()
        assert rig.keys(device) == [(1, "current")]
        assert store.due_controls(at + 9, 9) == []
        assert store.orders(9) == wanted

    played(tmp_path, story)


def test_nobody_is_asked_about_a_stolen_phone_that_is_owed_a_key_over_the_air(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device, asked = rig.world.device(), []
        await rig.activate(device, msisdn=MSISDN)
        await order(rig, device, Delivery.SMS)
        await stolen(rig, device)
        while_asked(rig, lambda: asked.append(device.device_id))
        await rig.parts.orders.fulfil()
        assert rig.keys(device) == [(1, "current")]
        assert rig.logged("rekey.postponed")[-1]["error"] == "device-suspended"
        assert asked == []

    played(tmp_path, story)


def test_a_number_changed_while_the_issuer_is_asked_is_the_one_that_is_sent_to(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device, store, at = rig.world.device(), rig.store.provisioning, rig.world.now
        await rig.enrol(device, msisdn=MSISDN)
        await order(rig, device, Delivery.SMS)
        while_asked(rig, lambda: store.change_number(device.device_id, NUMBER, reason="", at=at))
        await rig.parts.orders.fulfil()
        assert [each.msisdn for each in store.due_controls(at, 9)] == [NUMBER]

    played(tmp_path, story)


@pytest.mark.parametrize("terminated", [False, True])
def test_a_device_suspended_while_it_enrols_again_is_told_so(tmp_path: Path, terminated: bool) -> None:
    async def story(rig: Rig) -> None:
        device, store, at = rig.world.device("x25519"), rig.store.provisioning, rig.world.now
        await rig.enrol(device)
        before = rig.standing(device)
        device.certify()
        judge = rig.parts.judge
        asked = judge.key_certificate

        async def slow(der: bytes, who: TrustedDevice) -> object:
            found = await asked(der, who)
            kind = SuspensionKind.STOLEN
            await stolen(rig, device, kind)
            if terminated:
                await rig.write(lambda: store.terminate(device.device_id, reason="", at=at))
            return found

        judge.key_certificate = slow  # type: ignore[assignment, method-assign]
        with pytest.raises(DeviceTerminated if terminated else DeviceSuspended):
            await rig.enrol(device)
        found = rig.standing(device)
        assert (found.enrolment, found.device.certificate) == (before.enrolment, before.device.certificate)
        assert [key.kid for key in found.keys] == [key.kid for key in before.keys]

    played(tmp_path, story)


def test_a_stolen_phones_confirmation_makes_no_key_current_then_or_later(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device, store = rig.world.device(), rig.store
        held = await ordered(rig, device, Delivery.SMS)
        await stolen(rig, device)
        package = store.provisioning.standing(device.device_id).packages[0].package  # type: ignore[union-attr]
        came = confirmation(rig, device, held, package, held.first_piv)
        await use(rig, held, arrival=came)
        for _ in range(2):
            await rig.parts.promotion.look()
            await rig.parts.arrivals.settle()
        assert rig.keys(device) == [(2, "pending"), (1, "current")]
        assert rig.acts(device)[-1] == ("device.register", "refused", "device-suspended")
        await rig.write(lambda: resume(store, device.device_id, "found", rig.world.now))
        await rig.parts.promotion.look()
        assert rig.keys(device) == [(2, "pending"), (1, "current")]

    played(tmp_path, story)


def test_a_proof_made_before_the_theft_is_not_the_one_that_is_owed_after_it(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device, store = rig.world.device(), rig.store
        held = await ordered(rig, device, Delivery.SMS)
        package = rig.standing(device).packages[0].package
        came = confirmation(rig, device, held, package, held.first_piv)
        rig.world.now += 60
        await rig.write(
            lambda: store.provisioning.change_number(
                device.device_id, NUMBER, reason="new sim", at=rig.world.now
            )
        )
        await stolen(rig, device)
        await rig.write(lambda: resume(store, device.device_id, "found", rig.world.now))
        await use(rig, held, arrival=came)
        await rig.parts.arrivals.settle()
        assert rig.standing(device).device.state.value == "keyed"
        assert rig.acts(device)[-1] == ("device.register", "refused", "challenge-stale")
        rig.world.now += 1  # the key that was ordered when it came back is what it proves itself with
        await rig.parts.orders.fulfil()
        package = rig.standing(device).packages[0].package
        held = device.install(package, rig.held.now.tsm_certificate)
        challenge = await rig.desk.challenge(rig.who(device))
        answer = await rig.desk.register(rig.who(device), device.proof(challenge.challenge))
        assert answer.state == "registered"

    played(tmp_path, story)


# --- every state, kind and way back, by what the device tries ---

ASKS = ("enrolment", "key package", "challenge", "status")
WAYS = [(kind, proves) for kind in SuspensionKind for proves in (False, True)]


async def tries(rig: Rig, device: LiteralDevice) -> dict[str, str]:
    """What the device gets for each thing it can ask: "" or the code of the refusal."""
    who = rig.who(device)
    asked = {
        "enrolment": lambda: rig.enrol(device),
        "key package": lambda: rig.desk.key_package(who),
        "challenge": lambda: rig.desk.challenge(who),
        "status": lambda: rig.desk.status(who),
    }
    told = {}
    for name in ASKS:
        try:
            await asked[name]()
            told[name] = ""
        except TsmError as error:
            told[name] = error.code
    return told


@pytest.mark.parametrize("state", ["keyed", "registered", "active"])
@pytest.mark.parametrize(("kind", "proves"), WAYS)
def test_what_a_suspended_device_gets_and_how_it_comes_back(
    tmp_path: Path, state: str, kind: SuspensionKind, proves: bool
) -> None:
    async def story(rig: Rig) -> None:
        device, store = rig.world.device(), rig.store.provisioning
        arrive = {"keyed": rig.enrol, "registered": rig.register, "active": rig.activate}[state]
        answer = await arrive(device)
        device.install(answer.key_package or b"", answer.tsm_certificate) if state == "keyed" else None
        early = await rig.desk.challenge(rig.who(device))
        rig.world.now += 9
        at = rig.world.now
        await rig.write(lambda: store.suspend(device.device_id, kind, proof_wanted=proves, reason="x", at=at))
        with pytest.raises(TsmError) as caught:  # a proof of before, whatever the suspension
            await rig.desk.register(rig.who(device), device.proof(early.challenge))
        assert caught.value.code == ("challenge-stale" if proves else "device-suspended")
        shut = "" if proves else "device-suspended"
        package = ("" if state == "keyed" else "no-key-package") if proves else "device-suspended"
        assert await tries(rig, device) == {
            "enrolment": "device-suspended",
            "key package": package,
            "challenge": shut,
            "status": "",
        }
        if proves:
            with pytest.raises(ProofWanted):
                await rig.write(lambda: resume(rig.store, device.device_id, "asked", at))
            challenge = await rig.desk.challenge(rig.who(device))
            back = await rig.desk.register(rig.who(device), device.proof(challenge.challenge))
            assert back.state == ("registered" if state == "keyed" else state)
        else:
            await rig.write(lambda: resume(rig.store, device.device_id, "found", at))
            assert rig.standing(device).device.state.value == state
            await rig.parts.orders.fulfil()
            fresh = 2 if kind in {SuspensionKind.LOST, SuspensionKind.STOLEN} else 1
            assert rig.keys(device)[0][0] == fresh

    played(tmp_path, story)
