"""What never reaches a card, or is refused by one: unsigned load files, secrets, forged answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.daemon.delivery_world import V1, V2, DeliveryRig, Handset, delivered, installed
from tests.daemon.literal_device import METHODS, derived
from tests.provisioning.authority import p256
from tsm_gateway.daemon.delivery_answers import ScriptRequest
from tsm_gateway.daemon.delivery_orders import DeliveryOrders
from tsm_gateway.daemon.load_file_shelf import LoadFileShelf
from tsm_gateway.keys.errors import KeyUnwrapFailed
from tsm_gateway.provisioning.load_file import LoadFile
from tsm_gateway.provisioning.parameters import Parameters
from tsm_gateway.provisioning.signing import FileSigner, sign_load_file
from tsm_gateway.registry.application import Version
from tsm_gateway.registry.card import CardKeyState
from tsm_gateway.store.delivery_rows import application_row, card_keys_row
from tsm_gateway.store.delivery_statements import INSERT_APPLICATION, PUT_CARD_KEYS
from tsm_gateway.virtual.card_new import new_key_set

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.registry.application import Application
    from tsm_gateway.registry.job import Job

LOAD = 0xE8


def _refused(rig: DeliveryRig, handset: Handset, reason: str) -> Job:
    """The installation failed for that one reason, everywhere it is told."""
    job = rig.job(handset)
    assert (job.state.value, job.reason) == ("failed", reason)
    assert rig.applications(handset) == {"pay": ("1.0.0", "failed")}
    assert rig.state(handset) == "registered"
    assert not handset.card.state.load_files
    assert not handset.card.state.instances
    (line,) = rig.logged("delivery.failed")
    assert line["reason"] == reason
    assert ("application.fail", "done", reason) in rig.acts(handset.device)
    return job


async def _run_twice(rig: DeliveryRig, handset: Handset, reason: str) -> None:
    """A refusal without a MAC may be anybody's: the first one puts the job off, and the next is believed."""
    answer = await handset.agent.run()
    job = rig.job(handset)
    assert (job.state.value, job.reason, job.attempts) == ("queued", reason, 1)
    assert (answer.done, answer.retry_after_s) == (True, 30)
    (line,) = rig.logged("delivery.postponed")
    assert (line["reason"], line["retry_in_s"]) == (reason, 30)
    rig.world.now += 30
    assert (await handset.agent.run()).done


async def _sign(rig: DeliveryRig, application: Application) -> None:
    load_file = LoadFile(rig.delivery.load_file(application.digest), application.package_aid)
    signature = sign_load_file(rig.world.signer, load_file, at=rig.world.now)
    await rig.write(lambda: rig.delivery.sign(signature))


