"""A payment through the whole relay but the radio: accepted once and handed over, or refused in silence."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tests.relay.rig import ADDRESS, GATEWAY, NOW, Rig, handset_record, wrapped
from tsm_gateway.envelope.replay import initial_window
from tsm_gateway.messages import Fate, Receipt, ReceiptState, Ticket, Unusable, Verdict
from tsm_gateway.registry.device import Device, DeviceMove, DeviceState, KeyState
from tsm_gateway.registry.provider import ProviderMove
from tsm_gateway.relay.directory import DEVICE_KEYS
from tsm_gateway.relay.states import MessageState
from tsm_gateway.secret import Secret
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.identity import new_identity
from tsm_gateway.virtual.packet import Direction, Traffic, read_packet
from tsm_gateway.virtual.part import Part, cut

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TAKEN, BUSY = Verdict.TAKEN, Verdict.BUSY


def rigged(**options):
    """Run an async test inside a rig."""

    def decorate(test):
        def run(tmp_path: Path):
            async def inside():
                async with Rig(tmp_path, **options) as rig:
                    await test(rig)

            asyncio.run(inside())

        run.__name__ = test.__name__
        return run

    return decorate


@rigged()
async def test_a_payment_in_two_parts_arrives_verified_at_its_provider(rig: Rig):
    parts = rig.pay("12.99")
    assert len(parts) == 2
    assert await rig.offer(parts) == [TAKEN, TAKEN]
    (payment,) = await rig.opened(1)
    assert payment.as_json()["amount"] == "12.99"
    assert payment.as_json()["device_id"] == rig.handsets[0].record.device_id
    await rig.until(lambda: bool(rig.events("payment.handed_over")))
    assert rig.events("payment.handed_over")[0]["smsc_ids"] == "id-1,id-2"  # what to ask the carrier about


@rigged()
async def test_a_handed_over_message_keeps_what_the_carrier_calls_its_parts(rig: Rig):
    await rig.offer(rig.pay())
    await rig.until(lambda: bool(rig.events("payment.handed_over")))
    (entry,) = rig.store.queue.entries()
    assert (entry.state, entry.reason) == (MessageState.HANDED_OVER, "carrier ids id-1, id-2")


@rigged()
async def test_parts_may_come_in_any_order_and_in_different_batches(rig: Rig):
    first, second = rig.pay()
    assert await rig.offer([second]) == [TAKEN]
    assert await rig.offer([second, first]) == [TAKEN, TAKEN]
    assert len(await rig.opened(1)) == 1
    assert not rig.store.unfinished()


@rigged(devices=5)
async def test_a_hundred_payments_mixed_in_one_batch_all_arrive(rig: Rig):
    payments = [rig.pay(handset=rig.handsets[number % 5]) for number in range(100)]
    mixed = [each[1] for each in payments] + [each[0] for each in payments]
    assert set(await rig.offer(mixed)) == {TAKEN}
    assert len(await rig.opened(100)) == 100


@rigged()
async def test_an_accepted_payment_that_comes_again_is_answered_and_not_forwarded(rig: Rig):
    parts = rig.pay()
    await rig.offer(parts)
    await rig.opened(1)
    assert await rig.offer(parts) == [TAKEN, TAKEN]
    assert await rig.offer([parts[1]]) == [TAKEN]
    await rig.offer(rig.pay())
    assert len(await rig.opened(2)) == 2
    assert len(rig.bearer.sent) == 4


@rigged()
async def test_a_replay_after_a_restart_is_refused(rig: Rig):
    parts = rig.pay()
    await rig.offer(parts)
    await rig.opened(1)
    await rig.end()
    rig.assemble()
    await rig.begin()
    assert await rig.offer(parts) == [TAKEN, TAKEN]
    assert rig.reasons() == ["replay"]
    assert len(rig.bearer.sent) == 2


@rigged()
async def test_a_part_from_before_a_restart_is_joined_with_one_from_after_it(rig: Rig):
    first, second = rig.pay()
    await rig.offer([first])
    await rig.end()
    rig.assemble()
    await rig.begin()
    await rig.offer([second])
    assert len(await rig.opened(1)) == 1


@rigged()
async def test_a_cti_used_again_under_a_new_counter_is_a_replay(rig: Rig):
    handset = rig.handsets[0]
    cti = b"12345678"
    for _ in range(2):
        await rig.offer(handset.pay(ADDRESS, "1.00", "EUR", at=int(rig.now), cti=cti))
    assert rig.reasons() == ["replay"]
    await rig.offer(rig.pay())
    assert len(await rig.opened(2)) == 2


@rigged(relay={"clock_skew_s": 300.0})
async def test_a_cti_is_known_as_long_as_its_certificate_is_accepted(rig: Rig):
    handset, cti = rig.handsets[0], b"12345678"
    first, again = (
        handset.pay(ADDRESS, "1.00", "EUR", at=int(rig.now), validity_s=60, cti=cti) for _ in range(2)
    )
    await rig.offer(first)
    rig.now += 60 + 300  # past its exp, and just within what a phone's clock may be off
    now = int(rig.now)
    await rig.parts.committer.commit(lambda spool: spool.purge(now, 10**6, 10**6, 100))
    await rig.offer(again)
    assert rig.reasons() == ["replay"]
    assert len(await rig.opened(1)) == 1


@rigged(devices=2)
async def test_a_certificate_our_parser_takes_no_more_stops_its_device_and_not_the_gateway(rig: Rig):
    stranger, certificate = new_identity(NOW), b"0\x03\x02\x01\x01"
    kid, key = os.urandom(4), Secret(os.urandom(32))
    rig.store.registry.add_device(
        Device(stranger.device_id, DeviceState.ACTIVE, certificate, "", NOW, NOW, ""),
        wrapped(DEVICE_KEYS, kid, stranger.device_id, key),
        initial_window(1),
    )
    unread = Handset(handset_record(stranger, kid, key, 1, "+4917099"), gateway=GATEWAY)
    assert BUSY in await rig.offer(rig.pay(handset=unread))
    assert rig.reasons() == ["key_unreadable"]
    await rig.offer(rig.pay())
    assert len(await rig.opened(1)) == 1


@rigged()
async def test_the_same_cti_twice_in_one_batch_is_a_replay(rig: Rig):
    handset = rig.handsets[0]
    both = [handset.pay(ADDRESS, "1.00", "EUR", at=int(rig.now), cti=b"12345678") for _ in range(2)]
    await rig.offer([*both[0], *both[1]])
    assert rig.reasons() == ["replay"]


def spoiled(parts, index=1, at=-1):
    data = bytearray(parts[index].data)
    data[at] ^= 1
    return [part._replace(data=bytes(data)) if number == index else part for number, part in enumerate(parts)]


REFUSALS: dict[str, Callable[[Rig], list[Part]]] = {}


def refusal(reason):
    def keep(make):
        REFUSALS[reason] = make
        return make

    return keep


@refusal("not_authentic")
def _wrong_tag(rig):
    return spoiled(rig.pay())


@refusal("unknown_key")
def _unknown_key(rig):
    return spoiled(rig.pay(), index=0, at=8)


@refusal("malformed")
def _malformed(rig):
    return spoiled(rig.pay(), index=0, at=0)


@refusal("expired")
def _expired(rig):
    return rig.handsets[0].pay(ADDRESS, "1.00", "EUR", at=int(rig.now) - 10_000, validity_s=60)


@refusal("provider_unknown")
def _provider_unknown(rig):
    return rig.pay(to="sp:nobody")


@refusal("counter_jump")
def _counter_jump(rig):
    rig.handsets[0].crypto._next_piv += 2_000_000
    return rig.pay()


@refusal("device_not_active")
def _device_suspended(rig):
    rig.store.registry.move_device(rig.handsets[0].record.device_id, DeviceMove.SUSPEND, reason="test", at=1)
    rig.parts.directory.forget()
    return rig.pay()


@refusal("key_retired")
def _key_retired(rig):
    return rig.pay(handset=rig.add_device(key_state=KeyState.RETIRED))


@refusal("provider_not_active")
def _provider_suspended(rig):
    rig.store.registry.move_provider("bank", ProviderMove.SUSPEND, reason="test", at=1)
    rig.parts.directory.forget()
    return rig.pay()


@refusal("not_for_us")
def _another_port(rig):
    return [
        part._replace(udh=part.udh.replace((16500).to_bytes(2, "big"), b"\x00\x07")) for part in rig.pay()
    ]


@pytest.mark.parametrize("reason", sorted(REFUSALS))
def test_every_refusal_looks_the_same_outside_and_has_its_own_reason_inside(reason, tmp_path):
    async def inside():
        async with Rig(tmp_path) as rig:
            parts = REFUSALS[reason](rig)
            assert await rig.offer(parts) == [TAKEN, TAKEN]
            assert set(rig.reasons()) == {reason}
            assert not rig.bearer.sent
            assert not rig.store.queue.entries()
            text = rig.metrics.text().decode()
            assert f'tsm_payments_refused_total{{reason="{reason}"}} 0.0' not in text

    asyncio.run(inside())


@rigged()
async def test_a_payment_signed_by_another_device_is_refused(rig: Rig):
    other = rig.add_device()
    thief = rig.handsets[0]
    thief.crypto._made = thief.crypto._made._replace(private_key=other.record.private_key)
    assert await rig.offer(rig.pay(handset=thief)) == [TAKEN, TAKEN]
    assert rig.reasons() == ["certificate_invalid"]


@rigged()
async def test_another_devices_certificate_inside_ones_own_packet_is_refused(rig: Rig):
    victim, thief = rig.handsets[0], rig.add_device()
    stolen = plaintext_of(victim, rig.pay(handset=victim))
    parts = seal_as(thief, stolen)
    assert await rig.offer(parts) == [TAKEN] * len(parts)
    assert rig.reasons() == ["owner_mismatch"]


@rigged()
async def test_an_address_that_is_not_the_signed_one_is_refused(rig: Rig):
    handset = rig.handsets[0]
    plaintext = plaintext_of(handset, rig.pay()).replace(ADDRESS.encode(), b"+4930123456780", 1)
    assert set(await rig.offer(seal_as(handset, plaintext))) == {TAKEN}
    assert rig.reasons() == ["address_mismatch"]


@rigged()
async def test_a_refused_but_authentic_payment_uses_up_its_counter(rig: Rig):
    device_id = rig.handsets[0].record.device_id
    rig.store.registry.move_device(device_id, DeviceMove.SUSPEND, reason="test", at=1)
    rig.parts.directory.forget()
    parts = rig.pay()
    await rig.offer(parts)
    rig.store.registry.move_device(device_id, DeviceMove.RESUME, reason="test", at=2)
    rig.parts.directory.forget()
    rig.parts.intake.reload()
    await rig.offer(parts)
    assert rig.reasons() == ["device_not_active", "replay"]
    await rig.offer(rig.pay())
    assert len(await rig.opened(1)) == 1


@rigged()
async def test_a_wrong_part_under_a_spoofed_sender_cannot_spoil_the_genuine_payment(rig: Rig):
    first, second = rig.pay()
    forged = second._replace(data=bytes(len(second.data)))
    await rig.offer([forged])
    await rig.offer([first])
    assert rig.reasons() == ["not_authentic"]
    await rig.offer([second])
    assert len(await rig.opened(1)) == 1


@rigged()
async def test_text_messages_are_consumed_and_counted(rig: Rig):
    rig.parts.intake.offer([Unusable(Ticket("air", 1, 77, 5), "+49170", "not_for_us")])
    await rig.until(lambda: bool(rig.bearer.answers))
    assert rig.bearer.answers[0].verdict is TAKEN
    assert rig.reasons() == ["not_for_us"]


@rigged()
async def test_a_limit_of_the_provider_refuses_and_demands_biometrics(rig: Rig):
    rig.store.registry.move_provider("bank", ProviderMove.RETIRE, reason="test", at=1)
    rig.add_provider(name="shop", addresses=("sp:shop",), amount_limit=5000, biometric_above=1000)
    rig.parts.directory.forget()
    await rig.offer(rig.pay("50.01", to="sp:shop"))
    assert rig.reasons() == ["amount_over_limit"]
    await rig.offer(rig.pay("20.00", to="sp:shop"))
    assert rig.reasons() == ["amount_over_limit"]


@rigged()
async def test_a_throttled_part_is_sent_again_before_its_successor(rig: Rig):
    rig.bearer.script.extend([Fate.BUSY, Fate.BUSY, Fate.ACCEPTED])
    await rig.offer(rig.pay())
    await rig.opened(1)
    assert [part.part.number for part in rig.bearer.sent] == [1, 1, 1, 2]
    assert len({part.user_data for part in rig.bearer.sent[:3]}) == 1


@rigged()
async def test_a_temporary_failure_defers_and_the_repetition_is_byte_identical(rig: Rig):
    rig.bearer.script.extend([Fate.TEMPORARY])
    await rig.offer(rig.pay())
    await rig.until(lambda: bool(rig.events("payment.deferred")))
    (entry,) = rig.store.queue.entries()
    assert entry.state is MessageState.DEFERRED
    rig.now += 10
    await rig.opened(1)
    assert rig.bearer.sent[0].user_data == rig.bearer.sent[1].user_data


@rigged()
async def test_a_permanent_failure_is_kept_as_failed_and_can_be_redriven(rig: Rig):
    rig.bearer.script.extend([Fate.PERMANENT])
    await rig.offer(rig.pay())
    await rig.until(lambda: bool(rig.events("payment.failed")))
    (entry,) = rig.store.queue.entries()
    assert entry.state is MessageState.FAILED


@rigged()
async def test_payments_wait_while_no_link_can_send_and_arrive_once(rig: Rig):
    rig.parts.dispatcher.link_down("air")
    for _ in range(20):
        await rig.offer(rig.pay())
    assert not rig.bearer.sent
    assert {entry.state for entry in rig.store.queue.entries()} == {MessageState.QUEUED}
    rig.now += 3600
    rig.parts.dispatcher.link_up("air")
    assert len(await rig.opened(20)) == 20
    assert len(rig.bearer.sent) == 40


@rigged()
async def test_a_message_under_way_at_a_crash_goes_out_again_with_the_same_octets(rig: Rig):
    rig.bearer.hold = True
    await rig.offer(rig.pay())
    await rig.until(lambda: bool(rig.bearer.sent))
    await rig.end()
    assert rig.store.recover(int(rig.now)) == 1
    rig.bearer.hold = False
    rig.assemble()
    await rig.begin()
    await rig.opened(1)
    assert rig.bearer.sent[0].user_data == rig.bearer.sent[1].user_data


@rigged()
async def test_receipts_for_every_part_make_a_message_delivered(rig: Rig):
    await rig.offer(rig.pay())
    await rig.opened(1)
    await rig.until(lambda: bool(rig.events("payment.handed_over")))
    for number in (1, 2):
        ticket = Ticket("air", 1, 900 + number, 5)
        rig.parts.intake.offer([Receipt(ticket, (f"id-{number}",), ReceiptState.DELIVERED, "")])
    await rig.until(lambda: bool(rig.events("payment.delivered")))
    (entry,) = rig.store.queue.entries()
    assert entry.state is MessageState.DELIVERED


@rigged()
async def test_a_receipt_that_comes_before_the_response_is_matched_later(rig: Rig):
    for number in (1, 2):
        ticket = Ticket("air", 1, 900 + number, 5)
        rig.parts.intake.offer([Receipt(ticket, (f"id-{number}",), ReceiptState.DELIVERED, "")])
    await rig.until(lambda: len(rig.bearer.answers) == 2)
    await rig.offer(rig.pay())
    await rig.until(lambda: bool(rig.events("payment.delivered")))


@rigged()
async def test_no_plaintext_of_a_payment_is_in_database_or_log(rig: Rig):
    handset = rig.handsets[0]
    parts = rig.pay("1234.56")
    secret = plaintext_of(handset, parts)
    await rig.offer(parts)
    await rig.opened(1)
    on_disk = b"".join(path.read_bytes() for path in rig.folder.iterdir() if path.is_file())
    for needle in (secret[20:60], handset.record.key.reveal(), rig.provider_record.key.reveal()):
        for spelling in (needle, needle.hex().encode()):
            assert spelling not in on_disk
            assert spelling not in rig.log.getvalue()
    assert b"4917012345" not in rig.log.getvalue()


def traffic_of(handset):
    record = handset.record
    return Traffic(record.key, record.kid, Direction.DEVICE_TO_TSM, record.device_id, record.port)


def plaintext_of(handset, parts) -> bytes:
    return traffic_of(handset).open(read_packet(b"".join(part.data for part in parts)))


def seal_as(handset, plaintext):
    piv = handset.crypto.next_piv + 5
    packet = traffic_of(handset).seal(plaintext, piv)
    return [Part("+491701234567", "16500", 4, 0, udh, body) for udh, body in cut(packet, 16500, 99)]


@rigged()
async def test_a_drain_finishes_what_was_started_and_starts_nothing_more(rig: Rig):
    rig.bearer.window = 1
    for _ in range(5):
        await rig.offer(rig.pay())
    rig.parts.dispatcher.stop_claiming()
    async with asyncio.timeout(5):
        await rig.parts.dispatcher.settled()
    states = [entry.state for entry in rig.store.queue.entries()]
    handed_over = states.count(MessageState.HANDED_OVER)
    assert len(rig.bearer.sent) == 2 * handed_over
    assert handed_over + states.count(MessageState.QUEUED) == 5
    assert not rig.parts.dispatcher.waiting
