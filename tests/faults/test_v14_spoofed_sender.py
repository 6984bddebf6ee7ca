"""V14: the sender's number, which anybody can choose.

A metamorphic test: the same messages under any other number give the same verdicts, the same reasons, the
same payments at the same provider. Nothing is decided by it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.faults.forge import causes_for
from tests.relay.rig import ADDRESS, GATEWAY, MSISDN, Rig

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.messages import Verdict
    from tsm_gateway.virtual.part import Part

OF_THE_OTHER_DEVICE = "+491701234501"
SENDERS = (
    OF_THE_OTHER_DEVICE,
    MSISDN,  # the provider's own
    ADDRESS,
    GATEWAY,
    "+19995550100",
    "0170123",
    "112",
    "Bank",
    "",
    "+1",
    "+" + "9" * 20,
)


class Outcome(NamedTuple):
    """What became of it all, in order."""

    verdicts: list[Verdict]
    reasons: list[str]
    destinations: list[str]
    payments: list[tuple[str, bytes, int]]


async def outcome(rig: Rig, messages: list[list[Part]]) -> Outcome:
    """Offer the messages one by one."""
    verdicts = [verdict for parts in messages for verdict in await rig.offer(parts)]
    opened = await rig.opened(2)
    return Outcome(
        verdicts,
        rig.reasons(),
        [part.destination for part in rig.bearer.sent],
        [(each.payment.device_id, each.payment.cti, each.payment.amount) for each in opened],
    )


@pytest.mark.parametrize("sender", SENDERS)
def test_verdict_and_route_do_not_change_with_the_sender(sender: str, tmp_path: Path) -> None:
    async def run() -> None:
        (tmp_path / "own").mkdir(mode=0o700)
        async with Rig(tmp_path / "own", devices=2) as rig:
            messages = [
                rig.pay("1.00"),
                *causes_for(rig.handsets, at=int(rig.now)).values(),
                rig.pay("2.00", handset=rig.handsets[1]),
            ]
            rig.store.checkpoint()
            twin = copy_of(rig, tmp_path / "other")
            own = await outcome(rig, messages)
        async with twin:
            spoofed = [[part._replace(source=sender) for part in parts] for parts in messages]
            assert await outcome(twin, spoofed) == own
        assert len(own.payments) == 2
        assert len(set(own.reasons)) > 5

    asyncio.run(run())


def copy_of(rig: Rig, folder: Path) -> Rig:
    """A relay with the same devices and provider, nothing accepted yet."""
    folder.mkdir(mode=0o700)
    for name in ("gateway.db", "epoch"):
        (folder / name).touch(0o600)
        (folder / name).write_bytes((rig.folder / name).read_bytes())
    twin = Rig(folder)
    twin.provider_record = rig.provider_record
    return twin