def test_what_an_old_key_signed_is_not_sent_until_it_is_signed_anew(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        application = await rig.publish()
        await rig.assign()
        rig.world.renew_signing_key()
        rig.held.now = rig.world.material()
        handset = await rig.handset()
        await handset.agent.run()
        job = _refused(rig, handset, "application-not-signed")
        assert job.attempts == 0, "no session began with it"
        standing = await rig.parts.delivery.status(handset.agent.who)
        assert (standing.last_failed_job, standing.jobs_waiting) == (job.job_id.hex(), 0)
        await _sign(rig, application)
        await rig.write(
            lambda: rig.delivery.retry(handset.device.device_id, "pay", reason="signed", at=rig.world.now)
        )
        await handset.agent.run()
        assert rig.state(handset) == "active"

    delivered(tmp_path, story)


def test_a_card_of_an_older_key_gets_its_signature_once_the_present_key_has_signed_too(
    tmp_path: Path,
) -> None:
    async def story(rig: DeliveryRig) -> None:
        application = await rig.publish()
        await rig.assign()
        old = rig.world.signer
        rig.world.renew_signing_key()
        rig.held.now = rig.world.material()
        await _sign(rig, application)
        handset = await rig.handset(dap_keys=[old.public_key], record={"dap_key": old.key_id})
        await handset.agent.run()
        assert rig.state(handset) == "active"

    delivered(tmp_path, story)


def test_a_card_of_a_key_that_never_signed_gets_nothing(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset(record={"dap_key": b"stranger"})
        await handset.agent.run()
        _refused(rig, handset, "application-not-signed")

    delivered(tmp_path, story)


def test_a_signature_that_does_not_verify_is_not_sent(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish(signature=bytes(64))
        await rig.assign()
        handset = await rig.handset()
        await handset.agent.run()
        _refused(rig, handset, "application-not-authentic")

    delivered(tmp_path, story)


def test_what_the_card_does_not_verify_it_refuses_and_keeps_nothing(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset(dap_keys=[FileSigner(p256()).public_key])
        await _run_twice(rig, handset, "card-load-file-refused")
        _refused(rig, handset, "card-load-file-refused")

    delivered(tmp_path, story)


def test_a_card_without_memory_fails_when_it_says_so_again(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish(size=20_000)
        await rig.assign()
        handset = await rig.handset(memory=10_000)
        await _run_twice(rig, handset, "card-memory-full")
        _refused(rig, handset, "card-memory-full")
        again = await handset.agent.begin()
        assert (again.done, again.retry_after_s) == (True, 86_400), "trying again is an operator's decision"

    delivered(tmp_path, story)


@pytest.mark.parametrize("word", ["6A84", "6A80", "6985"])
def test_one_bare_status_word_gives_nothing_up(tmp_path: Path, word: str) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        agent = handset.agent
        script = await agent.begin()
        while not (script.job and script.job.blocks_total):
            script = await agent.post(agent.carry(script))
        await agent.post(ScriptRequest(script.session, script.number, (bytes.fromhex(word),)))
        job = rig.job(handset)
        assert (job.state.value, job.due_at) == ("queued", rig.world.now + 30)
        assert rig.logged("delivery.failed") == []
        rig.world.now += 30
        handset.card.power_on()
        await agent.run()
        assert (rig.job(handset).state.value, rig.state(handset)) == ("done", "active")

    delivered(tmp_path, story)


def test_refusals_for_different_reasons_are_not_one_seen_twice(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        agent = handset.agent
        for word, state in (("6A84", "queued"), ("6A80", "queued"), ("6A84", "queued"), ("6A84", "failed")):
            script = await agent.begin()
            while not (script.job and script.job.blocks_total):
                script = await agent.post(agent.carry(script))
            await agent.post(ScriptRequest(script.session, script.number, (bytes.fromhex(word),)))
            assert rig.job(handset).state.value == state
            rig.world.now += 3600
            handset.card.power_on()

    delivered(tmp_path, story)


def test_a_card_with_other_keys_fails_at_once_and_is_left_alone_for_a_day(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        impostor = new_key_set()
        handset.card._state = handset.card.state.with_keys(impostor)
        await handset.agent.run()
        job = rig.job(handset, "renew-keys")
        assert (job.state.value, job.reason, job.attempts) == ("failed", "card-not-authentic", 1)
        answer = await handset.agent.begin()
        assert (answer.done, answer.retry_after_s) == (True, 86_400)
        assert rig.jobs(handset) == [("renew-keys", "failed"), ("install", "queued")]
        acts = len(rig.acts(handset.device))
        for _ in range(5):
            await handset.agent.begin()
        assert len(rig.acts(handset.device)) == acts, "an agent that insists adds nothing to the audit log"

    delivered(tmp_path, story)


def test_a_card_of_a_weak_protocol_is_refused(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset(protocol=0x10)
        answer = await handset.agent.begin()
        assert answer.done
        assert rig.job(handset, "renew-keys").reason == "card-too-weak"

    delivered(tmp_path, story)


@pytest.mark.parametrize("bit", [0, 8, 60])
def test_an_answer_with_a_flipped_bit_is_not_the_cards(tmp_path: Path, bit: int) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        agent = handset.agent
        asked = agent.carry(script := await agent.begin())
        while not (script.job and script.job.blocks_total and _maced(asked)):
            asked = agent.carry(script := await agent.post(asked))
        await agent.post(_flipped(asked, bit))
        job = rig.job(handset)
        assert (job.state.value, job.reason) == ("queued", "card-response-not-authentic")
        assert ("application.deliver", "refused", "card-response-not-authentic") in rig.acts(handset.device)
        (line,) = rig.logged("delivery.postponed")
        assert line["retry_in_s"] == 30
        handset.card.power_on()
        rig.world.now += 30
        await agent.run()
        assert rig.state(handset) == "active"

    delivered(tmp_path, story)


def _maced(asked: ScriptRequest) -> list[int]:
    """The places of answers with an R-MAC."""
    return [at for at, each in enumerate(asked.responses) if len(each) >= 8 + 2]


def _flipped(asked: ScriptRequest, bit: int) -> ScriptRequest:
    responses = list(asked.responses)
    at, shift = divmod(bit, 8)
    changed = bytearray(responses[_maced(asked)[0]])
    changed[at] ^= 1 << shift
    responses[_maced(asked)[0]] = bytes(changed)
    return asked._replace(responses=tuple(responses))


def _secrets(handset: Handset) -> dict[str, bytes]:
    held = handset.device.installed
    assert held is not None
    return {
        "device key": held.key,
        "up key": derived(held, "up key", 32),
        "down key": derived(held, "down key", 32),
        "confirm key": derived(held, "confirm key", 32),
        "up iv": derived(held, "up iv", 12),
        "master key": bytes(range(32)),
        "authentication handle": METHODS[0][1],
    }


NAMES = ("device key", "up key", "down key", "confirm key", "up iv", "master key", "authentication handle")


@pytest.mark.parametrize("which", NAMES)
def test_a_load_file_with_a_secret_of_its_device_raises_the_alarm_before_an_octet_leaves(
    tmp_path: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        secret = _secrets(handset)[which]
        poisoned = bytes(1000) + secret + bytes(1000)

        def poison(_shelf: object, application: Application) -> LoadFile:
            return LoadFile(poisoned, application.package_aid)

        monkeypatch.setattr(LoadFileShelf, "take", poison)
        monkeypatch.setattr(LoadFileShelf, "signature", lambda *_: bytes(64))
        sent: list[bytes] = []
        transmit = handset.card.transmit

        def watched(apdu: bytes) -> bytes:
            sent.append(apdu)
            return transmit(apdu)

        monkeypatch.setattr(handset.card, "transmit", watched)
        await handset.agent.run()
        _refused(rig, handset, "secret-bound-for-app-element")
        assert not [each for each in sent if each[1] == LOAD]
        (alarm,) = rig.logged("exclusion.alarmed")
        assert alarm["level"] == "error"
        assert (alarm["application"], alarm["device"]) == ("pay", handset.device.device_id)
        assert which in alarm["text"]
        assert secret.hex() not in rig.lines.getvalue().decode()
        assert ("application.deliver", "refused", "secret-bound-for-app-element") in rig.acts(handset.device)
        assert "tsm_provisioning_exclusion_alarms_total 1.0" in rig.reports.metrics.text().decode()

    delivered(tmp_path, story)


def test_a_number_that_is_a_secret_does_not_pass_as_a_parameter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        handle = METHODS[0][1]
        (limit, *_) = (
            number
            for at in range(len(handle) - 7)
            if (number := int.from_bytes(handle[at : at + 8], "big")) < 2**63
        )
        parameters = Parameters("+4930123456", "+49151000", 16_500, limit, 978)
        monkeypatch.setattr(DeliveryOrders, "_parameters", lambda *_: parameters)
        await handset.agent.run()
        _refused(rig, handset, "secret-bound-for-app-element")

    delivered(tmp_path, story)


@pytest.mark.parametrize("state", [CardKeyState.CURRENT, CardKeyState.PENDING])
def test_keys_of_an_issuer_that_the_store_calls_ours_open_nothing(
    tmp_path: Path, state: CardKeyState
) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        (keys,) = rig.delivery.card_keys(handset.device.app_se)
        with rig.other_writer() as store:
            store.execute(PUT_CARD_KEYS, card_keys_row(keys._replace(state=state)))
        with pytest.raises(KeyUnwrapFailed):
            await handset.agent.run()
        assert not handset.card.state.load_files
        with rig.other_writer() as store:
            store.execute(PUT_CARD_KEYS, card_keys_row(keys))
        await handset.agent.run()
        assert rig.card_keys(handset)[0][1] == "current"
        assert rig.state(handset) == "active"

    delivered(tmp_path, story)


FOREIGN = bytes.fromhex("a000000003000001")  # the package of somebody else


@pytest.mark.parametrize("change", [{"package_aid": FOREIGN}, {"applet_aids": (FOREIGN + b"\1",)}])
def test_a_catalogue_that_states_other_aids_than_the_load_file_installs_nothing(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    async def story(rig: DeliveryRig) -> None:
        application = await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        with rig.other_writer() as store:
            store.execute("delete from application")
            store.execute(INSERT_APPLICATION, application_row(application._replace(**change)))
        await handset.agent.run()
        _refused(rig, handset, "application-mismatch")

    delivered(tmp_path, story)


@pytest.mark.parametrize("wanted", [True, False])
def test_what_nobody_signed_has_no_say_in_what_is_deleted_from_a_card(tmp_path: Path, wanted: bool) -> None:
    """Another version in the catalogue, put there by who may write the database, names a foreign package."""

    async def story(rig: DeliveryRig) -> None:
        handset = await _installed(rig)
        card = handset.card.state
        card = replace(card, load_files=(*card.load_files, replace(card.load_files[0], aid=FOREIGN)))
        handset.card._state = card
        forged = rig.delivery.application("pay", V1)
        assert forged is not None
        forged = forged._replace(version=Version(0, 0, 1), digest=bytes(32), package_aid=FOREIGN)
        with rig.other_writer() as store:
            store.execute("pragma foreign_keys=off")
            store.execute(INSERT_APPLICATION, application_row(forged))
        if wanted:
            await rig.publish(V2)
        else:
            await rig.assign(wanted=False)
        await handset.agent.run()
        assert rig.applications(handset) == {
            "pay": ("2.0.0", "installed") if wanted else ("1.0.0", "removed")
        }
        assert FOREIGN in [each.aid for each in handset.card.state.load_files]

    delivered(tmp_path, story)


def test_what_the_key_before_signed_is_still_taken_off_a_card_for_a_version_with_other_aids(
    tmp_path: Path,
) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _installed(rig)
        old = rig.world.signer.public_key
        rig.world.renew_signing_key()
        rig.held.now = rig.world.material()
        other = {"package_aid": b"\xf0other", "applet_aids": (b"\xf0other\1",)}
        second = await rig.publish(V2, cap=other)
        profile = handset.card.state.profile
        assert profile.dap_keys == (old,)
        handset.card._state = replace(
            handset.card.state, profile=replace(profile, dap_keys=(rig.world.signer.public_key,))
        )
        await handset.agent.run()
        assert installed(handset.card) == [second.digest.hex()]

    delivered(tmp_path, story)


async def _installed(rig: DeliveryRig) -> Handset:
    await rig.publish()
    await rig.assign()
    handset = await rig.handset()
    await handset.agent.run()
    assert rig.applications(handset) == {"pay": ("1.0.0", "installed")}
    return handset
