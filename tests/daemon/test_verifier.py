"""Signatures are checked the same with a pool, with one thread and in the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.relay.rig import Rig
from tsm_gateway.daemon.verifier import Verifier
from tsm_gateway.relay.opening import Payment, open_payment

if TYPE_CHECKING:
    from pathlib import Path


def payments(rig: Rig, count: int) -> list[Payment]:
    """Every third one is signed by a stranger."""
    stranger = rig.add_device().record.private_key
    found = []
    for number in range(count):
        handset = rig.add_device()
        if number % 3 == 0:
            handset.crypto._made = handset.crypto._made._replace(private_key=stranger)
        packet = b"".join(part.data for part in rig.pay(handset=handset))
        opened = open_payment(packet, rig.parts.directory, now=int(rig.now), skew_s=300)
        assert isinstance(opened, Payment)
        found.append(opened)
    return found


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_each_signature_is_judged_in_its_place(threads: int, count: int, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    verifier = Verifier(threads)
    try:
        good = asyncio.run(verifier.check(payments(rig, count)))
    finally:
        verifier.close()
        rig.parts.verifier.close()
        rig.store.close()
    assert good == [number % 3 != 0 for number in range(count)]
