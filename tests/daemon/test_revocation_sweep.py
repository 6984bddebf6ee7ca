"""Devices whose certificate was revoked do not go on paying by SMS."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509

from tests.daemon.provisioning_rig import Rig, played
from tests.provisioning.authority import DAY, Authority, pem
from tsm_gateway.daemon import revocation_sweep
from tsm_gateway.provisioning.issuer import read_issuer
from tsm_gateway.registry.suspension import SuspensionKind

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.daemon.literal_device import LiteralDevice


def reload(rig: Rig, *revoked: LiteralDevice) -> None:
    """As at SIGHUP, with a list that names these."""
    certificates = [x509.load_der_x509_certificate(each.certificate) for each in revoked]
    anchors = pem(rig.world.authority.certificate)
    issuer = read_issuer("se-issuer", anchors=anchors, crls=[rig.world.authority.crl(*certificates)])
    rig.held.now = replace(rig.held.now, issuers=(issuer,))
    rig.parts.sweep.begin_anew()


def state(rig: Rig, device: LiteralDevice) -> str:
    return rig.standing(device).device.state.value


def test_a_device_whose_certificate_was_revoked_is_suspended(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        good, bad, registered = (rig.world.device(common=each) for each in ("good", "bad", "registered"))
        await rig.activate(good)
        await rig.activate(bad)
        await rig.register(registered)
        await rig.parts.sweep.look()
        assert [state(rig, each) for each in (good, bad, registered)] == ["active", "active", "registered"]
        before = rig.store.registry.versions()[0]
        reload(rig, bad, registered)
        await rig.parts.sweep.look()
        assert [state(rig, each) for each in (good, bad, registered)] == ["active", "suspended", "suspended"]
        assert rig.store.registry.versions()[0] > before  # the relay is told
        suspension = rig.standing(bad).suspension
        assert suspension is not None
        assert (suspension.kind, suspension.proof_wanted) == (SuspensionKind.OPERATOR, False)
        assert rig.acts(bad)[-1] == ("device.suspend", "done", "certificate revoked")
        assert {line["device"] for line in rig.logged("device.revoked")} == {
            bad.device_id,
            registered.device_id,
        }
        first, second = rig.logged("certificates.swept")
        assert (first["devices"], first["count"]) == (3, 0)
        assert (second["devices"], second["count"]) == (3, 2)
        assert b'certificates_swept_total{outcome="certificate-revoked"} 2.0' in rig.reports.metrics.text()

    played(tmp_path, story)


def test_other_flaws_are_counted_and_told_once(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        short = rig.world.device(common="short", lifetime=(rig.world.now - DAY, rig.world.now + 60))
        await rig.activate(short)
        await rig.activate(rig.world.device(common="long"))
        rig.world.now += 3600
        for _ in range(2):
            await rig.parts.sweep.look()
            rig.world.now += 3600
        assert state(rig, short) == "active"
        (line,) = rig.logged("certificates.unfit")
        assert (line["error"], line["count"]) == ("certificate-expired", 1)
        assert len(rig.logged("certificates.swept")) == 2

    played(tmp_path, story)


def test_a_round_a_slice_at_a_time_begins_anew_at_a_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation_sweep, "SLICE_S", 0)
    monkeypatch.setattr(revocation_sweep, "PAGE", 2)

    async def story(rig: Rig) -> None:
        devices = [rig.world.device(common=f"se-{number}") for number in range(3)]
        for each in devices:
            await rig.activate(each)
        first, *_, last = sorted(devices, key=lambda each: each.device_id)
        await rig.parts.sweep.look()
        await rig.parts.sweep.look()
        reload(rig, first, last)
        await rig.parts.sweep.look()
        assert (state(rig, first), state(rig, last)) == ("suspended", "active")
        for _ in range(3):
            await rig.parts.sweep.look()
        assert state(rig, last) == "suspended"
        (line,) = rig.logged("certificates.swept")
        assert (line["devices"], line["count"]) == (3, 2)
        await rig.parts.sweep.look()  # the next round waits for its hour
        assert len(rig.logged("certificates.swept")) == 1

    played(tmp_path, story)


def test_a_certificate_that_was_renewed_meanwhile_costs_nobody_the_device(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        reload(rig, device)
        judge, sweep = rig.parts.judge.device, rig.parts.sweep

        async def slow(der: bytes) -> object:
            device.certify()
            await rig.enrol(device)
            return await judge(der)

        sweep._judge.device = slow  # type: ignore[method-assign, assignment]
        await sweep.look()
        assert state(rig, device) == "active"

    played(tmp_path, story)


def test_a_device_of_no_issuer_goes_on(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        device = rig.world.device()
        await rig.activate(device)
        other = read_issuer("other", anchors=pem(Authority("Other").certificate))
        rig.held.now = replace(rig.held.now, issuers=(other,))
        await rig.parts.sweep.look()
        assert state(rig, device) == "active"
        assert rig.logged("certificates.unfit")[0]["error"] == "certificate-untrusted"

    played(tmp_path, story)
