"""A key ordered by SMS travels through both real daemons to a handset, and its confirmation back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tsm_gateway.cli.demo_application import publish_for_all
from tsm_gateway.cli.demo_enrolment import outfit_handsets, until_listening
from tsm_gateway.cli.demo_process import DaemonProcess
from tsm_gateway.cli.demo_stage import ADDRESS, PASSWORD, SYSTEM_ID, Stage, set_up
from tsm_gateway.registry.device import KeyState
from tsm_gateway.registry.key_package import Delivery, KeyOrder
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.security_domain import SecurityDomain
from tsm_gateway.virtual.sms_keying import SmsKeying
from tsm_gateway.virtual.smsc import VirtualSmsc
from tsm_gateway.virtual.smsc_options import Account

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.provider import OpenedPayment

WITHIN_S = 30.0


def quiet(*_: object) -> None:
    """Nobody looks on."""


def opened_store(stage: Stage) -> SqliteStore:
    return SqliteStore.open(stage.settings.store.path, mark=stage.settings.epoch_mark, exclusive=False)


def order(stage: Stage, device_id: str) -> None:
    store = opened_store(stage)
    try:
        store.provisioning.order(KeyOrder(device_id, Delivery.SMS, "a test", int(time.time())))
        store.flush()
    finally:
        store.close()


def keys(stage: Stage, device_id: str) -> list[tuple[bytes, KeyState]]:
    """Newest first."""
    store = opened_store(stage)
    try:
        standing = store.provisioning.standing(device_id)
        assert standing is not None
        return [(key.kid, key.state) for key in standing.keys]
    finally:
        store.close()


async def rekeyed_by_sms(folder: Path) -> tuple[list[tuple[bytes, KeyState]], SecurityDomain, list[Any]]:
    smsc = VirtualSmsc({SYSTEM_ID: Account(PASSWORD)})
    async with smsc:
        stage = await asyncio.to_thread(set_up, folder, smsc.port)
        await asyncio.to_thread(publish_for_all, stage)
        async with (
            DaemonProcess(stage.config, "run", lambda _: None) as gateway,
            DaemonProcess(stage.config, "provisioning", lambda _: None) as provisioning,
        ):
            await gateway.meanwhile(smsc.until_bound(1, WITHIN_S))
            await provisioning.meanwhile(until_listening(stage.channel_1, stage.channel_2))
            parties = await provisioning.meanwhile(outfit_handsets(stage, quiet, quiet))
            # only its crypto element is looked at from here on
            record, opened = replace(parties.handsets[0].record, app_agent=None), []
            domain = SecurityDomain(record)
            keying = SmsKeying(domain, gateway="16500", keep=lambda _: None)
            smsc.subscribe(lambda part: _answer(smsc, keying, part), record.msisdn)

            def take(part: Part) -> None:
                payment: OpenedPayment | None = parties.provider.receive(part)
                opened.extend([payment] if payment else [])

            smsc.subscribe(take, parties.provider.record.msisdn)
            await asyncio.to_thread(order, stage, record.device_id)
            async with asyncio.timeout(WITHIN_S):
                while (states := await asyncio.to_thread(keys, stage, record.device_id))[0] != (
                    domain.record.kid,
                    KeyState.CURRENT,
                ) or len(states) < 2:
                    await asyncio.sleep(0.05)
            now = int(time.time())
            for kept in (domain.record, record):  # the new key, and the one before while they overlap
                smsc.send(Handset(kept).pay(ADDRESS, "1.00", "EUR", at=now))
            await smsc.until(lambda: len(opened) == 2, WITHIN_S)
    return states, domain, opened


def _answer(smsc: VirtualSmsc, keying: SmsKeying, part: Part) -> None:
    confirmation = keying.receive(part, int(time.time()))
    if confirmation:
        smsc.send(confirmation)


def test_a_key_ordered_by_sms_is_delivered_confirmed_and_paid_with(tmp_path: Path) -> None:
    states, domain, opened = asyncio.run(rekeyed_by_sms(tmp_path))
    assert [state for _, state in states] == [KeyState.CURRENT, KeyState.OVERLAP]
    assert domain.element.epoch == 2
    assert {payment.payment.device_id for payment in opened} == {domain.record.device_id}
    assert not any(payment.duplicate for payment in opened)
