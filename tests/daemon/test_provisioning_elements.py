"""Secure elements: whose id is whose, by the device's word or by its issuer's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.daemon.provisioning_rig import MSISDN, Rig, played
from tests.daemon.test_provisioning_rekey import confirmation, order, use
from tsm_gateway.provisioning.element_id import ElementIdRule
from tsm_gateway.provisioning.proof_errors import ElementIdMismatch
from tsm_gateway.registry.errors import ElementsChanged, SecureElementTaken
from tsm_gateway.registry.key_package import Delivery

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.literal_device import LiteralDevice
    from tsm_gateway.daemon.provisioning_answers import RegistrationAnswer


def named(*serials: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, "se")]
    return x509.Name([*parts, *(x509.NameAttribute(NameOID.SERIAL_NUMBER, each) for each in serials)])


def bound(rig: Rig) -> None:
    """The issuer's word counts from now on."""
    rule = ElementIdRule.SERIAL_NUMBER
    issuers = tuple(each._replace(element_id=rule) for each in rig.held.now.issuers)
    rig.held.now = replace(rig.held.now, issuers=issuers)


async def prove(rig: Rig, device: LiteralDevice) -> RegistrationAnswer:
    challenge = await rig.desk.challenge(rig.who(device))
    return await rig.desk.register(rig.who(device), device.proof(challenge.challenge))


def test_a_claim_that_was_first_is_named_and_freed_by_an_operator(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        owner, thief = rig.world.device(common="owner"), rig.world.device(common="thief")
        store, at = rig.store.provisioning, rig.world.now
        own = thief.crypto_se, thief.app_se
        thief.crypto_se, thief.app_se = owner.crypto_se, owner.app_se
        await rig.register(thief)
        with pytest.raises(SecureElementTaken):
            await rig.register(owner)
        facts = dict(next(reversed(store.audit())).entry.facts)
        wanted = f"{owner.crypto_se.hex()} {owner.app_se.hex()}"
        assert facts == {"elements": wanted, "holder": thief.device_id}
        assert owner.crypto_se.hex() in rig.logged("registration.refused")[-1]["problem"]
        thief.crypto_se, thief.app_se = own
        with pytest.raises(ElementsChanged):
            await prove(rig, thief)
        assert rig.acts(thief)[-1] == ("device.register", "refused", "elements-changed")
        await rig.write(lambda: store.forget_elements(thief.device_id, reason="claimed", at=at))
        assert (await prove(rig, owner)).state == "registered"

    played(tmp_path, story)


@pytest.mark.parametrize(
    ("serials", "believed"),
    [
        (("{}",), True),
        (("upper",), True),
        ((), False),
        (("{}", "{}"), False),
        (("00{}",), False),
        (("not hexadecimal",), False),
        (("another",), False),
    ],
)
def test_an_issuer_that_names_the_element_is_believed_and_nobody_else(
    tmp_path: Path, serials: tuple[str, ...], believed: bool
) -> None:
    async def story(rig: Rig) -> None:
        bound(rig)
        device = rig.world.device()
        own = device.crypto_se.hex()
        texts = {"upper": own.upper(), "another": "0011223344556677"}
        device.certify(subject=named(*(texts.get(each, each.format(own)) for each in serials)))
        if believed:
            await rig.register(device)
            assert rig.standing(device).device.state.value == "registered"
            return
        with pytest.raises(ElementIdMismatch):
            await rig.register(device)
        assert rig.standing(device).registration is None
        assert rig.acts(device)[-1] == ("device.register", "refused", "element-id-mismatch")

    played(tmp_path, story)


@pytest.mark.parametrize("strict_first", [True, False])
def test_of_two_issuers_that_vouch_for_a_device_the_stricter_decides(
    tmp_path: Path, *, strict_first: bool
) -> None:
    async def story(rig: Rig) -> None:
        (lax,) = rig.held.now.issuers
        strict = lax._replace(name="strict", element_id=ElementIdRule.SERIAL_NUMBER)
        rig.held.now = replace(rig.held.now, issuers=(strict, lax) if strict_first else (lax, strict))
        with pytest.raises(ElementIdMismatch):
            await rig.register(rig.world.device())

    played(tmp_path, story)


def test_a_thief_cannot_claim_an_element_that_the_issuer_gave_another(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        bound(rig)
        owner, thief = rig.world.device(common="owner"), rig.world.device(common="thief")
        for device in (owner, thief):
            device.certify(subject=named(device.crypto_se.hex()))
        thief.crypto_se = owner.crypto_se
        with pytest.raises(ElementIdMismatch):
            await rig.register(thief)
        await rig.register(owner)

    played(tmp_path, story)


def test_over_the_air_the_issuers_word_counts_as_well_whatever_it_is_called_by_now(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        await order(rig, device, Delivery.SMS)
        await rig.parts.orders.fulfil()
        bound(rig)
        rig.held.now = replace(
            rig.held.now, issuers=tuple(each._replace(name="renamed") for each in rig.held.now.issuers)
        )
        package = rig.standing(device).packages[0].package
        held = device.install(package, rig.held.now.tsm_certificate)
        await use(rig, held, arrival=confirmation(rig, device, held, package, held.first_piv))
        await rig.parts.arrivals.settle()
        assert rig.acts(device)[-1] == ("device.register", "refused", "element-id-mismatch")
        assert rig.keys(device) == [(2, "pending"), (1, "current")]

    played(tmp_path, story)
