"""Joining parts: what may come in whatever order, and what an attacker cannot do."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.radio.sms.driver import NOW, Driver, packet, part, parts_of
from tsm_gateway.radio.sms.join import Joiner, JoinLimits, OfferKind

if TYPE_CHECKING:
    from tsm_gateway.messages import Segment

DUPLICATE, WAITING = OfferKind.DUPLICATE, OfferKind.WAITING
READY, OVER_BOUND = OfferKind.READY, OfferKind.OVER_BOUND

FIRST, SECOND = packet("first"), packet("second")


def kinds(driver: Driver, *segments: Segment) -> list[OfferKind]:
    return [driver.offer(segment).kind for segment in segments]


# --- order, doubles, references ---------------------------------------------------------------------


@pytest.mark.parametrize("total", [2, 3, 4])
def test_parts_join_in_any_order(total: int) -> None:
    for order in permutations(parts_of(FIRST, total=total)):
        driver = Driver([FIRST])
        assert kinds(driver, *order) == [WAITING] * (total - 1) + [READY]
        assert driver.came_out == [FIRST]
        assert len(driver.joiner) == 0


def test_a_part_held_already_is_a_duplicate_and_told_so() -> None:
    driver = Driver([FIRST])
    one, two = parts_of(FIRST)
    first = driver.offer(one)
    again = driver.offer(one)
    assert again.kind is DUPLICATE
    assert again.held is first.held
    assert again.held is not None
    before = again.held.durable
    driver.joiner.mark_durable([again.held.row])
    assert (before, again.held.durable) == (False, True)
    assert driver.offer(two).kind is READY


def test_a_part_of_a_message_just_consumed_is_a_duplicate() -> None:
    driver = Driver([FIRST])
    one, two = parts_of(FIRST)
    assert kinds(driver, one, two, two, one) == [WAITING, READY, DUPLICATE, DUPLICATE]
    assert driver.came_out == [FIRST]
    assert len(driver.joiner) == 0


@pytest.mark.parametrize("octets", [1, 23])
def test_a_short_part_is_not_taken_for_an_earlier_messages(octets: int) -> None:
    end = b"!" * octets
    driver = Driver([FIRST + end, SECOND + end])
    for text in (FIRST, SECOND):
        kinds(driver, part(text, 1), part(end, 2))
    assert driver.came_out == [FIRST + end, SECOND + end]


def test_what_was_consumed_is_forgotten_after_so_many_parts() -> None:
    texts = [packet(f"message {number}") for number in range(4)]
    driver = Driver(texts, JoinLimits(remembered=6))
    messages = [parts_of(text, reference=number) for number, text in enumerate(texts)]
    for message in messages:
        kinds(driver, *message)
    assert driver.offer(messages[3][0]).kind is DUPLICATE
    assert driver.offer(messages[1][1]).kind is DUPLICATE
    assert driver.offer(messages[0][0]).kind is WAITING


def test_what_uses_its_reference_again_is_remembered_longer() -> None:
    driver = Driver([FIRST, SECOND, packet("other"), packet("last")], JoinLimits(remembered=6))
    for message, reference in ((FIRST, 1), (packet("other"), 2), (SECOND, 1), (packet("last"), 3)):
        kinds(driver, *parts_of(message, reference=reference))
    assert driver.offer(parts_of(FIRST, reference=1)[0]).kind is DUPLICATE
    assert driver.offer(parts_of(packet("other"), reference=2)[0]).kind is WAITING


def test_the_body_of_one_part_is_new_as_another_part() -> None:
    driver = Driver([FIRST])
    one, two = parts_of(FIRST)
    kinds(driver, one, two)
    assert driver.offer(two._replace(number=1)).kind is WAITING


def test_the_parts_of_one_message_may_come_over_two_binds() -> None:
    driver = Driver([FIRST])
    one, two = parts_of(FIRST)
    over_other = two._replace(ticket=two.ticket._replace(bearer="carrier-b"))
    assert kinds(driver, one, over_other) == [WAITING, READY]


@pytest.mark.parametrize(
    "other",
    [
        {"source": "+491709999999"},
        {"destination": "+4930999"},
        {"port": 16501},
        {"reference": 8},
        {"reference": 7 + 256},
        {"total": 3},
    ],
)
def test_parts_of_different_messages_do_not_join(other: dict[str, int]) -> None:
    driver = Driver([b"ab"])
    assert kinds(driver, part(b"a", 1), part(b"b", 2, **other)) == [WAITING, WAITING]  # type: ignore[arg-type]
    assert len(driver.joiner) == 2
    assert driver.joiner.waiting().messages == 2


def test_reference_zero_and_no_port_are_as_good_as_others() -> None:
    driver = Driver([b"ab"])
    one, two = (part(b"a", 1, reference=0), part(b"b", 2, reference=0))
    assert kinds(driver, one._replace(port=None), two._replace(port=None)) == [WAITING, READY]
    assert driver.came_out == [b"ab"]


def test_a_reference_used_again_while_a_message_waits_loses_neither() -> None:
    first, second = parts_of(FIRST), parts_of(SECOND)
    driver = Driver([FIRST, SECOND])
    assert kinds(driver, first[0], second[0], second[1], first[1]) == [WAITING, WAITING, READY, READY]
    assert driver.came_out == [SECOND, FIRST]
    assert len(driver.joiner) == 0


def test_a_carrier_that_writes_one_reference_on_everything_loses_nothing() -> None:
    texts = [packet(f"message {number}") for number in range(50)]
    driver = Driver(texts)
    for text in texts:
        kinds(driver, *parts_of(text, reference=0))
    assert driver.came_out == texts


def test_a_message_of_one_part_is_ready_at_once() -> None:
    driver = Driver([b"whole"])
    assert driver.offer(part(b"whole", 1, total=1)).kind is READY
    assert driver.came_out == [b"whole"]


@pytest.mark.parametrize("doubled", [0, 3])
def test_every_order_of_two_messages_spoofed_parts_and_a_double_gives_each_message_once(doubled: int) -> None:
    """The reference used again, a wrong part for each number: 5040 orders."""
    genuine = [*parts_of(FIRST), *parts_of(SECOND)]
    spoofed = [part(b"spoofed part one", 1), part(b"spoofed part two", 2)]
    for order in permutations([*genuine, *spoofed, genuine[doubled]]):
        driver = Driver([FIRST, SECOND])
        for segment in order:
            driver.offer(segment)
        assert sorted(driver.came_out) == sorted([FIRST, SECOND])
        assert not driver.evicted


@given(st.data())
def test_many_senders_at_once_lose_nothing(data: st.DataObject) -> None:
    texts = [packet(f"message {number}") for number in range(6)]
    segments = [
        segment
        for number, text in enumerate(texts)
        for segment in parts_of(text, total=2 + number % 2, reference=1, source=f"+4917{number % 3}")
    ]
    doubled = segments + data.draw(st.lists(st.sampled_from(segments), max_size=8))
    wrong = [
        part(b"wrong%d" % number, number, source=f"+4917{sender}", reference=1, total=total)
        for sender in range(3)
        for total in (2, 3)
        for number in range(1, total + 1)
    ]
    driver = Driver(texts)
    for segment in data.draw(st.permutations(doubled + wrong)):
        driver.offer(segment)
    assert sorted(driver.came_out) == sorted(texts)


# --- combinations -----------------------------------------------------------------------------------


def rows(joiner: Joiner, row: int, body: bytes, number: int, total: int = 2) -> list[list[int]]:
    offered = joiner.offer(row, part(body, number, total=total), NOW)
    return [[held.row for held in parts] for parts in offered.combinations]


def test_combinations_hold_the_new_part_and_come_oldest_first() -> None:
    joiner = Joiner()
    for row in (1, 2, 3):
        assert rows(joiner, row, b"body %d" % row, 1) == []
    assert rows(joiner, 4, b"body 4", 2) == [[1, 4], [2, 4], [3, 4]]
    assert rows(joiner, 5, b"body 5", 2) == [[1, 5], [2, 5], [3, 5]]
    assert rows(joiner, 6, b"body 6", 1) == [[6, 4], [6, 5]]


def test_trusted_bodies_are_tried_before_suspects() -> None:
    joiner = Joiner()
    first = joiner.offer(1, part(b"body 1", 1), NOW).held
    assert first is not None
    joiner.suspect([first])
    rows(joiner, 2, b"body 2", 1)
    assert rows(joiner, 3, b"body 3", 2) == [[2, 3], [1, 3]]


def test_no_more_combinations_are_tried_than_allowed() -> None:
    joiner = Joiner(JoinLimits(attempts=5))
    for row in range(4):
        rows(joiner, row, b"one %d" % row, 1, 3)
        rows(joiner, 10 + row, b"two %d" % row, 2, 3)
    assert len(rows(joiner, 20, b"three", 3, 3)) == 5


def test_with_the_usual_limits_every_combination_of_four_parts_is_tried() -> None:
    joiner = Joiner()
    for row in range(4):
        for number in (1, 2, 3):
            rows(joiner, 10 * number + row, b"%d %d" % (number, row), number, 4)
    assert len(rows(joiner, 100, b"last", 4, 4)) == 64


def test_a_failed_combination_costs_its_parts_nothing_but_trust() -> None:
    driver = Driver([FIRST])
    one, two = parts_of(FIRST)
    kinds(driver, one, part(b"spoofed", 2))
    assert driver.joiner.waiting().suspects == 2
    driver.offer(two)
    assert driver.came_out == [FIRST]
    assert driver.joiner.waiting() == (1, 1, 1, 1)


# --- time and restart -------------------------------------------------------------------------------


def test_a_part_is_given_up_after_its_time() -> None:
    driver = Driver([FIRST], JoinLimits(wait_s=100))
    one, two = parts_of(FIRST)
    driver.offer(one, NOW)
    driver.offer(part(b"later", 1, reference=8), NOW + 50)
    assert driver.joiner.next_expiry() == NOW + 101
    assert driver.joiner.expire(NOW + 100) == []
    assert [held.row for held in driver.joiner.expire(NOW + 101)] == [1]
    assert driver.joiner.next_expiry() == NOW + 151
    assert driver.offer(two, NOW + 102).kind is WAITING
    assert len(driver.joiner.expire(NOW + 1000)) == 2
    assert driver.joiner.next_expiry() is None


def test_a_clock_once_wrong_by_years_holds_nothing_up() -> None:
    driver = Driver([], JoinLimits(wait_s=100))
    driver.offer(part(b"from the future", 1), NOW + 10**9)
    driver.offer(part(b"from now", 1, reference=8), NOW)
    assert driver.joiner.expire(NOW) == []
    assert [held.row for held in driver.joiner.expire(NOW + 101)] == [2, 1]


def test_a_restart_between_the_parts_loses_nothing() -> None:
    one, two = parts_of(FIRST)
    driver = Driver([FIRST])
    driver.joiner.load([(41, one, NOW - 9)])
    offered = driver.offer(one)
    assert offered.kind is DUPLICATE
    assert offered.held is not None
    assert (offered.held.row, offered.held.received_at, offered.held.durable) == (41, NOW - 9, True)
    assert driver.offer(two).kind is READY
    assert driver.came_out == [FIRST]


def test_loading_replaces_everything() -> None:
    """After a batch that was not stored nothing of it may be left, least of all that it was consumed."""
    one, two = parts_of(FIRST)
    driver = Driver([FIRST])
    kinds(driver, one, two, part(b"waits", 1, reference=9))
    driver.joiner.load([])
    assert driver.joiner.waiting() == (0, 0, 0, 0)
    assert kinds(driver, one, two) == [WAITING, READY]
    assert driver.came_out == [FIRST, FIRST]


def test_more_than_the_limits_allow_is_loaded_and_gives_way_later() -> None:
    joiner = Joiner(JoinLimits(in_all=5, fair=1))
    joiner.load((row, part(b"%d" % row, 1, reference=row), NOW) for row in range(10))
    assert len(joiner) == 10
    offered = joiner.offer(10, part(b"new", 1, source="+2"), NOW)
    assert [held.row for held in offered.evicted] == [0, 1, 2, 3, 4, 5]
    assert len(joiner) == 5


def test_what_is_held_shows_no_body_and_no_number() -> None:
    held = Joiner().offer(1, part(b"ciphertext", 1), NOW).held
    assert repr(held) == "Held(row=1, number=1, total=2)"
    assert "4917" not in repr(Driver([]).offer(part(b"ciphertext", 1)).held)


def test_consuming_or_suspecting_what_is_gone_does_nothing() -> None:
    joiner = Joiner()
    one, two = parts_of(FIRST)
    joiner.offer(1, one, NOW)
    (parts,) = joiner.offer(2, two, NOW).combinations
    joiner.consume(parts)
    joiner.suspect(parts)
    joiner.consume(parts)
    joiner.mark_durable([1, 2, 3])
    assert joiner.waiting() == (0, 0, 0, 0)
