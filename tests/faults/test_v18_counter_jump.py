"""V18: a counter far ahead, which would lock its device out if it were believed.

A forged one moves nothing, as the window moves only for what is authentic; a genuine one moves it by no
more than the limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.forge import carried, packet_of
from tests.relay.test_payments import rigged
from tsm_gateway.messages import Verdict
from tsm_gateway.virtual.cbor_literal import encode
from tsm_gateway.virtual.packet import piv_octets, read_packet

if TYPE_CHECKING:
    from tests.relay.rig import Rig
    from tsm_gateway.virtual.part import Part

LIMIT = 1000
MAX_PIV = 2**40 - 1
TAKEN = [Verdict.TAKEN, Verdict.TAKEN]


def renumbered(rig: Rig, parts: list[Part], piv: int) -> list[Part]:
    """The packet under another counter, which breaks its tag."""
    packet = read_packet(packet_of(parts))
    forged = encode([b"\xa1\x01\x03", {4: packet.kid, 6: piv_octets(piv)}, packet.ciphertext])
    return carried(rig.handsets[0], forged)


def window(rig: Rig) -> tuple[int, int] | None:
    """As the store holds it."""
    return rig.store.registry.window_of(rig.handsets[0].record.kid)


@pytest.mark.parametrize("ahead", [1, 63, 64, LIMIT, LIMIT + 1, 2**31, MAX_PIV - 2000])
def test_a_forged_counter_changes_nothing(ahead: int, tmp_path) -> None:
    @rigged(relay={"max_counter_jump": LIMIT})
    async def run(rig: Rig):
        await rig.offer(rig.pay())
        await rig.opened(1)
        before = window(rig)
        parts = rig.pay()
        forged = renumbered(rig, parts, rig.handsets[0].next_piv - 1 + ahead)
        assert await rig.offer(forged) == TAKEN
        assert rig.reasons() == ["not_authentic"]
        assert window(rig) == before
        assert await rig.offer(parts) == TAKEN
        assert len(await rig.opened(2)) == 2

    run(tmp_path)


@rigged(relay={"max_counter_jump": LIMIT})
async def test_a_genuine_counter_beyond_the_limit_changes_nothing_and_the_device_goes_on(rig: Rig):
    await rig.offer(rig.pay())
    before, crypto = window(rig), rig.handsets[0].crypto
    crypto._next_piv += LIMIT
    assert await rig.offer(rig.pay()) == TAKEN
    assert rig.reasons() == ["counter_jump"]
    assert window(rig) == before
    crypto._next_piv -= LIMIT + 1
    await rig.offer(rig.pay())
    assert len(await rig.opened(2)) == 2


@rigged(relay={"max_counter_jump": LIMIT})
async def test_a_genuine_counter_at_the_limit_is_accepted(rig: Rig):
    await rig.offer(rig.pay())
    rig.handsets[0].crypto._next_piv += LIMIT - 1
    await rig.offer(rig.pay())
    assert len(await rig.opened(2)) == 2


@rigged(relay={"max_counter_jump": LIMIT})
async def test_an_authentic_message_that_is_refused_jumps_no_further_than_a_payment(rig: Rig):
    await rig.offer(rig.pay())
    before = window(rig)
    rig.handsets[0].crypto._next_piv += LIMIT
    assert await rig.offer(rig.pay(to="sp:nobody")) == TAKEN
    assert window(rig) == before
