"""Key packages as short messages: what goes out, what comes of it, and what a crash or a lost link does."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from tests.daemon.control_desk import (
    SlowBearer,
    add_link,
    joined,
    lost,
    parts_of_control,
    queue_package,
    stage_package,
    stored,
)
from tests.relay.rig import PORT, BookBearer, Rig
from tests.relay.test_confirmations import confirm
from tests.relay.test_payments import rigged
from tsm_gateway.daemon import control_sender
from tsm_gateway.daemon.control_sender import MOST, OVERDUE_S
from tsm_gateway.daemon.housekeeping import Housekeeping
from tsm_gateway.daemon.notify import Notifier
from tsm_gateway.daemon.status_snapshot import figures, snapshot
from tsm_gateway.messages import Fate
from tsm_gateway.registry.control import ControlState
from tsm_gateway.relay.interfaces import StoreBusy, StoreFull
from tsm_gateway.relay.retry import BUSY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.registry.control import ControlMessage

QUEUED, SENT, FAILED = ControlState


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("LOOK_S", "STORE_PAUSE_S"):
        monkeypatch.setattr(control_sender, pause, 0.01)


async def told(rig: Rig, event: str, count: int = 1) -> list[dict]:
    """Wait for log lines of one event."""
    await rig.until(lambda: len(rig.events(event)) >= count)
    return rig.events(event)


async def start_again(rig: Rig) -> None:
    """What a kill leaves behind is what the store holds."""
    await rig.end()
    rig.store.close()
    rig.store = rig.open_store()
    rig.bearer._busy = 0
    rig.assemble()
    await rig.begin()


async def look(rig: Rig) -> None:
    """Let the sender look at the store once more."""
    sender = rig.parts.controls
    before, sender._look_at = sender._look_at, 0.0
    sender._wake.set()
    await rig.until(lambda: sender._look_at > before)


# what goes out


@rigged()
async def test_a_package_goes_out_in_two_parts_in_order_to_the_devices_number(rig: Rig):
    control = await queue_package(rig)
    (line,) = await told(rig, "control.sent")
    parts = parts_of_control(rig.bearer.sent, control)
    assert [part.part.number for part in parts] == [1, 2]
    assert {part.destination for part in parts} == {control.msisdn}
    assert joined(parts) == control.packet
    assert not any(part.receipt for part in parts)
    assert parts[0].user_data[1:7] == bytes([5, 4]) + PORT.to_bytes(2, "big") * 2
    assert (line["parts"], line["attempts"], line["smsc_ids"]) == (2, 1, "id-1,id-2")
    assert (line["device"], line["kid"]) == (control.device_id, control.kid.hex())
    now = stored(rig, control)
    assert (now.state, now.attempts) == (SENT, 1)
    assert "tsm_controls_sent_total 1.0" in rig.metrics.text().decode()


@rigged()
async def test_what_was_sent_is_not_sent_again(rig: Rig):
    await queue_package(rig)
    await told(rig, "control.sent")
    await look(rig)
    await look(rig)
    assert len(rig.bearer.sent) == 2


@rigged()
async def test_a_package_is_not_sent_before_it_is_due(rig: Rig):
    control = await queue_package(rig, due_at=int(rig.now) + 60)
    await look(rig)
    assert not rig.bearer.sent
    rig.now += 60
    await told(rig, "control.sent")
    assert stored(rig, control).state is SENT


@rigged()
async def test_at_most_so_many_packages_are_under_way(rig: Rig):
    link = SlowBearer.on(rig, window=1000)
    for _ in range(MOST + 5):
        await queue_package(rig, octets=100)
    await rig.until(lambda: rig.parts.controls.under_way == MOST)
    await turn(rig)
    assert len(link.sent) == MOST
    for _ in range(MOST):
        link.reply()
    await rig.until(lambda: len(link.unanswered) == 5)
    for _ in range(5):
        link.reply()
    await told(rig, "control.sent", MOST + 5)


async def turn(rig: Rig) -> None:
    """One turn of the sender's loop, whether it has reason to look at the store or not."""
    rig.parts.controls._look_at = 0.0
    rig.parts.controls._wake.set()
    await rig.until(lambda: not rig.parts.controls._wake.is_set())
    await asyncio.sleep(0)


