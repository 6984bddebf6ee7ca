"""A phone without a data connection comes back after a new number: by commands, daemons, short messages."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from click.testing import CliRunner

from tests.virtual.test_keys_over_the_air import WITHIN_S, opened_store
from tsm_gateway.cli.demo_application import publish_for_all
from tsm_gateway.cli.demo_enrolment import outfit_handsets, until_listening
from tsm_gateway.cli.demo_process import DaemonProcess
from tsm_gateway.cli.demo_stage import ADDRESS, PASSWORD, SYSTEM_ID, Stage, set_up
from tsm_gateway.cli.device import device
from tsm_gateway.cli.virtual import virtual
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.part import parts_from_line
from tsm_gateway.virtual.party_files import read_handset, write_party
from tsm_gateway.virtual.smsc import VirtualSmsc
from tsm_gateway.virtual.smsc_options import Account

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.registry.standing import Standing
    from tsm_gateway.virtual.part import Part

NEW_NUMBER = "+4915100000077"


def operator(stage: Stage, *words: str) -> None:
    done = CliRunner().invoke(device, list(words), obj=stage.config)
    assert done.exit_code == 0, (done.output, done.exception)


def standing(stage: Stage, device_id: str) -> Standing:
    store = opened_store(stage)
    try:
        found = store.provisioning.standing(device_id)
    finally:
        store.close()
    assert found is not None
    return found


def quiet(*_: object) -> None:
    """Nobody looks on."""


def received(path: Path, parts: list[Part]) -> list[Part]:
    """What `virtual receive` says to the short messages so far."""
    line = json.dumps([each.as_json() for each in parts]) + "\n"
    done = CliRunner().invoke(virtual, ["receive", "--handset", str(path)], input=line)
    assert done.exit_code == 0, (done.output, done.exception)
    return [each for answer in done.stdout.splitlines() for each in parts_from_line(answer)]


async def until_state(stage: Stage, device_id: str, state: str) -> Standing:
    async with asyncio.timeout(WITHIN_S):
        while (found := await asyncio.to_thread(standing, stage, device_id)).device.state.value != state:
            await asyncio.sleep(0.05)
    return found


async def story(folder: Path) -> None:
    smsc = VirtualSmsc({SYSTEM_ID: Account(PASSWORD)})
    async with smsc:
        stage = await asyncio.to_thread(set_up, folder, smsc.port)
        await asyncio.to_thread(publish_for_all, stage)
        async with DaemonProcess(stage.config, "run", lambda _: None) as gateway:
            await gateway.meanwhile(smsc.until_bound(1, WITHIN_S))
            async with DaemonProcess(stage.config, "provisioning", lambda _: None) as provisioning:
                await provisioning.meanwhile(until_listening(stage.channel_1, stage.channel_2))
                parties = await provisioning.meanwhile(outfit_handsets(stage, quiet, quiet))
                # only its crypto element is looked at from here on
                record = replace(parties.handsets[0].record, app_agent=None)
                path = folder / "handset.json"
                write_party(path, replace(record, msisdn=NEW_NUMBER))
                inbox, payments = smsc.inbox(NEW_NUMBER), smsc.inbox(parties.provider.record.msisdn)
                await asyncio.to_thread(operator, stage, "number", record.device_id, NEW_NUMBER)
                smsc.send(Handset(record).pay(ADDRESS, "1.00", "EUR", at=int(time.time())))
                order = ("rekey", record.device_id, "--delivery", "sms")
                await asyncio.to_thread(operator, stage, *order)
                parts: list[Part] = []
                answer: list[Part] = []
                async with asyncio.timeout(WITHIN_S):
                    while not answer:
                        parts.append(await inbox.get())
                        answer = await asyncio.to_thread(received, path, parts)
                assert standing(stage, record.device_id).device.state.value == "suspended"
                smsc.send(answer)
                back = await until_state(stage, record.device_id, "active")
                after = read_handset(path)
                assert (back.suspension, back.keys[0].kid) == (None, after.kid)
                assert [each.state.value for each in back.keys] == ["current", "overlap"]
                assert payments.empty(), "what it paid while suspended went nowhere"
                smsc.send(Handset(after).pay(ADDRESS, "2.00", "EUR", at=int(time.time())))
                opened = None
                async with asyncio.timeout(WITHIN_S):
                    while opened is None:
                        opened = parties.provider.receive(await payments.get())
                assert opened.payment.device_id == record.device_id
                assert opened.payment.amount == 200
    with suppress(asyncio.QueueEmpty):
        raise AssertionError(inbox.get_nowait())


def test_a_phone_without_data_comes_back_after_a_new_number_and_pays(tmp_path: Path) -> None:
    asyncio.run(story(tmp_path))
