"""Deliveries from the first contact with a card to its last: keys, applications, upgrades, removals."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.daemon.delivery_world import V1, V2, DeliveryRig, Handset, delivered, installed
from tests.provisioning.authority import p256
from tsm_gateway.daemon.card_key_shelf import CardKeyShelf
from tsm_gateway.keys.wrap import NONCE_OCTETS, PROVIDER_KEYS, traffic_place, wrap
from tsm_gateway.registry.application import Scope, Version
from tsm_gateway.registry.device import KeyState, WrappedKey
from tsm_gateway.registry.job import Job, JobKind, JobState
from tsm_gateway.registry.provider import Provider, ProviderState, Verify
from tsm_gateway.secret import Secret
from tsm_gateway.virtual.card_state import Parameters

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.daemon.delivery_answers import ScriptAnswer


def test_the_first_contact_renews_the_keys_installs_and_activates(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        application = await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        assert rig.state(handset) == "registered"
        last = await handset.agent.run()
        assert (last.done, last.session, last.commands) == (True, "", ())
        assert last.retry_after_s == 86_400
        assert rig.jobs(handset) == [("renew-keys", "done"), ("install", "done")]
        assert rig.applications(handset) == {"pay": ("1.0.0", "installed")}
        assert rig.card_keys(handset) == [(0x31, "current"), (0x30, "retired")]
        assert [keys.kvn for keys in handset.card.state.key_sets] == [0x31]
        assert rig.state(handset) == "active"
        assert installed(handset.card) == [application.digest.hex()]
        (instance,) = handset.card.state.instances
        assert (instance.aid, instance.is_selectable) == (application.applet_aids[0], True)
        renewed, done = rig.logged("delivery.done")
        assert (renewed["kind"], done["kind"]) == ("renew-keys", "install")
        assert (done["device"], done["agent"]) == (handset.device.device_id, handset.agent.who.agent_id)
        assert (done["application"], done["version"], done["attempts"]) == ("pay", "1.0.0", 1)
        assert (done["blocks"], done["state"]) == (13, "active")
        (ended,) = rig.logged("delivery.session_ended")
        assert (ended["reason"], ended["scripts"]) == ("done", handset.agent.scripts)
        acts = [act for act, _, _ in rig.acts(handset.device)][-4:]
        assert acts == ["job.queue", "job.finish", "application.install", "device.activate"]

    delivered(tmp_path, story)


@pytest.mark.parametrize(("i", "octets"), [(0x70, 16), (0x71, 24), (0x60, 32), (0x61, 16)])
def test_every_kind_of_card_is_served(tmp_path: Path, i: int, octets: int) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset(protocol=i, key_octets=octets)
        await handset.agent.run()
        assert rig.state(handset) == "active"
        assert [len(keys.enc) for keys in handset.card.state.key_sets] == [octets]

    delivered(tmp_path, story)


def test_one_round_trip_carries_sixteen_blocks(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish(size=32_768)
        await rig.assign()
        handset = await rig.handset()
        await handset.agent.run()
        (done,) = [each for each in rig.logged("delivery.done") if each["kind"] == "install"]
        blocks = done["blocks"]
        assert blocks > 130
        of_install = [told for told in handset.agent.told if told.job and told.job.kind == "install"]
        assert len(of_install) <= blocks // 16 + 4  # opening, and the end
        seen = [told.job.blocks_done for told in of_install if told.job]
        assert seen == sorted(seen)
        assert len(set(seen)) >= blocks // 16
        assert rig.job(handset).progress == (blocks, blocks)

    delivered(tmp_path, story)


def test_the_store_hears_of_blocks_every_two_seconds_and_when_the_agent_falls_silent(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish(size=32_768)
        await rig.assign()
        handset = await rig.handset()

        async def more(script: ScriptAnswer) -> tuple[ScriptAnswer, tuple[int, int], tuple[int, int]]:
            script = await handset.agent.post(handset.agent.carry(script))
            assert script.job is not None
            told = (script.job.blocks_done, script.job.blocks_total)
            return script, told, rig.job(handset).progress

        script, told, kept = await more(await handset.agent.begin())
        while told[0] == 0:
            script, told, kept = await more(script)
        assert (told[0] > 0, kept) == (True, (0, 0)), "blocks alone wait for no disk"
        rig.world.now += 2
        script, told, kept = await more(script)
        assert kept == told
        script, told, kept = await more(script)
        assert kept < told
        rig.world.now += 301
        await rig.parts.delivery.expire(300)
        assert (rig.job(handset).state.value, rig.job(handset).progress) == ("queued", told)
        await handset.agent.run()
        assert rig.state(handset) == "active"

    delivered(tmp_path, story)


def test_an_agent_with_nothing_to_do_is_told_when_to_come_again(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        handset = await rig.handset()
        await handset.agent.run()  # no rule yet: the keys are renewed all the same
        assert rig.jobs(handset) == [("renew-keys", "done")]
        assert rig.state(handset) == "registered"
        answer = await handset.agent.begin()
        assert (answer.done, answer.commands, answer.job, answer.retry_after_s) == (True, (), None, 7200)
        assert len(rig.parts.delivery.sessions) == 0
        assert len(rig.logged("delivery.session_ended")) == 1

    delivered(tmp_path, story, {"poll_s": 7200})


def test_an_upgrade_takes_the_place_of_the_version_before(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish(V1)
        await rig.assign()
        handset = await rig.handset()
        await handset.agent.run()
        second = await rig.publish(V2, size=5000)
        await handset.agent.run()
        assert rig.applications(handset) == {"pay": ("2.0.0", "installed")}
        assert installed(handset.card) == [second.digest.hex()]
        assert rig.state(handset) == "active"
        assert [keys.kvn for keys in handset.card.state.key_sets] == [0x31], "and no new keys for that"

    delivered(tmp_path, story)


def test_a_version_with_another_package_aid_replaces_the_one_before(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish(V1)
        await rig.assign()
        handset = await rig.handset()
        await handset.agent.run()
        other = bytes.fromhex("F054534D325041")
        second = await rig.publish(V2, cap={"package_aid": other, "applet_aids": (other + b"\x01",)})
        await handset.agent.run()
        assert [each.aid for each in handset.card.state.load_files] == [second.package_aid]

    delivered(tmp_path, story)


def test_a_removed_application_leaves_the_device_registered(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        await handset.agent.run()
        rig.world.now += 1
        await rig.assign(wanted=False)
        await handset.agent.run()
        assert rig.applications(handset) == {"pay": ("1.0.0", "removed")}
        assert not handset.card.state.load_files
        assert not handset.card.state.instances
        assert rig.state(handset) == "registered"
        rig.world.now += 1
        await rig.assign()
        await handset.agent.run()
        assert rig.state(handset) == "active"

    delivered(tmp_path, story)


def test_a_device_is_active_only_when_all_it_is_to_have_is_there(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        other = bytes.fromhex("F054534D325041")
        await rig.publish(name="pay")
        await rig.publish(name="loyalty", cap={"package_aid": other, "applet_aids": (other + b"\x01",)})
        await rig.assign("pay")
        await rig.assign("loyalty")
        handset = await rig.handset()
        states = []
        script = await handset.agent.begin()
        while not script.done:
            script = await handset.agent.post(handset.agent.carry(script))
            names = tuple(
                name for name, (_, state) in rig.applications(handset).items() if state == "installed"
            )
            states.append((len(names), rig.state(handset)))
        assert (1, "registered") in states
        assert states[-1] == (2, "active")
        assert (1, "active") not in states

    delivered(tmp_path, story)


def test_a_rule_that_is_gone_lets_a_device_be_active(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        other = bytes.fromhex("F054534D325041")
        await rig.publish(name="pay")
        huge = {"package_aid": other, "applet_aids": (other + b"\x01",)}
        await rig.publish(name="huge", size=60_000, cap=huge)
        await rig.assign("pay")
        await rig.assign("huge")
        handset = await rig.handset(memory=20_000)
        await handset.agent.run()
        rig.world.now += 30
        await handset.agent.run()  # it says so again
        assert rig.applications(handset)["huge"] == ("1.0.0", "failed")
        await handset.agent.run()  # the failure ended the session
        assert rig.applications(handset)["pay"] == ("1.0.0", "installed")
        assert rig.state(handset) == "registered"
        await rig.write(
            lambda: rig.delivery.unassign("huge", Scope.ALL, "", reason="too big", at=rig.world.now)
        )
        await handset.agent.run()
        assert rig.state(handset) == "active"

    delivered(tmp_path, story)


def _job(rig: DeliveryRig, handset: Handset, kind: JobKind, digest: bytes = b"", name: str = "") -> Job:
    at = rig.world.now
    return Job(
        secrets.token_bytes(8),
        handset.device.device_id,
        kind,
        name,
        digest,
        JobState.QUEUED,
        attempts=0,
        progress=(0, 0),
        due_at=at,
        created_at=at,
        changed_at=at,
        reason="asked for",
    )


def test_a_card_is_asked_what_it_holds(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        application = await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        await handset.agent.run()
        job = _job(rig, handset, JobKind.INVENTORY)
        await rig.write(lambda: rig.delivery.queue([job], [], at=rig.world.now))
        await handset.agent.run()
        found = rig.delivery.inventory(handset.device.app_se)
        assert found is not None
        assert application.package_aid in {each.aid for each in found.contents if each.kind == "load-file"}
        assert application.applet_aids[0] in {each.aid for each in found.contents}
        assert found.free_memory
        assert found.silent == ()
        assert rig.job(handset, "inventory").state is JobState.DONE

    delivered(tmp_path, story)


async def _bank(rig: DeliveryRig, limit: int = 50_000) -> None:
    at, kid = rig.world.now, b"bank"
    secret = Secret(bytes(range(100, 132)))
    place = traffic_place(PROVIDER_KEYS, "bank", kid)
    wrapped, version = wrap(rig.world.masters, secret, place, nonce=secrets.token_bytes(NONCE_OCTETS))
    key = WrappedKey(kid, "bank", 1, KeyState.CURRENT, wrapped, version, at)
    provider = Provider(
        "bank",
        ProviderState.ACTIVE,
        ("+4930123456",),
        "+4930123456",
        (),
        Verify.GATEWAY,
        amount_limit=limit,
        biometric_above=0,
        receipt=False,
        validity_s=0,
        created_at=at,
        changed_at=at,
        reason="test",
    )
    await rig.write(lambda: rig.store.registry.add_provider(provider, key, next_piv=1))


def test_an_application_is_told_its_provider_and_what_has_changed(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await _bank(rig)
        application = await rig.publish(provider="bank")
        await rig.assign()
        handset = await rig.handset()
        await handset.agent.run()
        (instance,) = handset.card.state.instances
        assert instance.parameters == Parameters("+4930123456", "+49151000", 16_500, 50_000, 756)
        job = _job(rig, handset, JobKind.PERSONALISE, application.digest, "pay")
        (provider,) = rig.store.registry.providers()
        await rig.write(
            lambda: rig.store.registry.change_provider(provider._replace(amount_limit=7), at=rig.world.now)
        )
        await rig.write(lambda: rig.delivery.queue([job], [], at=rig.world.now))
        await handset.agent.run()
        (instance,) = handset.card.state.instances
        assert instance.parameters == Parameters("+4930123456", "+49151000", 16_500, 7, 756)
        assert rig.jobs(handset)[-1] == ("personalise", "done")
        assert rig.applications(handset) == {"pay": ("1.0.0", "installed")}
        assert rig.state(handset) == "active"
        done = rig.logged("delivery.done")[-1]
        assert (done["kind"], done["application"], done["version"]) == ("personalise", "pay", "1.0.0")

    delivered(tmp_path, story, {"gateway_number": "+49151000", "currency": 756})


def test_parameters_for_a_version_that_is_replaced_are_not_written(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await _bank(rig)
        application = await rig.publish(provider="bank")
        await rig.assign()
        handset = await rig.handset()
        await handset.agent.run()
        job = _job(rig, handset, JobKind.PERSONALISE, application.digest, "pay")
        await rig.write(lambda: rig.delivery.queue([job], [], at=rig.world.now))
        await rig.publish(V2, size=5000, provider="bank")
        await handset.agent.run()
        assert rig.job(handset, "personalise").state is JobState.CANCELLED
        assert rig.applications(handset) == {"pay": ("2.0.0", "installed")}
        (instance,) = handset.card.state.instances
        assert instance.parameters is not None, "it was told the present ones when it was installed"

    delivered(tmp_path, story, {"gateway_number": "+49151000"})


def test_an_application_of_no_provider_is_told_nothing(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        await handset.agent.run()
        (instance,) = handset.card.state.instances
        assert instance.parameters is None

    delivered(tmp_path, story, {"gateway_number": "+49151000"})


def test_a_card_that_wants_tokens_gets_them_and_its_receipts_are_checked(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset(token_key=rig.world.token_key.public_key())
        await handset.agent.run()
        assert rig.state(handset) == "active"
        assert handset.card.state.confirmations == 2
        rig.world.now += 1
        await rig.assign(wanted=False)
        await handset.agent.run()
        assert handset.card.state.load_files == ()
        assert handset.card.state.confirmations == 3
        kept = CardKeyShelf(rig.held).open(rig.delivery.card_keys(handset.device.app_se)).receipt_key
        theirs = handset.card.state.profile.receipt_key
        assert kept is not None
        assert theirs is not None
        assert kept.reveal() == theirs.reveal(), "its receipt key outlived the renewal of its keys"

    async def begun(rig: DeliveryRig) -> None:
        rig.world.token_key = p256()
        rig.held.now = rig.world.material()
        await story(rig)

    delivered(tmp_path, begun)


def test_status_tells_where_the_device_stands(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish(Version(1, 0, 0))
        await rig.assign()
        handset = await rig.handset(register=False)
        desk, who = rig.parts.delivery, handset.agent.who
        nobody = await desk.status(who)
        assert nobody == (handset.device.app_se, None, None, (), 0, False, None)
        await rig.register(handset.device)
        script = await handset.agent.begin()
        under_way = await desk.status(who)
        assert under_way.device_id == handset.device.device_id
        assert (under_way.device_state, under_way.jobs_waiting, under_way.session) == ("registered", 2, True)
        assert under_way.applications == (("pay", "1.0.0", "assigned"),)
        await handset.agent.post(handset.agent.carry(script))
        await handset.agent.run()
        done = await desk.status(who)
        assert (done.device_state, done.jobs_waiting, done.session) == ("active", 0, False)
        assert done.applications == (("pay", "1.0.0", "installed"),)

    delivered(tmp_path, story)