@rigged()
async def test_status_and_metrics_say_what_waits(rig: Rig):
    link = SlowBearer.on(rig, window=1)
    await rig.parts.committer.commit(lambda _: [stage_package(rig.store) for _ in range(3)])
    await rig.until(lambda: bool(link.sent))
    await rig.offer(confirm(rig.handsets[0]))
    keeper = Housekeeping(rig.parts, rig.parts.controls._clocks, Notifier(None))
    await keeper._count()
    page = snapshot(rig.parts, 1.0)
    assert page["controls"] == {"waiting": 3, "under_way": 1, "confirmations": 1}
    assert (figures(rig.parts).controls_waiting, figures(rig.parts).confirmations_waiting) == (3, 1)


# what the message centre says


@rigged()
async def test_a_throttled_part_is_sent_again_before_its_successor_and_costs_no_attempt(rig: Rig):
    rig.bearer.script.extend([Fate.BUSY, Fate.BUSY, Fate.ACCEPTED, Fate.BUSY])
    control = await queue_package(rig)
    await told(rig, "control.sent")
    assert [part.part.number for part in rig.bearer.sent] == [1, 1, 1, 2, 2]
    assert len({part.user_data for part in rig.bearer.sent}) == 2
    assert stored(rig, control).attempts == 1


@rigged()
async def test_a_part_refused_too_often_in_a_row_is_put_off(rig: Rig):
    rig.bearer.script.extend([Fate.BUSY] * (BUSY_LIMIT + 1))
    control = await queue_package(rig)
    (line,) = await told(rig, "control.deferred")
    assert (line["fate"], line["attempts"]) == ("busy", 1)
    assert stored(rig, control).state is QUEUED


@pytest.mark.parametrize("fate", [Fate.TEMPORARY, Fate.UNKNOWN])
@pytest.mark.parametrize("taken", [0, 1])
def test_a_package_that_was_put_off_goes_out_again_whole_with_the_same_octets(fate, taken, tmp_path):
    async def inside():
        async with Rig(tmp_path) as rig:
            rig.bearer.script.extend([*[Fate.ACCEPTED] * taken, fate])
            control = await queue_package(rig)
            (line,) = await told(rig, "control.deferred")
            now = stored(rig, control)
            assert (now.state, now.attempts, now.reason) == (QUEUED, 1, fate.value)
            assert now.due_at == int(rig.now) + line["retry_in_s"] > rig.now
            await look(rig)
            assert len(rig.bearer.sent) == taken + 1
            rig.now += 10
            await told(rig, "control.sent")
            parts = parts_of_control(rig.bearer.sent, control)
            assert joined(parts[taken + 1 :]) == control.packet
            assert parts[0].user_data == parts[taken + 1].user_data
            assert stored(rig, control).attempts == 2

    asyncio.run(inside())


@rigged(relay={"attempts": 2})
async def test_a_package_is_given_up_after_as_many_attempts_as_a_payment(rig: Rig):
    rig.bearer.script.extend([Fate.TEMPORARY, Fate.TEMPORARY])
    control = await queue_package(rig)
    await told(rig, "control.deferred")
    rig.now += 10
    (line,) = await told(rig, "control.failed")
    assert (line["fate"], line["attempts"], line["level"]) == ("temporary", 2, "error")
    assert stored(rig, control).state is FAILED


@rigged()
async def test_a_permanent_refusal_gives_it_up_at_once(rig: Rig):
    rig.bearer.script.append(Fate.PERMANENT)
    control = await queue_package(rig)
    (line,) = await told(rig, "control.failed")
    assert (line["fate"], line["status"]) == ("permanent", "0x45")
    rig.now += 3600
    await look(rig)
    assert len(rig.bearer.sent) == 1
    now = stored(rig, control)
    assert (now.state, now.reason) == (FAILED, "permanent")
    assert 'tsm_controls_failed_total{cause="permanent"} 1.0' in rig.metrics.text().decode()


