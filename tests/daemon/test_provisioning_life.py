"""Enrolment, key and registration: what a device does from its first word to its first payment, and again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.daemon.literal_device import LiteralDevice
from tests.daemon.provisioning_rig import MSISDN, Rig, played
from tests.provisioning.authority import DAY, NOW
from tsm_gateway.daemon.provisioning_answers import (
    ChallengeStale,
    DeviceSuspended,
    DeviceTerminated,
    DeviceUnknown,
    EnrolmentRequest,
    HybridKeyNotOffered,
    HybridKeyRequired,
    IdentityConflict,
    KeyNotInstallable,
    NoKeyPackage,
    NumberInvalid,
    VirtualDeviceRefused,
)
from tsm_gateway.envelope.replay import initial_window
from tsm_gateway.keys.wrap import DEVICE_KEYS, traffic_place, unwrap
from tsm_gateway.provisioning.certificate_errors import CertificateExpired, KeyCertificateMismatch
from tsm_gateway.provisioning.proof_errors import (
    ConfirmationWrong,
    ElementsEqual,
    KeyCertificateMissing,
    ProofMalformed,
    ProofNotAuthentic,
    ProofWrongDevice,
    ProofWrongKey,
)
from tsm_gateway.registry.errors import SecureElementTaken
from tsm_gateway.registry.suspension import SuspensionKind

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.errors import TsmError


@pytest.mark.parametrize(("kind", "kem"), [("p256", 0x10), ("x25519", 0x20), ("ed25519", 0x20), ("rsa", -41)])
def test_a_device_of_every_kind_enrols_installs_its_key_and_registers(
    tmp_path: Path, kind: str, kem: int
) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device(kind)
        answer = await rig.enrol(device, msisdn=MSISDN)
        assert (answer.device_id, answer.state, answer.epoch) == (device.device_id, "keyed", 1)
        assert answer.kem == kem
        assert answer.key_package
        assert answer.challenge
        installed = device.install(answer.key_package, answer.tsm_certificate)
        assert (installed.kid, installed.epoch) == (answer.kid, 1)
        done = await rig.desk.register(rig.who(device), device.proof(answer.challenge))
        assert (done.state, done.kid, done.epoch) == ("registered", answer.kid, 1)
        standing = rig.standing(device)
        assert standing.device.msisdn == MSISDN
        assert standing.registration
        assert standing.registration.crypto_se == device.crypto_se
        (key,) = standing.keys
        place = traffic_place(DEVICE_KEYS, device.device_id, key.kid)
        stored = unwrap(rig.world.masters, key.wrapped, key.master_version, place)
        assert stored.reveal() == installed.key, "store and element hold one key"
        again = await rig.enrol(device)
        assert (again.state, again.key_package, again.challenge) == ("registered", None, None)
        assert [act for act, _, _ in rig.acts(device)] == ["device.enrol", "key.deliver", "device.register"]

    played(tmp_path, story)


def test_an_xwing_key_is_used_where_it_is_offered(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        answer = await rig.enrol(device, hybrid=True)
        assert answer.kem == 0x647A
        assert answer.key_package
        assert answer.challenge
        device.install(answer.key_package, answer.tsm_certificate)
        await rig.desk.register(rig.who(device), device.proof(answer.challenge))

    played(tmp_path, story, hybrid="offered")


def test_hybrid_keys_are_refused_or_demanded_as_configured(tmp_path: Path) -> None:
    async def off(rig: Rig) -> None:
        with pytest.raises(HybridKeyNotOffered):
            await rig.enrol(rig.world.device(), hybrid=True)

    async def required(rig: Rig) -> None:
        with pytest.raises(HybridKeyRequired):
            await rig.enrol(rig.world.device())

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    played(tmp_path / "a", off)
    played(tmp_path / "b", required, hybrid="required")


def test_a_key_package_is_the_same_octets_however_often_it_is_asked_for(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        first = await rig.enrol(device)
        for _ in range(3):
            again = await rig.enrol(device)
            fetched = await rig.desk.key_package(rig.who(device))
            assert again.key_package == fetched.key_package == first.key_package
            assert again.challenge != first.challenge
        assert rig.keys(device) == [(1, "pending")]
        assert len(rig.acts(device)) == 2

    played(tmp_path, story)


def test_two_enrolments_at_once_get_one_key(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        answers = await asyncio.gather(*(rig.enrol(device) for _ in range(16)))
        assert len({answer.key_package for answer in answers}) == 1
        assert rig.keys(device) == [(1, "pending")]

    played(tmp_path, story)


def test_two_processes_that_enrol_one_device_at_once_give_it_one_key(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        async with Rig(rig.world) as other:
            device = rig.world.device()
            one, two = await asyncio.gather(rig.enrol(device), other.enrol(device))
        assert one.key_package == two.key_package
        assert rig.keys(device) == [(1, "pending")]

    played(tmp_path, story)


def test_a_thousand_devices_have_a_thousand_keys_and_share_their_commits(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        devices = [rig.world.device(common=f"se-{number}") for number in range(1000)]
        before = rig.parts.committer.turns
        for start in range(0, len(devices), 250):
            await asyncio.gather(*(rig.enrol(device) for device in devices[start : start + 250]))
        assert rig.parts.committer.turns - before < 100
        stored = [key for device in devices for key in rig.standing(device).keys]
        opened = {
            unwrap(
                rig.world.masters,
                key.wrapped,
                key.master_version,
                traffic_place(DEVICE_KEYS, key.owner, key.kid),
            ).reveal()
            for key in stored
        }
        assert len(stored) == len(opened) == len({key.kid for key in stored}) == 1000

    played(tmp_path, story)


def test_a_kid_that_is_taken_is_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(rig: Rig) -> None:
        first, second = rig.world.device(common="a"), rig.world.device(common="b")
        taken = (await rig.enrol(first)).kid
        maker = rig.desk._enrolling._maker
        draw = maker._draw
        drawn: list[bytes] = []

        def once_taken(octets: int) -> bytes:
            if octets == 4 and not drawn:
                drawn.append(taken)
                return taken
            return draw(octets)

        monkeypatch.setattr(maker, "_draw", once_taken)
        answer = await rig.enrol(second)
        assert drawn
        assert answer.kid != taken

    played(tmp_path, story)


def test_a_renewed_certificate_reseals_a_key_that_waits_and_keeps_one_that_is_confirmed(
    tmp_path: Path,
) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        first = await rig.enrol(device)
        device.certify()
        second = await rig.enrol(device)
        assert second.key_package
        assert second.challenge
        assert (first.epoch, second.epoch) == (1, 2)
        device.install(second.key_package, second.tsm_certificate)
        await rig.desk.register(rig.who(device), device.proof(second.challenge))
        assert rig.keys(device) == [(2, "current"), (1, "overlap")]
        device.certify()
        third = await rig.enrol(device)
        assert third.key_package is None
        assert rig.standing(device).device.certificate == device.certificate
        assert rig.keys(device) == [(2, "current"), (1, "overlap")]

    played(tmp_path, story)


def test_the_number_is_taken_over_once(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.enrol(device, msisdn=MSISDN)
        await rig.enrol(device, msisdn="+49301234567")
        assert rig.standing(device).device.msisdn == MSISDN
        with pytest.raises(NumberInvalid):
            await rig.enrol(rig.world.device(common="b"), msisdn="030 1234")

    played(tmp_path, story)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"kid": bytes(4)}, ProofWrongKey),
        ({"device_id": "d:0000000000000000"}, ProofWrongDevice),
        ({"confirm": bytes(16)}, ConfirmationWrong),
        ({"app_se": b"same-element", "crypto_se": b"same-element"}, ElementsEqual),
    ],
)
def test_a_wrong_proof_is_refused_noted_and_costs_its_challenge(
    tmp_path: Path, wrong: dict[str, Any], error: type[TsmError]
) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        answer = await rig.enrol(device)
        assert answer.key_package
        assert answer.challenge
        device.install(answer.key_package, answer.tsm_certificate)
        with pytest.raises(error):
            await rig.desk.register(rig.who(device), device.proof(answer.challenge, **wrong))
        with pytest.raises(ChallengeStale):
            await rig.desk.register(rig.who(device), device.proof(answer.challenge))
        assert rig.standing(device).registration is None
        assert rig.keys(device) == [(1, "pending")]
        assert rig.acts(device)[-1] == ("device.register", "refused", error.code)
        (line,) = [each for each in rig.logged("registration.refused") if each["error"] == error.code]
        assert line["device"] == device.device_id
        challenge = await rig.desk.challenge(rig.who(device))
        await rig.desk.register(rig.who(device), device.proof(challenge.challenge))

    played(tmp_path, story)


def test_an_altered_proof_and_octets_that_are_none_are_refused(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        answer = await rig.enrol(device)
        assert answer.key_package
        assert answer.challenge
        device.install(answer.key_package, answer.tsm_certificate)
        proof = device.proof(answer.challenge)
        with pytest.raises(ProofMalformed):
            await rig.desk.register(rig.who(device), b"nonsense")
        with pytest.raises(ProofNotAuthentic):
            await rig.desk.register(rig.who(device), proof[:-1] + bytes([proof[-1] ^ 1]))

    played(tmp_path, story)


def test_a_proof_by_another_device_is_refused(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        mine, other = rig.world.device(common="mine"), rig.world.device(common="other")
        answers = [await rig.enrol(device) for device in (mine, other)]
        for device, answer in zip((mine, other), answers, strict=True):
            assert answer.key_package
            device.install(answer.key_package, answer.tsm_certificate)
        assert answers[0].challenge
        assert answers[1].challenge
        with pytest.raises(ChallengeStale):
            await rig.desk.register(rig.who(other), mine.proof(answers[0].challenge))
        foreign = mine.proof(answers[1].challenge, device_id=other.device_id, kid=answers[1].kid)
        with pytest.raises(ProofNotAuthentic):
            await rig.desk.register(rig.who(other), foreign)

    played(tmp_path, story)


def test_a_challenge_is_good_for_five_minutes_and_the_newest_only(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        first = await rig.enrol(device)
        assert first.key_package
        assert first.challenge
        device.install(first.key_package, first.tsm_certificate)
        second = await rig.desk.challenge(rig.who(device))
        assert (second.kid, second.epoch, second.expires_at) == (first.kid, 1, rig.world.now + 300)
        with pytest.raises(ChallengeStale):
            await rig.desk.register(rig.who(device), device.proof(first.challenge))
        rig.world.now += 300
        with pytest.raises(ChallengeStale):
            await rig.desk.register(rig.who(device), device.proof(second.challenge))
        third = await rig.desk.challenge(rig.who(device))
        rig.world.now += 299
        done = await rig.desk.register(rig.who(device), device.proof(third.challenge))
        assert done.state == "registered"

    played(tmp_path, story)


def test_the_very_proof_that_was_accepted_may_come_again_and_changes_nothing(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        answer = await rig.enrol(device)
        assert answer.key_package
        assert answer.challenge
        device.install(answer.key_package, answer.tsm_certificate)
        proof = device.proof(answer.challenge)
        first = await rig.desk.register(rig.who(device), proof)
        before = rig.standing(device), rig.acts()
        rig.world.now += 1000
        assert await rig.desk.register(rig.who(device), proof) == first
        assert (rig.standing(device), rig.acts()) == before
        with pytest.raises(ChallengeStale):
            await rig.desk.register(rig.who(device), device.proof(answer.challenge))

    played(tmp_path, story)


def test_one_secure_element_registers_with_one_device(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        first, second = rig.world.device(common="a"), rig.world.device(common="b")
        second.app_se = first.app_se
        await rig.register(first)
        with pytest.raises(SecureElementTaken):
            await rig.register(second)
        assert rig.standing(second).device.state.value == "keyed"
        assert rig.acts(second)[-1] == ("device.register", "refused", "secure-element-taken")
        await rig.write(
            lambda: rig.store.provisioning.terminate(first.device_id, reason="lost", at=rig.world.now)
        )
        challenge = await rig.desk.challenge(rig.who(second))
        await rig.desk.register(rig.who(second), second.proof(challenge.challenge))

    played(tmp_path, story)


def test_a_terminated_device_is_refused_everything_for_ever(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.register(device)
        await rig.write(
            lambda: rig.store.provisioning.terminate(device.device_id, reason="gone", at=rig.world.now)
        )
        device.certify()
        who, held = rig.who(device), device.installed
        for ask in (
            rig.enrol(device),
            rig.desk.key_package(who),
            rig.desk.challenge(who),
            rig.desk.register(who, device.proof(bytes(32), held)),
            rig.desk.status(who),
        ):
            with pytest.raises(DeviceTerminated):
                await ask
        assert rig.keys(device) == [(1, "retired")]

    played(tmp_path, story)


def test_a_suspended_device_is_told_its_status_and_nothing_else(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        await rig.write(
            lambda: rig.store.provisioning.suspend(
                device.device_id, SuspensionKind.LOST, proof_wanted=False, reason="x", at=rig.world.now
            )
        )
        who = rig.who(device)
        status = await rig.desk.status(who)
        assert (status.state, status.key_package_waiting, status.proof_wanted) == ("suspended", False, False)
        for ask in (
            rig.enrol(device),
            rig.desk.key_package(who),
            rig.desk.challenge(who),
            rig.desk.register(who, b""),
        ):
            with pytest.raises(DeviceSuspended):
                await ask

    played(tmp_path, story)


def test_after_a_change_of_number_a_fresh_proof_lifts_the_suspension(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        answer = await rig.activate(device, msisdn=MSISDN)
        assert answer.challenge
        old_proof = rig.standing(device).registration
        assert old_proof
        await rig.write(
            lambda: rig.store.provisioning.change_number(
                device.device_id, "+49301234567", reason="new SIM", at=rig.world.now
            )
        )
        who = rig.who(device)
        status = await rig.desk.status(who)
        assert (status.state, status.proof_wanted) == ("suspended", True)
        with pytest.raises(DeviceSuspended):
            await rig.enrol(device)
        again = await rig.desk.register(who, old_proof.proof)
        assert again.state == "suspended", "the proof of old lifts nothing"
        challenge = await rig.desk.challenge(who)
        done = await rig.desk.register(who, device.proof(challenge.challenge))
        assert done.state == "active"
        assert rig.keys(device) == [(1, "current")]
        assert (await rig.desk.status(who)).proof_wanted is False

    played(tmp_path, story)


def test_a_device_suspended_until_it_proves_itself_can_get_the_key_it_needs_for_that(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        await rig.write(
            lambda: rig.store.provisioning.change_number(
                device.device_id, "+49301234567", reason="new SIM", at=rig.world.now
            )
        )
        rig.store.resync(advance=0, demand_new_keys=True)
        who = rig.who(device)
        with pytest.raises(KeyNotInstallable):
            await rig.desk.challenge(who)
        package = await rig.desk.key_package(who)
        device.install(package.key_package, package.tsm_certificate)
        challenge = await rig.desk.challenge(who)
        done = await rig.desk.register(who, device.proof(challenge.challenge))
        assert done.state == "active"

    played(tmp_path, story)


def test_a_device_whose_keys_are_stale_gets_a_new_one(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        who = rig.who(device)
        with pytest.raises(NoKeyPackage):
            await rig.desk.key_package(who)
        rig.store.resync(advance=0, demand_new_keys=True)
        status = await rig.desk.status(who)
        assert status.key_package_waiting
        assert [key.state for key in status.keys] == ["stale"]
        package = await rig.desk.key_package(who)
        assert package.epoch == 2
        assert (await rig.desk.key_package(who)) == package
        device.install(package.key_package, package.tsm_certificate)
        challenge = await rig.desk.challenge(who)
        done = await rig.desk.register(who, device.proof(challenge.challenge))
        assert (done.state, done.epoch) == ("active", 2)

    played(tmp_path, story)


def test_a_stranger_is_told_to_enrol_first(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        who = rig.who(rig.world.device())
        for ask in (
            rig.desk.key_package(who),
            rig.desk.challenge(who),
            rig.desk.register(who, b""),
            rig.desk.status(who),
        ):
            with pytest.raises(DeviceUnknown):
                await ask

    played(tmp_path, story)


def test_another_key_under_a_known_id_is_refused(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device, other = rig.world.device(common="a"), rig.world.device(common="b")
        await rig.enrol(device)
        twin = rig.who(other)._replace(device_id=device.device_id)
        for ask in (rig.desk.enrol(twin, EnrolmentRequest(None, None, "")), rig.desk.status(twin)):
            with pytest.raises(IdentityConflict):
                await ask
        assert rig.acts(device)[-1] == ("device.enrol", "refused", "identity-conflict")
        assert rig.standing(device).device.certificate == device.certificate

    played(tmp_path, story)


def test_key_certificates_are_judged_for_themselves(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device, other = rig.world.device("ed25519", "a"), rig.world.device("ed25519", "b")
        mine = device.key_certificate
        device.key_certificate = other.key_certificate
        with pytest.raises(KeyCertificateMismatch):
            await rig.enrol(device)
        device.key_certificate = None
        with pytest.raises(KeyCertificateMissing):
            await rig.enrol(device)
        device.key_certificate = mine
        expired = LiteralDevice(rig.world.authority, "ed25519", lifetime=(NOW - 2 * DAY, NOW - DAY))
        assert expired.key_certificate
        fresh = rig.world.device("ed25519", "se")
        fresh.key_certificate = expired.key_certificate
        with pytest.raises(CertificateExpired):
            await rig.enrol(fresh)
        assert rig.store.provisioning.standing(device.device_id) is None
        await rig.enrol(device)

    played(tmp_path, story)


def test_a_virtual_device_is_refused_where_real_money_is(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        virtual = rig.who(device)._replace(test_only=True)
        with pytest.raises(VirtualDeviceRefused):
            await rig.desk.enrol(virtual, EnrolmentRequest(None, None, ""))

    played(tmp_path, story)


def test_a_new_key_begins_with_a_random_number_and_nothing_lower_will_do(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        pivs = set()
        for number in range(8):
            device = rig.world.device(common=f"se-{number}")
            await rig.enrol(device)
            (package,) = rig.standing(device).packages
            assert rig.store.registry.window_of(package.kid) == initial_window(package.first_piv)
            pivs.add(package.first_piv)
        assert len(pivs) == 8
        assert max(pivs) < 2**31

    played(tmp_path, story)
