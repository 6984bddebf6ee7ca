"""What one device may make grow, or undo, by asking again and again: never more than a bounded amount."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.daemon.provisioning_rig import MSISDN, Rig, played
from tests.provisioning.authority import NOW
from tests.provisioning.respelled import respelled
from tsm_gateway.daemon.committer import stage
from tsm_gateway.daemon.moderation import CHANGES, HOUR_S, Moderation
from tsm_gateway.daemon.provisioning_answers import HybridKeyRequired, TooManyChanges, TooManyKeys
from tsm_gateway.daemon.provisioning_ledger import Ledger
from tsm_gateway.daemon.provisioning_standing import UNPROVED
from tsm_gateway.envelope.replay import strike
from tsm_gateway.provisioning.proof_errors import ProofMalformed, ProofNotAuthentic, ProofWrongDevice
from tsm_gateway.registry.control import ControlArrival
from tsm_gateway.relay.interfaces import Batch, StoreBusy, WindowMove

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.literal_device import LiteralDevice
    from tsm_gateway.errors import TsmError

XWING, P256 = 0x647A, 0x0010


@pytest.mark.parametrize("kind", ["p256", "x25519"])
def test_a_certificate_with_the_other_signature_is_no_other_certificate(tmp_path: Path, kind: str) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device(kind)
        first = await rig.enrol(device)
        original, version = device.certificate, rig.store.registry.versions()
        for _ in range(3):
            device.certificate = respelled(device.certificate)
            if device.key_certificate:
                device.key_certificate = respelled(device.key_certificate)
            assert (await rig.enrol(device)).key_package == first.key_package
        assert rig.keys(device) == [(1, "pending")]
        assert rig.standing(device).device.certificate == original
        assert len(rig.acts(device)) == 2
        assert rig.store.registry.versions() == version

    played(tmp_path, story)


def test_a_device_that_proves_no_key_has_to_wait_for_another(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        for epoch in range(1, UNPROVED + 1):
            assert (await rig.enrol(device, hybrid=True)).epoch == epoch
        rig.world.now += 600
        with pytest.raises(TooManyKeys) as refused:
            await rig.enrol(device, hybrid=True)
        assert refused.value.retry_after_s == HOUR_S - 600
        for more in range(1, 9):
            rig.world.now += HOUR_S
            assert (await rig.enrol(device, hybrid=True)).epoch == UNPROVED + more
        states = [state for _, state in rig.keys(device)]
        assert states == ["pending"] * 8 + ["retired"] * 4, "the oldest that were never used go"

    played(tmp_path, story, hybrid="offered")


def test_keys_made_while_the_clock_was_ahead_keep_nobody_waiting(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        ahead_s = 5 * 24 * HOUR_S
        rig.world.now += ahead_s
        for _ in range(UNPROVED):
            await rig.enrol(device, hybrid=True)
        rig.world.now -= ahead_s
        rig.ahead_s = ahead_s + HOUR_S  # the monotonic clock only goes on
        assert (await rig.enrol(device, hybrid=True)).epoch == UNPROVED + 1
        with pytest.raises(TooManyKeys):
            await rig.enrol(device, hybrid=True)

    played(tmp_path, story, hybrid="offered")


def test_a_device_that_alternates_its_certificates_is_told_to_wait(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        one = device.certificate
        device.certify()
        two, acts = device.certificate, len(rig.acts(device))
        for turn in range(CHANGES):
            device.certificate = one if turn % 2 else two
            await rig.enrol(device)
        device.certificate = two
        with pytest.raises(TooManyChanges):
            await rig.enrol(device)
        assert len(rig.acts(device)) == acts + CHANGES
        rig.world.now += HOUR_S // CHANGES
        await rig.enrol(device)

    played(tmp_path, story)


def test_a_change_that_the_store_did_not_take_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(_ledger: Ledger, _act: object) -> None:
        raise StoreBusy

    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        device.certify()
        with monkeypatch.context() as trouble:
            trouble.setattr(Ledger, "write", busy)
            for _ in range(CHANGES + 1):
                with pytest.raises(StoreBusy):
                    await rig.enrol(device)
        await rig.enrol(device)
        assert rig.standing(device).device.certificate == device.certificate

    played(tmp_path, story)


def test_a_new_hybrid_key_is_none_of_the_relays_business(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        version = rig.store.registry.versions()
        await rig.enrol(device, hybrid=True)
        assert rig.store.registry.versions() == version

    played(tmp_path, story, hybrid="offered")


async def register_again(rig: Rig, device: LiteralDevice, methods: list[list[object]] | None = None) -> None:
    challenge = await rig.desk.challenge(rig.who(device))
    changed: dict[str, Any] = {} if methods is None else {"methods": methods}
    answer = await rig.desk.register(rig.who(device), device.proof(challenge.challenge, **changed))
    assert answer.state == "registered"


def methods(turn: int) -> list[list[object]]:
    """Another finger each turn."""
    return [["fpt", bytes([turn]) * 32, NOW]]


def test_a_device_that_registers_again_and_again_is_told_to_wait(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.register(device)
        acts = len(rig.acts(device))
        for turn in range(CHANGES):
            await register_again(rig, device, methods(turn))
        with pytest.raises(TooManyChanges):
            await register_again(rig, device, methods(CHANGES))
        assert len(rig.acts(device)) == acts + CHANGES

    played(tmp_path, story)


def test_a_device_that_proves_what_is_on_record_changes_nothing_however_often(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.register(device)
        before, generation = rig.standing(device), rig.store.generation
        for _ in range(3 * CHANGES):
            await register_again(rig, device)
        assert (rig.standing(device), rig.store.generation) == (before, generation)

    played(tmp_path, story)


async def fail(rig: Rig, device: LiteralDevice) -> None:
    """Prove a key in another device's name."""
    challenge = await rig.desk.challenge(rig.who(device))
    proof = device.proof(challenge.challenge, device_id="d:0000000000000000")
    with pytest.raises(ProofWrongDevice):
        await rig.desk.register(rig.who(device), proof)