@rigged()
async def test_octets_that_fit_no_255_short_messages_are_given_up(rig: Rig):
    control = await queue_package(rig, octets=255 * 128 + 1)
    await told(rig, "control.failed")
    assert not rig.bearer.sent
    assert stored(rig, control).reason == "packet-too-long"


@rigged()
async def test_a_number_that_is_none_fails_alone(rig: Rig):
    rig.bearer.script.extend([Fate.PERMANENT, Fate.ACCEPTED, Fate.ACCEPTED])
    first, second = await queue_package(rig), await queue_package(rig, octets=100)
    await told(rig, "control.failed")
    await told(rig, "control.sent")
    assert {stored(rig, first).state, stored(rig, second).state} == {FAILED, SENT}


# links that come and go


@rigged()
async def test_without_a_link_nothing_is_sent_and_nothing_read(rig: Rig):
    rig.parts.senders.link_down("air")
    control = await queue_package(rig)
    store, asked = rig.parts.controls._store, []
    look_up = store.due_controls

    def due_controls(*arguments) -> list:
        asked.append(arguments)
        return look_up(*arguments)

    store.due_controls = due_controls  # type: ignore[method-assign, assignment]
    await turn(rig)
    assert not asked
    rig.parts.senders.link_up("air")
    await told(rig, "control.sent")
    assert asked
    assert stored(rig, control).attempts == 1


@rigged()
async def test_a_part_that_was_not_sent_costs_no_attempt(rig: Rig):
    rig.bearer.script.append(Fate.NOT_SENT)
    control = await queue_package(rig)
    await told(rig, "control.sent")
    assert stored(rig, control).attempts == 1
    assert not rig.events("control.deferred")


@rigged()
async def test_a_link_lost_between_two_parts_sends_all_of_it_over_another(rig: Rig):
    link, other = SlowBearer.on(rig, window=1), add_link(rig, BookBearer("other"))
    control = await queue_package(rig)
    await rig.until(lambda: bool(link.sent))
    link.window = 0  # its second part has to wait for room
    link.reply()
    assert rig.parts.controls.under_way == 1
    rig.parts.senders.link_down("slow")
    rig.parts.senders.link_up("other")
    (line,) = await told(rig, "control.deferred")
    assert (line["fate"], line["link"]) == ("unknown", "slow")
    rig.now += 2
    await told(rig, "control.sent")
    assert joined(other.sent) == control.packet
    assert len(link.sent) == 1


@rigged()
async def test_both_parts_of_a_package_go_over_one_link(rig: Rig):
    link, other = SlowBearer.on(rig), add_link(rig, BookBearer("other"))
    control = await queue_package(rig)
    await rig.until(lambda: bool(link.sent))
    rig.parts.senders.link_up("other")
    rig.parts.senders.pump("other")
    link.reply()
    rig.parts.senders.pump("other")
    link.reply()
    await told(rig, "control.sent")
    assert joined(link.sent) == control.packet
    assert not other.sent


@pytest.mark.parametrize(("fate", "deferred"), [(Fate.ACCEPTED, 1), (Fate.BUSY, 0), (Fate.NOT_SENT, 0)])
def test_an_answer_that_comes_behind_the_loss_of_its_link_sends_all_of_it_again(fate, deferred, tmp_path):
    async def inside():
        async with Rig(tmp_path) as rig:
            link = SlowBearer.on(rig)
            control = await queue_package(rig)
            await rig.until(lambda: bool(link.sent))
            rig.parts.senders.link_down("slow")
            rig.parts.senders.submitted("slow", [lost(link.sent[0], fate)])
            rig.parts.senders.link_up("air")
            await rig.until(lambda: len(rig.events("control.deferred")) == deferred)
            rig.now += 2
            await told(rig, "control.sent")
            assert joined(rig.bearer.sent) == control.packet

    asyncio.run(inside())


