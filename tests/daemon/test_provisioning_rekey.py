"""New keys for devices in use: ordered, by policy, over the air; nobody is ever locked out."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from tests.daemon.provisioning_rig import MASTERS, MSISDN, Rig, played
from tests.provisioning.authority import DAY
from tsm_gateway.daemon.key_maker import KeyMaker, MadeKey
from tsm_gateway.daemon.provisioning_answers import NoKeyPackage
from tsm_gateway.envelope.replay import strike
from tsm_gateway.keys.wrap import MasterKey, MasterKeys
from tsm_gateway.registry.control import ControlArrival, ControlState
from tsm_gateway.registry.key_package import Delivery, KeyOrder
from tsm_gateway.relay.interfaces import Batch, WindowMove
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.literal_device import Installed, LiteralDevice


async def order(rig: Rig, device: LiteralDevice, delivery: Delivery = Delivery.CHANNEL) -> None:
    wanted = KeyOrder(device.device_id, delivery, "told to", rig.world.now)
    await rig.write(lambda: rig.store.provisioning.order(wanted))


async def use(rig: Rig, held: Installed, ahead: int = 1, *, arrival: ControlArrival | None = None) -> None:
    """As the relay writes it when a packet came."""
    window = rig.store.registry.window_of(held.kid)
    assert window is not None
    moved = WindowMove(held.kid, window, strike(window, max(window[0], held.first_piv - 1) + ahead))
    batch = Batch(windows=[moved], controls=[arrival] if arrival else [])
    await rig.write(lambda: rig.store.stage(batch))


def confirmation(
    rig: Rig, device: LiteralDevice, held: Installed, package: bytes, piv: int, **wrong: Any
) -> ControlArrival:
    proof = device.proof(sha256(package).digest(), held, **wrong)
    packet = device.confirmation_packet(proof, held, piv)
    return ControlArrival(held.kid, piv, device.device_id, packet, rig.world.now)


def test_an_ordered_key_is_made_fetched_proved_and_the_old_one_overlaps(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        who = rig.who(device)
        with pytest.raises(NoKeyPackage):
            await rig.desk.key_package(who)
        await order(rig, device)
        await rig.parts.orders.fulfil()
        assert rig.store.provisioning.orders(10) == []
        assert rig.keys(device) == [(2, "pending"), (1, "current")]
        status = await rig.desk.status(who)
        assert status.key_package_waiting
        package = await rig.desk.key_package(who)
        assert (await rig.desk.key_package(who)) == package
        device.install(package.key_package, package.tsm_certificate)
        challenge = await rig.desk.challenge(who)
        assert (challenge.kid, challenge.epoch) == (package.kid, 2)
        done = await rig.desk.register(who, device.proof(challenge.challenge))
        assert (done.state, done.epoch) == ("active", 2)
        assert rig.keys(device) == [(2, "current"), (1, "overlap")]
        rig.world.now += 259_200 + 1
        await rig.write(lambda: rig.store.purge(rig.world.now, DAY, DAY, 100))
        assert rig.keys(device) == [(2, "current"), (1, "retired")]

    played(tmp_path, story)


def test_an_order_is_carried_out_at_once_for_the_device_that_asks_and_once_only(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        await order(rig, device)
        (ordered,) = rig.store.provisioning.orders(10)
        assert (await rig.desk.key_package(rig.who(device))).epoch == 2
        assert rig.store.provisioning.orders(10) == []
        await rig.parts.orders._keying.fulfil(ordered)  # upkeep had read it before the device asked
        assert rig.keys(device) == [(2, "pending"), (1, "current")]

    played(tmp_path, story)


def test_an_order_for_the_air_is_left_to_the_air(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        await order(rig, device, Delivery.SMS)
        with pytest.raises(NoKeyPackage):
            await rig.desk.key_package(rig.who(device))

    played(tmp_path, story)


def test_a_key_that_waits_retires_nothing_however_many_follow_it(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        for _ in range(3):
            await order(rig, device)
            await rig.parts.orders.fulfil()
        assert rig.keys(device) == [(4, "pending"), (3, "pending"), (2, "pending"), (1, "current")]
        package = await rig.desk.key_package(rig.who(device))
        assert package.epoch == 4
        device.install(package.key_package, package.tsm_certificate)
        challenge = await rig.desk.challenge(rig.who(device))
        await rig.desk.register(rig.who(device), device.proof(challenge.challenge))
        assert [state for _, state in rig.keys(device)] == ["current", "overlap", "overlap", "overlap"]

    played(tmp_path, story)


def test_a_lost_confirmation_is_made_good_by_the_use_of_the_key(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        await order(rig, device)
        await rig.parts.orders.fulfil()
        package = await rig.desk.key_package(rig.who(device))
        held = device.install(package.key_package, package.tsm_certificate)
        await rig.parts.promotion.look()
        assert rig.keys(device) == [(2, "pending"), (1, "current")], "fetched is not used"
        await use(rig, held)
        await rig.parts.promotion.look()
        assert rig.keys(device) == [(2, "current"), (1, "overlap")]
        (line,) = rig.logged("rekey.confirmed")
        assert line["epoch"] == 2
        with pytest.raises(NoKeyPackage):
            await rig.desk.key_package(rig.who(device))
        challenge = await rig.desk.challenge(rig.who(device))
        assert challenge.kid == held.kid
        await rig.desk.register(rig.who(device), device.proof(challenge.challenge))

    played(tmp_path, story)


def test_a_key_over_the_air_goes_out_and_its_confirmation_comes_in(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        rig.world.now += 60
        await order(rig, device, Delivery.SMS)
        await rig.parts.orders.fulfil()
        (message,) = rig.store.provisioning.due_controls(rig.world.now, 10)
        assert (message.msisdn, message.state) == (MSISDN, ControlState.QUEUED)
        assert len(message.packet) <= 256, "two short messages"
        held = device.install(message.packet, rig.world.tsm_certificate)
        arrival = confirmation(rig, device, held, message.packet, held.first_piv)
        await use(rig, held, arrival=arrival)
        await rig.parts.arrivals.settle()
        assert rig.store.provisioning.control_arrivals(10) == []
        assert rig.keys(device) == [(2, "current"), (1, "overlap")]
        registration = rig.standing(device).registration
        assert registration
        assert registration.kid == held.kid
        (line,) = [each for each in rig.logged("registration.accepted") if each["bearer"] == "sms"]
        assert line["state"] == "active"
        before = rig.standing(device)
        await use(
            rig,
            held,
            arrival=arrival._replace(
                piv=held.first_piv + 1,
                packet=device.confirmation_packet(registration.proof, held, held.first_piv + 1),
            ),
        )
        await rig.parts.arrivals.settle()
        assert rig.standing(device) == before, "the same proof again changes nothing"
        assert rig.store.provisioning.control_arrivals(10) == []

    played(tmp_path, story)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"confirm": bytes(16)}, "confirmation-wrong"),
        ({"device_id": "d:0000000000000000"}, "proof-wrong-device"),
        ({"kid": bytes(4)}, "proof-wrong-key"),
    ],
)
def test_a_wrong_confirmation_over_the_air_is_dropped_and_noted(
    tmp_path: Path, wrong: dict[str, Any], code: str
) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        await order(rig, device, Delivery.SMS)
        await rig.parts.orders.fulfil()
        (message,) = rig.store.provisioning.due_controls(rig.world.now, 10)
        held = device.install(message.packet, rig.world.tsm_certificate)
        arrival = confirmation(rig, device, held, message.packet, held.first_piv, **wrong)
        await use(rig, held, arrival=arrival)
        await rig.parts.arrivals.settle()
        assert rig.store.provisioning.control_arrivals(10) == []
        assert rig.keys(device) == [(2, "pending"), (1, "current")]
        assert rig.acts(device)[-1] == ("device.register", "refused", code)
        assert rig.logged("registration.refused")[-1]["error"] == code

    played(tmp_path, story)


def test_a_confirmation_for_another_package_or_with_octets_of_nobody_is_refused(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        await order(rig, device, Delivery.SMS)
        await rig.parts.orders.fulfil()
        (message,) = rig.store.provisioning.due_controls(rig.world.now, 10)
        held = device.install(message.packet, rig.world.tsm_certificate)
        other = confirmation(rig, device, held, b"another package", held.first_piv)
        await use(rig, held, arrival=other)
        await rig.parts.arrivals.settle()
        assert rig.acts(device)[-1][2] == "challenge-mismatch"
        torn = other._replace(piv=held.first_piv + 1, packet=b"\x83\x00")
        await use(rig, held, arrival=torn)
        await rig.parts.arrivals.settle()
        assert rig.acts(device)[-1][2] == "malformed"
        assert rig.keys(device) == [(2, "pending"), (1, "current")]

    played(tmp_path, story)


def test_a_confirmation_under_way_when_the_number_changed_lifts_no_suspension(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        await order(rig, device, Delivery.SMS)
        await rig.parts.orders.fulfil()
        (message,) = rig.store.provisioning.due_controls(rig.world.now, 10)
        held = device.install(message.packet, rig.world.tsm_certificate)
        await use(rig, held, arrival=confirmation(rig, device, held, message.packet, held.first_piv))
        rig.world.now += 10
        await rig.write(
            lambda: rig.store.provisioning.change_number(
                device.device_id, "+49301234567", reason="new SIM", at=rig.world.now
            )
        )
        await rig.parts.arrivals.settle()
        assert rig.standing(device).device.state.value == "suspended"
        assert rig.acts(device)[-1] == ("device.register", "refused", "device-suspended")

    played(tmp_path, story)


def test_what_is_no_fault_of_the_device_leaves_its_confirmation_for_later(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        await order(rig, device, Delivery.SMS)
        await rig.parts.orders.fulfil()
        (message,) = rig.store.provisioning.due_controls(rig.world.now, 10)
        held = device.install(message.packet, rig.world.tsm_certificate)
        await use(rig, held, arrival=confirmation(rig, device, held, message.packet, held.first_piv))
        before = rig.held.now
        rig.held.now = replace(before, masters=MasterKeys([MasterKey(2, Secret(bytes(32)))]))
        await rig.parts.arrivals.settle()
        assert len(rig.store.provisioning.control_arrivals(10)) == 1
        assert rig.logged("rekey.postponed")[-1]["error"] == "master-key-missing"
        rig.held.now = before
        await rig.parts.arrivals.settle()
        assert len(rig.store.provisioning.control_arrivals(10)) == 1, "not before its time"
        rig.ahead_s += 31
        await rig.parts.arrivals.settle()
        assert rig.keys(device) == [(2, "current"), (1, "overlap")]

    played(tmp_path, story)


def test_an_order_that_cannot_be_carried_out_waits_longer_each_time_and_holds_up_no_other(
    tmp_path: Path,
) -> None:
    async def story(rig: Rig) -> None:
        silent, device = rig.world.device(common="a"), rig.world.device(common="b")
        await rig.activate(silent)
        await rig.activate(device, msisdn=MSISDN)
        await order(rig, silent, Delivery.SMS)
        await order(rig, device, Delivery.SMS)
        for _ in range(3):
            await rig.parts.orders.fulfil()
        (line,) = rig.logged("rekey.postponed")
        assert (line["device"], line["error"]) == (silent.device_id, "number-unknown")
        assert rig.keys(device) == [(2, "pending"), (1, "current")]
        rig.ahead_s += 31
        await rig.parts.orders.fulfil()
        assert [each["retry_in_s"] for each in rig.logged("rekey.postponed")] == [30, 60]
        await rig.write(
            lambda: rig.store.provisioning.change_number(
                silent.device_id, "+49301234567", reason="told", at=rig.world.now
            )
        )

    played(tmp_path, story)


def test_no_key_is_made_for_a_device_that_is_not_to_be_believed_any_more(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        await order(rig, device, Delivery.SMS)
        rig.world.now += 11 * DAY  # its certificate is over
        await rig.parts.orders.fulfil()
        assert rig.keys(device) == [(1, "current")]
        assert rig.logged("rekey.postponed")[-1]["error"] == "certificate-expired"

    played(tmp_path, story)


def test_keys_too_old_are_replaced_by_the_policy_once(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        old, young = rig.world.device(common="old"), rig.world.device(common="young")
        await rig.activate(old)
        rig.world.now += 5 * DAY
        await rig.activate(young)
        rig.world.now += 3 * DAY
        for _ in range(2):
            await rig.parts.policy.look()
            await rig.parts.orders.fulfil()
        assert rig.keys(old) == [(2, "pending"), (1, "current")]
        assert rig.keys(young) == [(1, "current")]
        (line,) = rig.logged("rekey.ordered")
        assert line["reason"] == "policy: age"
        assert line["delivery"] == "channel", "without a number nothing can be sent"

    played(tmp_path, story, rekey_after_days=7, rekey_delivery="sms")


def test_keys_used_too_often_are_replaced_by_the_policy(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        held = device.installed
        assert held
        await use(rig, held, 90)
        await rig.parts.policy.look()
        assert rig.store.provisioning.orders(10) == []
        await use(rig, held, 20)
        await rig.parts.policy.look()
        assert rig.store.provisioning.orders(10) == [], "a key of this very day is not replaced"
        rig.world.now += DAY
        await rig.parts.policy.look()
        (wanted,) = rig.store.provisioning.orders(10)
        assert (wanted.delivery, wanted.reason) == (Delivery.SMS, "policy: packets")

    played(tmp_path, story, rekey_after_packets=100, rekey_delivery="sms")


def test_epochs_only_rise(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        rig.store.resync(advance=0, demand_new_keys=True)
        seen = []
        for _ in range(3):
            package = await rig.desk.key_package(rig.who(device))
            seen.append(package.epoch)
            device.install(package.key_package, package.tsm_certificate)
            await order(rig, device)
            await rig.parts.orders.fulfil()
        assert seen == [2, 3, 4]

    played(tmp_path, story)


@pytest.mark.parametrize("first_key", [True, False])
def test_a_key_made_while_the_master_is_rotated_is_stored_under_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, first_key: bool
) -> None:
    async def story(rig: Rig) -> None:
        device, make = rig.world.device(), KeyMaker.make
        if not first_key:
            await rig.activate(device)
            await order(rig, device)

        def rotated_meanwhile(self: KeyMaker, *given: Any, **named: Any) -> MadeKey:
            made = make(self, *given, **named)
            monkeypatch.setattr(KeyMaker, "make", make)
            masters = MasterKeys([MASTERS.current, MasterKey(2, Secret(bytes(range(32))))])
            rig.held.now = replace(rig.held.now, masters=masters)
            return made

        monkeypatch.setattr(KeyMaker, "make", rotated_meanwhile)
        if first_key:
            await rig.enrol(device)
        else:
            await rig.parts.orders.fulfil()
        assert rig.standing(device).keys[0].master_version == 2

    played(tmp_path, story)
