"""New keys while everything around them breaks: no payment is lost, and no phone is locked out."""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.crash.town import Town
from tests.faults.premises import NUMBER
from tsm_gateway.virtual.security_domain import SecurityDomain
from tsm_gateway.virtual.sms_keying import SmsKeying

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.premises import Phone
    from tests.faults.zygote import Zygote
    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.party_records import HandsetRecord

# Python's ssl forgets a socket whose peer resets it between connecting and the handshake.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


def fetch_and_be_cut_off(phone: Phone) -> None:
    """The package is fetched and installed; its confirmation never gets out."""
    with phone.channel() as channel:
        answer = channel.ask("GET", "/v1/key-package")
    domain = SecurityDomain(phone.record)
    octets, certificate = (base64.b64decode(answer[each]) for each in ("key_package", "tsm_certificate"))
    assert domain.install(octets, int(time.time()), certificate)
    phone.keep(domain.record)


def with_waiting_key(record: HandsetRecord) -> HandsetRecord:
    assert record.element
    waiting = record.element.waiting
    assert waiting
    return replace(record, kid=waiting.kid, key=waiting.key, next_piv=waiting.next_piv)


@pytest.mark.timeout(90)
def test_with_a_lost_confirmation_a_phone_pays_under_either_key_until_use_confirms_the_new_one(
    tmp_path: Path, zygote: Zygote
) -> None:
    async def run() -> None:
        async with Town(tmp_path, zygote) as town:
            phone = await town.active_phone()
            _, old = await town.pay(phone.record)
            town.operator("rekey", phone.record.device_id, "--reason", "test")
            _, old = await town.pay(old)  # ordered
            await town.until(lambda: len(town.standing(phone).keys) == 2, "a new key")
            await asyncio.to_thread(fetch_and_be_cut_off, phone)
            new = with_waiting_key(phone.record)
            _, old = await town.pay(old)  # delivered, and not used
            assert town.states(phone) == {new.kid: "pending", old.kid: "current"}
            await town.killed(town.provisioning)
            for _ in range(3):
                _, new = await town.pay(new)
                _, old = await town.pay(old)
            await town.killed(town.relay)
            await town.start_relay()
            _, new = await town.pay(new)
            _, old = await town.pay(old)
            await town.start_provisioning()
            expected = {new.kid: "current", old.kid: "overlap"}
            await town.until(lambda: town.states(phone) == expected, "use confirms the new key")
            _, new = await town.pay(new)
            await town.pay(old)  # what was on its way
            phone.state = await asyncio.to_thread(phone.enrol)
            assert phone.state == "active"
            assert phone.record.kid == new.kid
            verdict = await town.verdict()
            assert verdict.problems == []
            assert verdict.delivered == verdict.acknowledged == verdict.paid == 13
            assert await town.stopped() == [0, 0]
            assert town.premises.problems([phone], epoch=2) == []

    asyncio.run(run())


class ByAir:
    """A phone that is given its key by short messages; the first part it hears of is told."""

    def __init__(self, town: Town, phone: Phone) -> None:
        self._town, self._phone = town, phone
        self.came: list[Part] = []
        self.confirmations: list[list[Part]] = []
        self.keying = SmsKeying(SecurityDomain(phone.record), gateway=NUMBER, keep=phone.keep)
        town.inbox(phone, self.take)

    def take(self, part: Part) -> None:
        self.came.append(part)
        confirmation = self.keying.receive(part, int(time.time()))
        if confirmation:
            self.confirmations.append(confirmation)


@pytest.mark.timeout(120)
def test_a_key_sent_by_short_messages_arrives_and_is_confirmed_though_both_processes_are_killed_between(
    tmp_path: Path, zygote: Zygote
) -> None:
    async def run() -> None:
        async with Town(tmp_path, zygote) as town:
            phone = await town.active_phone()
            old = phone.record
            air = ByAir(town, phone)
            await town.killed(town.relay)
            town.operator("rekey", old.device_id, "--delivery", "sms")
            await town.until(lambda: len(town.standing(phone).keys) == 2, "a new key")
            await town.killed(town.provisioning)
            await town.start_relay()
            await town.until(lambda: air.came, "a part of the package")
            await town.killed(town.relay)
            await town.start_relay()
            await town.until(lambda: air.confirmations, "a package that was opened")
            assert phone.record.kid != old.kid
            _, old = await town.pay(old)  # the confirmation is on its way
            assert set(await asyncio.wait_for(town.smsc.send(air.confirmations[0]), 30)) == {0}
            await town.killed(town.relay)
            await town.start_relay()
            assert town.states(phone)[phone.record.kid] == "pending"
            await town.start_provisioning()
            settled = {phone.record.kid: "current", old.kid: "overlap"}
            await town.until(lambda: town.states(phone) == settled, "the confirmation is judged")
            _, record = await town.pay(phone.record)
            phone.keep(record)
            await town.pay(old)
            verdict = await town.verdict()
            assert verdict.problems == []
            assert verdict.delivered == verdict.acknowledged == verdict.paid == 3
            assert not air.keying.refusals
            (registered,) = town.provisioning.events("registration.accepted")
            assert registered["device"] == phone.record.device_id
            assert await town.stopped() == [0, 0]
            assert town.premises.problems([phone], epoch=2) == []

    asyncio.run(run())