@rigged()
async def test_a_link_that_flaps_at_every_moment_loses_nothing(rig: Rig):
    controls = [await queue_package(rig) for _ in range(5)]
    for _ in range(30):
        rig.parts.senders.link_down("air")
        await asyncio.sleep(0)
        rig.parts.senders.link_up("air")
        await asyncio.sleep(0.002)
        rig.now += 1
    await rig.until(lambda: all(stored(rig, control).state is SENT for control in controls))
    for control in controls:
        assert joined(parts_of_control(rig.bearer.sent, control)[-2:]) == control.packet


# beside payments


async def pay(rig: Rig, count: int) -> None:
    """Payments that wait in their lane, or are under way."""
    await rig.offer([part for _ in range(count) for part in rig.pay()])


@rigged()
async def test_payments_go_first_and_a_package_takes_what_is_left(rig: Rig):
    link = SlowBearer.on(rig, window=0)
    control = await queue_package(rig)
    await look(rig)
    await pay(rig, 3)
    link.window = 3
    rig.parts.senders.pump("slow")
    assert len(link.sent) == 3
    assert not parts_of_control(link.sent, control)
    link.window = 4
    rig.parts.senders.pump("slow")
    assert parts_of_control(link.sent, control) == link.sent[3:]


@rigged()
async def test_a_link_full_of_payments_still_lets_a_package_through_that_waited_too_long(rig: Rig):
    ahead_s = 0.0
    clocks = rig.parts.controls._clocks
    rig.parts.controls._clocks = clocks._replace(monotonic=lambda: time.monotonic() + ahead_s)
    link = SlowBearer.on(rig, window=1)
    await pay(rig, 20)
    control = await queue_package(rig)
    await look(rig)
    for _ in range(3):
        link.reply()
    assert not parts_of_control(link.sent, control)
    ahead_s = OVERDUE_S + 1
    link.reply()
    assert len(parts_of_control(link.sent, control)) == 1
    for _ in range(4):
        link.reply()
    assert len(parts_of_control(link.sent, control)) == 1  # its next part waits its time anew
    ahead_s *= 2
    link.reply()
    assert joined(parts_of_control(link.sent, control)) == control.packet


@rigged()
async def test_a_link_that_only_tells_of_room_lets_an_overdue_package_through_too(rig: Rig):
    ahead_s = 0.0
    clocks = rig.parts.controls._clocks
    rig.parts.controls._clocks = clocks._replace(monotonic=lambda: time.monotonic() + ahead_s)
    link = SlowBearer.on(rig, window=0)
    await pay(rig, 3)
    control = await queue_package(rig)
    await look(rig)
    ahead_s = OVERDUE_S + 1
    link.window = 1
    rig.parts.senders.pump("slow")
    assert parts_of_control(link.sent, control) == link.sent


# crashes, and a store in trouble


@rigged()
async def test_killed_between_its_parts_a_package_goes_out_again_with_the_same_octets(rig: Rig):
    link = SlowBearer.on(rig)
    control = await queue_package(rig)
    await rig.until(lambda: bool(link.sent))
    link.reply()
    assert len(link.sent) == 2
    await start_again(rig)
    await told(rig, "control.sent")
    assert [part.user_data for part in link.sent] == [part.user_data for part in rig.bearer.sent]
    assert stored(rig, control).state is SENT


@rigged()
async def test_killed_before_the_outcome_is_durable_it_goes_out_again_with_the_same_octets(rig: Rig):
    rig.parts.controls._store.move_control = _always(StoreBusy())  # type: ignore[method-assign]
    control = await queue_package(rig)
    await rig.until(lambda: len(rig.bearer.sent) == 2)
    await start_again(rig)
    await told(rig, "control.sent")
    first, again = rig.bearer.sent[:2], rig.bearer.sent[2:]
    assert [part.user_data for part in first] == [part.user_data for part in again]
    assert stored(rig, control).attempts == 1


