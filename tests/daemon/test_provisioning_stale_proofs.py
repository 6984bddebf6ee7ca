"""A proof of before a suspension lifts nothing, whichever way it tries to slip past."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.daemon.provisioning_rig import MSISDN, Rig, played
from tests.provisioning.authority import NOW
from tsm_gateway.daemon.key_maker import MasterRotated
from tsm_gateway.daemon.provisioning_answers import ChallengeStale
from tsm_gateway.daemon.provisioning_ledger import Ledger
from tsm_gateway.registry.audit import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from tests.daemon.literal_device import LiteralDevice
    from tsm_gateway.store.provisioning_store import ProvisioningStore


def change_number(rig: Rig, device: LiteralDevice, store: ProvisioningStore | None = None) -> None:
    (store or rig.store.provisioning).change_number(
        device.device_id, "+49301234567", reason="new SIM", at=rig.world.now
    )


@pytest.mark.parametrize("seconds", [0, 60])
def test_a_challenge_of_before_the_change_of_number_is_stale(tmp_path: Path, seconds: int) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        who = rig.who(device)
        early = device.proof((await rig.desk.challenge(who)).challenge)
        rig.world.now += seconds
        await rig.write(lambda: change_number(rig, device))
        rig.world.now += seconds
        with pytest.raises(ChallengeStale):
            await rig.desk.register(who, early)
        assert rig.standing(device).device.state.value == "suspended"
        challenge = await rig.desk.challenge(who)
        done = await rig.desk.register(who, device.proof(challenge.challenge))
        assert done.state == "active"

    played(tmp_path, story)


def test_a_change_of_number_while_the_proof_is_judged_makes_it_stale(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        who = rig.who(device)
        another = [["fpt", bytes(32), NOW]]  # what is on record would change nothing
        proof = device.proof((await rig.desk.challenge(who)).challenge, methods=another)
        async with Rig(rig.world) as operator:
            register = rig.store.provisioning.register
            changed = False

            def held_up(*args: object, **options: object) -> object:
                nonlocal changed
                if not changed:
                    changed = True
                    change_number(operator, device)
                    operator.store.flush()
                return register(*args, **options)  # type: ignore[arg-type]

            rig.store.provisioning.register = held_up  # type: ignore[method-assign,assignment]
            with pytest.raises(ChallengeStale):
                await rig.desk.register(who, proof)
        assert changed
        assert rig.standing(device).device.state.value == "suspended"
        assert rig.acts(device)[-1][0] == "device.change-number"

    played(tmp_path, story)


def test_what_a_failed_work_shared_its_group_with_is_stored_once(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        ledger = Ledger(rig.store, rig.parts.committer)

        def note(word: str) -> AuditEntry:
            return AuditEntry(rig.world.now, "test", "test.note", word, "done", "", ())

        def fails(store: ProvisioningStore) -> None:
            store.note(note("fails"))
            raise MasterRotated(version=1)

        async def tried() -> None:
            with pytest.raises(MasterRotated):
                await ledger.write(fails)

        def noted(word: str) -> Coroutine[Any, Any, None]:
            return ledger.write(lambda store: store.note(note(word)))

        await asyncio.gather(noted("one"), tried(), noted("two"))
        assert [each.entry.subject for each in rig.store.provisioning.audit()] == ["one", "two"]

    played(tmp_path, story)
