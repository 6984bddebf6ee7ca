"""The joiner's bounds: who gives way, and that garbage stops nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.radio.sms.driver import NOW, Driver, packet, part, parts_of
from tsm_gateway.radio.sms.join import Joiner, JoinLimits, OfferKind

if TYPE_CHECKING:
    from tsm_gateway.messages import Segment

WAITING, READY, OVER_BOUND = OfferKind.WAITING, OfferKind.READY, OfferKind.OVER_BOUND

FIRST = packet("first")


def kinds(driver: Driver, *segments: Segment) -> list[OfferKind]:
    return [driver.offer(segment).kind for segment in segments]


def fill(driver: Driver, count: int, *, source: str, now: int = NOW, start: int = 0) -> list[OfferKind]:
    """First parts of `count` different messages."""
    return [
        driver.offer(part(b"%d" % ref, 1, reference=ref, source=source), now).kind
        for ref in range(start, start + count)
    ]


def test_a_sender_holds_so_many_parts_and_no_more() -> None:
    driver = Driver([])
    assert fill(driver, 66, source="+1") == [WAITING] * 64 + [OVER_BOUND] * 2
    assert fill(driver, 1, source="+2") == [WAITING]
    assert not driver.evicted


def test_a_full_sender_can_still_finish_its_messages() -> None:
    driver = Driver([FIRST])
    one, two = parts_of(FIRST, reference=999, source="+1")
    driver.offer(one)
    fill(driver, 70, source="+1")
    assert driver.offer(two).kind is READY
    assert driver.came_out == [FIRST]


def test_garbage_that_failed_gives_way_to_an_honest_part_the_oldest_first() -> None:
    driver = Driver([FIRST])
    for reference in range(32):
        kinds(driver, *parts_of(b"spoofed message %d" % reference, reference=reference))
    assert driver.joiner.waiting() == (64, 32, 1, 64)
    assert kinds(driver, *parts_of(FIRST, reference=100)) == [WAITING, READY]
    assert driver.came_out == [FIRST]
    assert [held.row for held in driver.evicted] == [1]


def test_parts_parked_under_a_number_give_way_once_they_are_stale() -> None:
    driver = Driver([FIRST], JoinLimits(stale_s=60))
    fill(driver, 64, source="+491701234567")
    one, two = parts_of(FIRST, reference=999)
    assert driver.offer(one, NOW + 60).kind is OVER_BOUND
    assert driver.offer(one, NOW + 61).kind is WAITING
    assert [held.row for held in driver.evicted] == [1]
    assert driver.offer(two, NOW + 61).kind is READY


def test_so_many_bodies_are_held_for_one_part_and_no_more() -> None:
    driver = Driver([])
    bodies = [part(b"body %d" % each, 1) for each in range(5)]
    assert kinds(driver, *bodies) == [WAITING] * 4 + [OVER_BOUND]


def test_a_body_under_suspicion_gives_way_to_another() -> None:
    driver = Driver([FIRST])
    one, two = parts_of(FIRST)
    for each in range(4):
        driver.offer(part(b"body %d" % each, 1))
    assert driver.offer(one).kind is OVER_BOUND  # nothing is known against the four
    driver.offer(two)  # now there is
    assert driver.offer(one).kind is READY  # the SMSC tries it again
    assert driver.came_out == [FIRST]
    assert [held.row for held in driver.evicted] == [1]


def test_stale_bodies_of_a_reference_used_again_give_way() -> None:
    driver = Driver([FIRST], JoinLimits(stale_s=60))
    for each in range(4):
        driver.offer(part(b"body %d" % each, 1))
    one, two = parts_of(FIRST)
    driver.offer(one, NOW + 61)
    driver.offer(two, NOW + 61)
    assert driver.came_out == [FIRST]


def test_when_all_is_full_suspects_give_way_first() -> None:
    driver = Driver([], JoinLimits(in_all=10))
    fill(driver, 8, source="+1")
    kinds(driver, *parts_of(b"spoofed", source="+2"))
    assert fill(driver, 2, source="+3") == [WAITING] * 2
    assert [held.segment.source for held in driver.evicted] == ["+2", "+2"]


def test_when_all_is_full_who_holds_most_gives_way() -> None:
    driver = Driver([], JoinLimits(in_all=20, fair=2))
    fill(driver, 3, source="+1")
    fill(driver, 9, source="+2")
    fill(driver, 8, source="+3")
    assert fill(driver, 4, source="+4") == [WAITING] * 4
    sources = [held.segment.source for held in driver.evicted]
    assert sources == ["+2", "+3", "+2", "+3"]
    assert [held.row for held in driver.evicted] == [4, 13, 5, 14]


def test_when_all_is_full_who_holds_most_displaces_nobody() -> None:
    driver = Driver([], JoinLimits(in_all=10, fair=2))
    fill(driver, 6, source="+1")
    fill(driver, 4, source="+2")
    assert fill(driver, 3, source="+1", start=100) == [OVER_BOUND] * 3
    assert fill(driver, 1, source="+2", start=100) == [WAITING]


def test_when_all_is_full_who_holds_most_may_displace_its_own_stale_part() -> None:
    driver = Driver([], JoinLimits(in_all=10, fair=2, stale_s=60))
    fill(driver, 6, source="+1")
    fill(driver, 4, source="+2")
    assert fill(driver, 1, source="+1", start=100, now=NOW + 61) == [WAITING]
    assert [held.row for held in driver.evicted] == [1]


def test_a_sender_without_parts_is_none() -> None:
    driver = Driver([])
    kinds(driver, *parts_of(b"spoofed", source="+1"))
    assert driver.joiner.waiting() == (2, 1, 1, 2)
    driver.joiner.expire(NOW + JoinLimits().wait_s + 1)
    assert driver.joiner.waiting() == (0, 0, 0, 0)


def test_when_all_hold_little_the_oldest_gives_way() -> None:
    driver = Driver([FIRST], JoinLimits(in_all=10))
    for each in range(30):
        assert fill(driver, 1, source=f"+{each}") == [WAITING]
    assert [held.row for held in driver.evicted] == list(range(1, 21))
    assert kinds(driver, *parts_of(FIRST)) == [WAITING, READY]
    assert driver.came_out == [FIRST]


def test_wrong_parts_that_seem_to_complete_messages_pass_a_bound_by_one_at_most() -> None:
    driver = Driver([], JoinLimits(per_sender=8, in_all=20))
    for sender in ("+1", "+2", "+3"):
        fill(driver, 8, source=sender)
        for reference in range(8):
            for number in (2, 1):
                for body in (b"wrong", b"wronger", b"very wrong"):
                    driver.offer(part(body, number, reference=reference, source=sender))
                    assert driver.joiner._shelf.count_of(sender) <= 9
                    assert len(driver.joiner) <= 21


def test_wrong_parts_for_many_senders_pass_the_bound_in_all_by_one_at_most() -> None:
    driver = Driver([], JoinLimits(in_all=6))
    for sender in range(6):
        fill(driver, 1, source=f"+{sender}")
    most = 0
    for sender in range(6):
        driver.offer(part(b"wrong", 2, reference=0, source=f"+{sender}"))
        most = max(most, len(driver.joiner))
    assert most == 7


def test_a_genuine_part_completes_its_message_past_all_that_is_full_and_failed() -> None:
    """The waiting half came under suspicion by a spoofed other half, and its sender is flooded."""
    driver = Driver([FIRST], JoinLimits(per_sender=8, in_all=8))
    one, two = parts_of(FIRST, reference=999)
    fill(driver, 7, source="+491701234567")
    kinds(driver, one, part(b"spoofed", 2, reference=999))
    assert len(driver.joiner) == 9
    assert driver.offer(two).kind is READY
    assert driver.came_out == [FIRST]


def test_a_withdrawn_part_may_come_again() -> None:
    joiner = Joiner()
    one, two = parts_of(FIRST)
    joiner.offer(1, one, NOW)
    offered = joiner.offer(2, two, NOW)
    assert offered.held is not None
    joiner.withdraw(offered.held)
    assert joiner.waiting() == (1, 1, 1, 0)
    assert joiner.offer(3, two, NOW).kind is READY


@pytest.mark.parametrize("name", JoinLimits.__slots__)
def test_a_limit_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        JoinLimits(**{name: 0})