@pytest.mark.parametrize("trouble", [StoreFull(cause="test"), StoreBusy()])
def test_an_outcome_for_which_the_store_has_no_room_is_kept_and_nothing_is_sent_twice(trouble, tmp_path):
    async def inside():
        async with Rig(tmp_path) as rig:
            store = rig.parts.controls._store
            failures: list[object] = []
            move = store.move_control

            def once_more(*arguments, **named) -> None:
                if not failures:
                    failures.append(1)
                    raise trouble
                move(*arguments, **named)

            store.move_control = once_more  # type: ignore[method-assign]
            control = await queue_package(rig)
            await told(rig, "control.sent")
            assert failures
            assert len(rig.bearer.sent) == 2
            assert stored(rig, control).state is SENT

    asyncio.run(inside())


@rigged()
async def test_a_package_whose_device_is_terminated_while_it_waits_is_not_sent(rig: Rig):
    link = SlowBearer.on(rig, window=0)
    control = await queue_package(rig)
    await look(rig)
    assert rig.parts.controls.waiting == 1
    await terminate(rig, control)
    await look(rig)
    link.window = 50
    rig.parts.senders.pump("slow")
    assert not link.sent


@rigged()
async def test_a_package_whose_device_is_terminated_while_no_link_is_up_is_not_sent(rig: Rig):
    link = SlowBearer.on(rig, window=0)
    control = await queue_package(rig)
    await look(rig)
    rig.parts.senders.link_down("slow")
    await terminate(rig, control)
    link.window = 50
    rig.parts.senders.link_up("slow")
    rig.parts.senders.pump("slow")  # before the sender looked again
    assert not link.sent


@rigged()
async def test_a_package_whose_device_is_terminated_while_it_is_sent_is_forgotten(rig: Rig):
    link = SlowBearer.on(rig)
    control = await queue_package(rig)
    await rig.until(lambda: bool(link.sent))
    await terminate(rig, control)
    link.reply(Fate.TEMPORARY)
    await rig.until(lambda: not rig.parts.controls.under_way)
    assert not rig.events("control.deferred")
    await queue_package(rig, octets=100)
    await rig.until(lambda: bool(link.unanswered))
    link.reply()
    await told(rig, "control.sent")  # the next one goes its way


async def terminate(rig: Rig, control: ControlMessage) -> None:
    terminate: Callable = rig.store.provisioning.terminate
    await rig.parts.committer.commit(lambda _: terminate(control.device_id, reason="stolen", at=int(rig.now)))


@rigged()
async def test_a_damaged_row_is_told_passed_over_and_stops_no_payment(rig: Rig):
    rig.parts.senders.link_down("air")
    await queue_package(rig)
    with sqlite3.connect(rig.folder / "gateway.db") as beside:
        beside.execute("UPDATE control_out SET msisdn = '+49000'")
    beside.close()
    await queue_package(rig)
    rig.parts.senders.link_up("air")
    (line,) = await told(rig, "control.failed")
    assert line["reason"] == "row-damaged"
    assert len(await told(rig, "control.sent")) == 1
    assert [found.partition(":")[2] for found in rig.store.check()] == [" the checksum does not hold"]
    await rig.offer(rig.pay())
    assert len(await told(rig, "payment.handed_over")) == 1


MANY = 30  # packages: some wait however fast the machine is


@rigged()
async def test_a_drain_finishes_what_was_started_and_starts_nothing_more(rig: Rig):
    rig.bearer.window = 1
    await rig.parts.committer.commit(lambda _: [stage_package(rig.store) for _ in range(MANY)])
    await rig.until(lambda: bool(rig.bearer.sent))
    rig.parts.senders.stop()
    async with asyncio.timeout(5):
        await rig.parts.senders.settled()
    assert len(rig.bearer.sent) == 2 * len(rig.events("control.sent"))
    assert len(rig.events("control.sent")) < MANY
    assert len(rig.store.provisioning.due_controls(int(rig.now), MANY)) == MANY - len(
        rig.events("control.sent")
    )
    assert not rig.parts.controls.busy


def _always(trouble: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise trouble

    return fail
