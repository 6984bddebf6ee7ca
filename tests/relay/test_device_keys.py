"""Payments of devices with every kind of signing key, through relay and provider; each signs by its own."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from tests.relay.rig import Rig
from tsm_gateway.messages import Verdict
from tsm_gateway.virtual.identity import Kind, new_identity

if TYPE_CHECKING:
    from pathlib import Path

PARTS = {Kind.P256: 2, Kind.ED25519: 2, Kind.RSA: 4}
PAIRS = list(permutations(PARTS, 2))


@pytest.mark.parametrize("kind", PARTS, ids=lambda kind: kind.value)
def test_a_payment_arrives_verified_whatever_key_its_device_signs_with(kind: Kind, tmp_path: Path) -> None:
    async def pays() -> None:
        rig = Rig(tmp_path)
        handset = rig.add_device(kind=kind)
        rig.provider_record.devices[handset.record.device_id] = handset.record.certificate
        async with rig:
            parts = rig.pay("12.99", handset=handset)
            assert await rig.offer(parts) == [Verdict.TAKEN] * PARTS[kind]
            (payment,) = await rig.opened(1)
            assert payment.as_json()["device_id"] == handset.record.device_id
            assert rig.reasons() == []

    asyncio.run(pays())


@pytest.mark.parametrize(("signs", "registered"), PAIRS, ids=lambda kind: kind.value)
def test_a_good_signature_by_another_kind_of_key_is_refused(
    signs: Kind, registered: Kind, tmp_path: Path
) -> None:
    async def pays() -> None:
        rig = Rig(tmp_path)
        handset = rig.add_device(kind=registered)
        foreign = new_identity(int(rig.now), signs).private_key
        handset.crypto._made = handset.crypto._made._replace(private_key=foreign)
        async with rig:
            parts = rig.pay(handset=handset)
            assert await rig.offer(parts) == [Verdict.TAKEN] * len(parts)
            await rig.until(lambda: bool(rig.reasons()))
            assert rig.reasons() == ["certificate_invalid"]
            assert rig.bearer.sent == []

    asyncio.run(pays())
