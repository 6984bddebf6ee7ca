"""Confirmations of keys by short message: authenticated, stored once and sealed, never forwarded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.relay.rig import ADDRESS, NOW, Rig
from tests.relay.test_payments import rigged, traffic_of
from tsm_gateway.messages import Verdict
from tsm_gateway.registry.control import CONFIRM
from tsm_gateway.registry.device import DeviceMove, DeviceState, KeyState
from tsm_gateway.relay.interfaces import Batch, StoreConflict
from tsm_gateway.virtual.cbor_literal import encode
from tsm_gateway.virtual.part import Part, cut

if TYPE_CHECKING:
    from tsm_gateway.registry.control import ControlArrival
    from tsm_gateway.virtual.handset import Handset

TAKEN = Verdict.TAKEN
PROOF = b"what provisioning will judge, in as many octets as a proof has; " * 6


def sealed(
    handset: Handset, proof: bytes = PROOF, *, address: str = CONFIRM, piv: int | None = None
) -> bytes:
    """A packet of the device's crypto SE under its next packet number."""
    if piv is None:
        piv = handset.crypto.next_piv
        handset.crypto._next_piv += 1
    return traffic_of(handset).seal(encode([address, proof]), piv)


def confirm(handset: Handset, proof: bytes = PROOF, *, piv: int | None = None) -> list[Part]:
    """The short messages of one confirmation."""
    return in_parts(handset, sealed(handset, proof, piv=piv))


def in_parts(handset: Handset, packet: bytes, reference: int = 7) -> list[Part]:
    record = handset.record
    return [
        Part(record.msisdn, "16500", 4, 0, udh, body) for udh, body in cut(packet, record.port, reference)
    ]


def arrivals(rig: Rig) -> list[ControlArrival]:
    return rig.store.provisioning.control_arrivals(100)


@rigged()
async def test_a_confirmation_is_stored_as_it_came_and_never_forwarded(rig: Rig):
    handset = rig.add_device(state=DeviceState.KEYED, key_state=KeyState.PENDING, piv=4711)
    packet = sealed(handset)
    parts = in_parts(handset, packet)
    assert len(parts) == 4
    assert await rig.offer(parts) == [TAKEN] * 4
    assert arrivals(rig) == [(handset.record.kid, 4711, handset.record.device_id, packet, NOW)]
    assert not rig.store.unfinished()
    assert not rig.store.queue.entries()
    assert not rig.bearer.sent
    assert not rig.reasons()


@rigged()
async def test_a_confirmation_is_one_line_of_the_log_and_one_of_the_figures(rig: Rig):
    handset = rig.handsets[0]
    await rig.offer(confirm(handset))
    (line,) = rig.events("control.received")
    assert (line["device"], line["kid"], line["parts"], line["bearer"]) == (
        handset.record.device_id,
        handset.record.kid.hex(),
        4,
        "air",
    )
    assert "tsm_controls_received_total 1.0" in rig.metrics.text().decode()
    for needle in (PROOF[:30], PROOF[:30].hex().encode()):
        assert needle not in rig.log.getvalue()
        assert needle not in b"".join(path.read_bytes() for path in rig.folder.iterdir() if path.is_file())


@rigged()
async def test_its_parts_may_come_in_any_order_over_batches_and_a_restart(rig: Rig):
    parts = confirm(rig.handsets[0])
    await rig.offer([parts[3], parts[1]])
    await rig.offer([parts[1]])
    await rig.end()
    rig.assemble()
    await rig.begin()
    await rig.offer([parts[0]])
    assert not arrivals(rig)
    await rig.offer([parts[2], parts[0]])
    assert len(arrivals(rig)) == 1
    assert not rig.store.unfinished()


@rigged()
async def test_a_confirmation_in_one_short_message_is_taken_too(rig: Rig):
    parts = confirm(rig.handsets[0], b"short")
    assert len(parts) == 1
    assert await rig.offer(parts) == [TAKEN]
    assert len(arrivals(rig)) == 1


@rigged()
async def test_a_confirmation_that_comes_again_is_answered_and_stored_once(rig: Rig):
    handset = rig.handsets[0]
    packet = sealed(handset)
    await rig.offer(in_parts(handset, packet))
    assert await rig.offer(in_parts(handset, packet)) == [TAKEN] * 4  # as duplicates
    await rig.end()
    rig.assemble()
    await rig.begin()
    assert await rig.offer(in_parts(handset, packet, reference=8)) == [TAKEN] * 4
    assert len(arrivals(rig)) == 1
    assert rig.reasons() == ["replay"]


@rigged()
async def test_twice_in_one_batch_it_is_a_replay(rig: Rig):
    handset = rig.handsets[0]
    packet = sealed(handset)
    await rig.offer([*in_parts(handset, packet, 1), *in_parts(handset, packet, 2)])
    assert len(arrivals(rig)) == 1
    assert rig.reasons() == ["replay"]


@rigged()
async def test_a_confirmation_that_was_judged_does_not_come_back_as_a_replay(rig: Rig):
    handset = rig.handsets[0]
    packet = sealed(handset)
    await rig.offer(in_parts(handset, packet))
    (arrival,) = arrivals(rig)
    rig.store.provisioning.settle_arrival(arrival.kid, arrival.piv)
    await rig.parts.committer.commit(lambda spool: spool.stage(Batch()))
    await rig.offer(in_parts(handset, packet, reference=9))
    assert not arrivals(rig)
    assert rig.reasons() == ["replay"]


