"""What becomes of messages on their way out while links come and go and administration changes things."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.faults.beside import registry_beside
from tests.relay.rig import MSISDN, BookBearer
from tests.relay.test_payments import rigged
from tsm_gateway.messages import Fate, Submitted
from tsm_gateway.relay.states import MessageState

if TYPE_CHECKING:
    from tests.relay.rig import Rig


def add_link(rig: Rig, name: str) -> BookBearer:
    """Another link, not up yet."""
    link = BookBearer(name)
    link.on_submitted = rig.parts.dispatcher.submitted
    rig.parts.intake.attach(link)
    rig.parts.dispatcher.attach(link)
    return link


def route(rig: Rig, *links: str) -> None:
    """Change the provider's routes as an operator does, and notice it."""
    with registry_beside(rig) as registry:
        (bank,) = (each for each in registry.providers() if each.name == "bank")
        registry.change_provider(bank._replace(routes=links), at=1)
    rig.parts.directory.forget()
    rig.parts.dispatcher.refresh()


def states(rig: Rig) -> list[MessageState]:
    return [entry.state for entry in rig.store.queue.entries(limit=1000)]


async def until_handed_over(rig: Rig, count: int) -> None:
    await rig.until(lambda: len(rig.events("payment.handed_over")) >= count)


@rigged()
async def test_a_part_taken_just_before_its_link_went_away_goes_on_by_another_link(rig: Rig):
    rig.bearer.hold = True
    await rig.offer(rig.pay())
    await rig.until(lambda: bool(rig.bearer.sent))
    spare = add_link(rig, "spare")
    rig.parts.dispatcher.link_up("spare")
    rig.parts.dispatcher.link_down("air")  # a link tells of its end first, of the last answers then
    rig.parts.dispatcher.submitted("air", [Submitted(rig.bearer.sent[0].part, Fate.ACCEPTED, 0, ("x",))])
    rig.now += 10
    await until_handed_over(rig, 1)
    assert [each.part.number for each in spare.sent] == [1, 2]
    assert spare.sent[0].user_data == rig.bearer.sent[0].user_data


@rigged()
async def test_a_part_put_off_just_before_its_link_went_away_goes_by_another_link(rig: Rig):
    rig.bearer.hold = True
    await rig.offer(rig.pay())
    await rig.until(lambda: bool(rig.bearer.sent))
    add_link(rig, "spare")
    rig.parts.dispatcher.link_up("spare")
    rig.parts.dispatcher.link_down("air")
    rig.parts.dispatcher.submitted("air", [Submitted(rig.bearer.sent[0].part, Fate.BUSY, 0x58, ())])
    await until_handed_over(rig, 1)


@rigged(relay={"lane_limit": 5})
async def test_a_backlog_of_many_short_lanes_is_sent(rig: Rig):
    rig.parts.dispatcher.link_down("air")
    for _ in range(12):
        await rig.offer(rig.pay())
    rig.parts.dispatcher.link_up("air")
    await until_handed_over(rig, 12)
    assert len(rig.bearer.sent) == 24


@rigged()
async def test_what_waits_for_a_link_follows_its_provider_to_another(rig: Rig):
    spare = add_link(rig, "spare")
    rig.parts.dispatcher.link_up("spare")
    rig.parts.dispatcher.link_down("spare")
    rig.bearer.window = 0
    await rig.offer(rig.pay())
    assert states(rig) == [MessageState.ACTIVE]
    route(rig, "spare")
    await rig.until(lambda: states(rig) == [MessageState.QUEUED])
    rig.parts.dispatcher.link_up("spare")
    await until_handed_over(rig, 1)
    assert {each.destination for each in spare.sent} == {MSISDN}


@rigged()
async def test_what_was_claimed_while_its_last_link_went_away_is_queued_again(rig: Rig):
    rig.parts.dispatcher.link_down("air")
    await rig.offer(rig.pay())
    disk, reached, written = threading.Event(), threading.Event(), threading.Event()
    flush = rig.store.flush

    def slow_flush() -> None:
        reached.set()
        assert disk.wait(10)
        flush()
        written.set()

    rig.store.flush = slow_flush  # type: ignore[method-assign]
    rig.parts.dispatcher.link_up("air")
    await rig.until(reached.is_set)
    rig.parts.dispatcher.link_down("air")
    disk.set()
    await rig.until(written.is_set)
    await rig.until(lambda: states(rig) == [MessageState.QUEUED])
    assert not rig.parts.dispatcher.waiting
    rig.parts.dispatcher.link_up("air")
    await until_handed_over(rig, 1)
    (entry,) = rig.store.queue.entries()
    assert entry.attempts == 1


@rigged(relay={"lane_limit": 200})
async def test_a_claim_for_one_provider_does_not_forget_anothers_backlog(rig: Rig):
    rig.parts.dispatcher.link_down("air")
    slow = add_link(rig, "slow")
    slow.window = 0
    rig.add_provider(name="shop", addresses=("sp:shop",), routes=("slow",))
    route(rig, "air")
    rig.parts.dispatcher.link_up("slow")
    await rig.offer([part for _ in range(201) for part in rig.pay(to="sp:shop")])
    await rig.offer(rig.pay())
    rig.parts.dispatcher.link_up("air")
    await until_handed_over(rig, 1)
    assert rig.parts.dispatcher._lanes.backlogged == {"shop"}
