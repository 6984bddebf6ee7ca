"""Which part of a key package goes out next."""

from __future__ import annotations

from tsm_gateway.registry.control import ControlMessage, ControlState
from tsm_gateway.relay.control_lane import ControlLane, Sending

PORT = 16500
ONE, TWO, THREE = 1, 2, 3


def control(number: int, octets: int = 200) -> ControlMessage:
    return ControlMessage(
        number.to_bytes(16, "big"),
        f"d:{number:016x}",
        number.to_bytes(4, "big"),
        f"+4917{number}",
        bytes([number]) * octets,
        ControlState.QUEUED,
        0,
        0,
        0,
        0,
        "",
    )


def lane(*numbers: int, most: int = 10, now: float = 0.0) -> ControlLane:
    made = ControlLane(most, port=PORT)
    made.renew([control(number) for number in numbers], now)
    return made


def numbers(items: list[Sending]) -> list[int]:
    return [int.from_bytes(each.control.message_id, "big") for each in items]


def test_packages_go_out_in_the_order_of_the_store():
    assert numbers(lane(ONE, TWO, THREE).next_for("a", 2)) == [ONE, TWO]


def test_a_package_of_two_parts_names_them_both_and_asks_for_no_receipt():
    made = lane(ONE)
    (item,) = made.next_for("a", 1)
    first = item.submission()
    item.position = 1
    second = item.submission()
    assert (first.part.number, second.part.number) == (1, 2)
    assert first.destination == "+4917" + "1"
    assert first.user_data[12:] + second.user_data[12:] == control(ONE).packet
    assert not first.receipt
    assert first.user_data[7:12] == bytes([0, 3, 1, 2, 1])  # its reference is the end of its message id


def test_what_is_under_way_is_not_taken_again_from_the_store():
    made = lane(ONE, TWO)
    made.next_for("a", 1)
    made.renew([control(ONE), control(TWO)], 1.0)
    assert numbers(made.next_for("a", 9)) == [TWO]


def test_what_the_store_holds_no_more_waits_no_more():
    made = lane(ONE, TWO)
    made.renew([control(TWO)], 1.0)
    assert numbers(made.next_for("a", 9)) == [TWO]


def test_memory_holds_no_more_than_its_bound():
    made = lane(*range(1, 9), most=3)
    assert made.waiting == 3
    made.next_for("a", 2)
    made.renew([control(number) for number in range(1, 9)], 1.0)
    assert (len(made.under_way), made.waiting) == (2, 1)


def test_a_started_package_goes_on_before_a_new_one_starts_and_on_its_link_only():
    made = lane(ONE, TWO)
    (item,) = made.next_for("a", 1)
    made.continue_on(item, 1.0)
    assert numbers(made.next_for("b", 9)) == [TWO]
    assert numbers(made.next_for("a", 9)) == [ONE]


def test_a_repeated_part_goes_ahead_of_all_others():
    made = lane(ONE, TWO)
    first, second = made.next_for("a", 2)
    made.continue_on(first, 1.0)
    made.continue_on(second, 1.0, first=True)
    assert numbers(made.next_for("a", 2)) == [TWO, ONE]


def test_only_what_waited_long_enough_is_overdue():
    made = lane(ONE, now=100.0)
    made.renew([control(ONE), control(TWO)], 103.0)
    assert numbers(made.next_for("a", 9, since=99.0)) == []
    assert numbers(made.next_for("a", 9, since=100.0)) == [ONE]
    (item,) = made.under_way.values()
    made.continue_on(item, 105.0)
    assert numbers(made.next_for("a", 9, since=104.0)) == [TWO]


def test_what_was_to_go_on_over_a_lost_link_is_given_back_once():
    made = lane(ONE)
    (item,) = made.next_for("a", 1)
    made.continue_on(item, 1.0)
    assert numbers(made.abandon("a")) == [ONE]
    assert not made.abandon("a")
    assert not made.next_for("a", 9)


def test_octets_that_fit_no_short_message_are_told_once():
    made = ControlLane(10, port=PORT)
    (unfit,) = made.renew([control(ONE, octets=0)], 0.0)
    assert unfit.control == control(ONE, octets=0)
    assert not made.renew([control(ONE, octets=0)], 1.0)
    assert not made.next_for("a", 1)