@rigged()
async def test_its_number_is_used_up_for_payments_too(rig: Rig):
    handset = rig.handsets[0]
    piv = handset.crypto.next_piv
    await rig.offer(confirm(handset))
    handset.crypto._next_piv = piv
    await rig.offer(rig.pay())
    assert rig.reasons() == ["replay"]
    await rig.offer(rig.pay())
    assert len(await rig.opened(1)) == 1


@rigged()
async def test_payments_and_a_confirmation_share_a_batch(rig: Rig):
    handset = rig.handsets[0]
    mixed = [*rig.pay(), *confirm(handset), *rig.pay()]
    assert set(await rig.offer(mixed[::-1])) == {TAKEN}
    assert len(await rig.opened(2)) == 2
    assert len(arrivals(rig)) == 1


@rigged()
async def test_a_confirmation_too_far_ahead_is_refused(rig: Rig):
    handset = rig.handsets[0]
    await rig.offer(confirm(handset, piv=handset.crypto.next_piv + 2_000_000))
    assert rig.reasons() == ["counter_jump"]
    assert not arrivals(rig)


@rigged()
async def test_the_number_it_came_from_decides_nothing(rig: Rig):
    handset, other = rig.handsets[0], rig.add_device()
    parts = [part._replace(source=other.record.msisdn) for part in confirm(handset)]
    await rig.offer(parts)
    (arrival,) = arrivals(rig)
    assert arrival.device_id == handset.record.device_id
    forged = [part._replace(source=handset.record.msisdn) for part in confirm(other)]
    forged[-1] = forged[-1]._replace(data=bytes(len(forged[-1].data)))
    await rig.offer(forged)
    assert rig.reasons() == ["not_authentic"]
    assert len(arrivals(rig)) == 1


@rigged()
async def test_an_address_that_only_resembles_it_is_a_payment_to_nobody(rig: Rig):
    handset = rig.handsets[0]
    for address in ("TSM-CONFIRM-1", "tsm-confirm-2", "tsm-confirm-1 ", ADDRESS):
        await rig.offer(in_parts(handset, sealed(handset, address=address), handset.crypto.next_piv & 0xFF))
    assert not arrivals(rig)
    assert len(rig.reasons()) == 4


STATES = [
    (DeviceState.ENROLLED, KeyState.PENDING, None),
    (DeviceState.KEYED, KeyState.PENDING, None),
    (DeviceState.REGISTERED, KeyState.CURRENT, None),
    (DeviceState.ACTIVE, KeyState.PENDING, None),
    (DeviceState.ACTIVE, KeyState.OVERLAP, None),
    (DeviceState.SUSPENDED, KeyState.PENDING, None),
    (DeviceState.TERMINATED, KeyState.CURRENT, "device_not_active"),
    (DeviceState.ACTIVE, KeyState.RETIRED, "key_retired"),
    (DeviceState.ACTIVE, KeyState.STALE, "key_retired"),
]


@pytest.mark.parametrize(("device", "key", "reason"), STATES)
def test_who_may_confirm(device, key, reason, tmp_path):
    async def inside():
        async with Rig(tmp_path) as rig:
            handset = rig.add_device(state=device, key_state=key)
            packet = sealed(handset)
            assert await rig.offer(in_parts(handset, packet)) == [TAKEN] * 4
            assert rig.reasons() == ([] if reason is None else [reason])
            assert len(arrivals(rig)) == (reason is None)
            await rig.offer(in_parts(handset, packet, reference=8))
            assert rig.reasons()[-1] == (reason or "replay")

    asyncio.run(inside())


PAYMENTS = [
    (DeviceState.ACTIVE, KeyState.PENDING, None),
    (DeviceState.ENROLLED, KeyState.PENDING, "device_not_registered"),
    (DeviceState.KEYED, KeyState.PENDING, "device_not_registered"),
    (DeviceState.REGISTERED, KeyState.CURRENT, "application_not_delivered"),
    (DeviceState.SUSPENDED, KeyState.CURRENT, "device_not_active"),
    (DeviceState.TERMINATED, KeyState.CURRENT, "device_not_active"),
    (DeviceState.KEYED, KeyState.RETIRED, "key_retired"),
]


@pytest.mark.parametrize(("device", "key", "reason"), PAYMENTS)
def test_a_payment_is_taken_from_an_active_device_only_and_refused_with_its_own_reason(
    device, key, reason, tmp_path
):
    async def inside():
        async with Rig(tmp_path) as rig:
            handset = rig.add_device(state=device, key_state=key)
            assert await rig.offer(rig.pay(handset=handset)) == [TAKEN, TAKEN]
            assert rig.reasons() == ([] if reason is None else [reason])
            assert len(rig.store.queue.entries()) == (reason is None)

    asyncio.run(inside())


@rigged()
async def test_another_program_that_moved_the_window_makes_it_a_replay_and_no_second_row(rig: Rig):
    handset = rig.handsets[0]
    stage = rig.store.stage
    failed: list[Batch] = []

    def beaten_once(rows: Batch):
        if rows.controls and not failed:
            failed.append(rows)
            raise StoreConflict
        return stage(rows)

    rig.store.stage = beaten_once  # type: ignore[method-assign, assignment]
    assert await rig.offer(confirm(handset)) == [TAKEN] * 4
    assert failed
    assert len(arrivals(rig)) == 1


@rigged()
async def test_a_device_that_becomes_active_pays_at_once_though_nobody_told_the_relay(rig: Rig):
    handset = rig.add_device(state=DeviceState.REGISTERED)
    await rig.offer(rig.pay(handset=handset))
    rig.store.registry.move_device(handset.record.device_id, DeviceMove.ACTIVATE, reason="test", at=1)
    await rig.offer(rig.pay(handset=handset))
    assert rig.reasons() == ["application_not_delivered"]
    assert len(rig.store.queue.entries()) == 1