def test_one_cause_of_refusal_is_audited_once_an_hour(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device, other = rig.world.device(), rig.world.device(common="other")
        for each in (device, other):
            await rig.register(each)
        for _ in range(20):
            await fail(rig, device)
        assert len(rig.acts(device)) == 4
        assert len(rig.logged("registration.refused")) == 20, "the log has all of them"
        await fail(rig, other)
        assert len(rig.acts(other)) == 4, "another device is another matter"
        rig.world.now += HOUR_S
        await fail(rig, device)
        assert len(rig.acts(device)) == 5

    played(tmp_path, story)


def test_a_refusal_that_could_not_be_recorded_is_recorded_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(_ledger: Ledger, _act: object) -> None:
        raise StoreBusy

    async def story(rig: Rig) -> None:
        device, remote = rig.world.device(), rig.world.device(common="remote")
        await rig.register(device)
        await rig.activate(remote, msisdn=MSISDN)
        assert remote.installed
        await arrive(rig, remote, range(remote.installed.first_piv, remote.installed.first_piv + 1))
        recorded = len(rig.acts(device)), len(rig.acts(remote))
        with monkeypatch.context() as trouble:
            trouble.setattr(Ledger, "write", busy)
            await fail(rig, device)
            with pytest.raises(StoreBusy):
                await rig.parts.arrivals.settle()
        await fail(rig, device)
        await rig.parts.arrivals.settle()
        assert (len(rig.acts(device)), len(rig.acts(remote))) == (recorded[0] + 1, recorded[1] + 1)

    played(tmp_path, story)


async def arrive(rig: Rig, device: LiteralDevice, pivs: range) -> None:
    """Confirmations of nothing, authentic as packets, as the relay stores them."""
    held = device.installed
    assert held
    for piv in pivs:
        window = rig.store.registry.window_of(held.kid)
        assert window is not None
        packet = device.confirmation_packet(b"no proof", held, piv)
        arrival = ControlArrival(held.kid, piv, device.device_id, packet, rig.world.now)
        moved = WindowMove(held.kid, window, strike(window, piv))
        await rig.parts.committer.commit(partial(stage, Batch(windows=[moved], controls=[arrival])))


def test_of_confirmations_under_one_key_one_waits_and_the_others_use_up_their_numbers(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device, msisdn=MSISDN)
        held = device.installed
        assert held
        first = held.first_piv
        await arrive(rig, device, range(first, first + 5))
        (waiting,) = rig.store.provisioning.control_arrivals(10)
        assert waiting.piv == first
        window = rig.store.registry.window_of(held.kid)
        assert window
        assert window[0] == first + 4
        acts = len(rig.acts(device))
        for _ in range(3):
            await rig.parts.arrivals.settle()
            await arrive(rig, device, range(window[0] + 1, window[0] + 2))
            window = rig.store.registry.window_of(held.kid)
            assert window
        assert len(rig.acts(device)) == acts + 1

    played(tmp_path, story)


def test_confirmations_of_many_devices_are_judged_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsm_gateway.daemon.control_arrivals.AT_ONCE", 2)

    async def story(rig: Rig) -> None:
        for number in range(5):
            device = rig.world.device(common=str(number))
            await rig.activate(device, msisdn=MSISDN)
            assert device.installed
            await arrive(rig, device, range(device.installed.first_piv, device.installed.first_piv + 1))
        assert [await rig.parts.arrivals.settle() for _ in range(3)] == [True, True, False]
        assert rig.store.provisioning.control_arrivals(10) == []

    played(tmp_path, story)


def test_a_hybrid_key_stays_until_another_is_stated(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        first = await rig.enrol(device, hybrid=True)
        again = await rig.enrol(device)
        assert (again.kem, again.key_package) == (XWING, first.key_package)
        assert (await rig.enrol(device, hybrid=True)).epoch == 2

    played(tmp_path, story, hybrid="offered")


def test_a_weaker_package_that_waits_is_not_given_out_once_hybrid_keys_are_required(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        assert (await rig.enrol(device)).kem == P256
        section = rig.held.now.section.model_copy(update={"hybrid": "required"})
        rig.held.now = replace(rig.held.now, section=section)
        with pytest.raises(HybridKeyRequired):
            await rig.desk.key_package(rig.who(device))
        with pytest.raises(HybridKeyRequired):
            await rig.enrol(device)
        assert (await rig.enrol(device, hybrid=True)).kem == XWING

    played(tmp_path, story)


def test_moderation_counts_by_device_and_cause() -> None:
    moderation = Moderation(lambda: 0.0)
    causes = [ProofMalformed(), ProofNotAuthentic()]

    def is_news(device_id: str, cause: TsmError) -> bool:
        with moderation.news(device_id, cause) as news:
            return news

    assert [is_news("a", cause) for cause in causes * 2] == [True, True, False, False]
    assert is_news("b", causes[0])
