"""Which message goes out next."""

from __future__ import annotations

from tsm_gateway.registry.provider import Provider, ProviderState, Verify
from tsm_gateway.relay.interfaces import Outgoing
from tsm_gateway.relay.lanes import Lanes, UnderWay


def provider(name: str, *routes: str) -> Provider:
    return Provider(
        name, ProviderState.ACTIVE, (f"sp:{name}",), "+4930", routes, Verify.GATEWAY, 0, 0, True, 0, 0, 0, ""
    )


def item(number: int, owner: Provider, parts: int = 2) -> UnderWay:
    outgoing = Outgoing(number.to_bytes(16, "big"), owner.name, b"packet", 0, True, 1, 0)
    return UnderWay(outgoing, owner, [bytes([index]) for index in range(parts)], 0.0)


def numbers(items: list[UnderWay]) -> list[int]:
    return [int.from_bytes(each.outgoing.message_id, "big") for each in items]


def test_providers_are_served_in_turn():
    lanes, bank, shop = Lanes(10), provider("bank"), provider("shop")
    for number in (1, 2, 3):
        lanes.put(item(number, bank))
    lanes.put(item(11, shop))
    assert numbers(lanes.next_for("a", 4)) == [1, 11, 2, 3]


def test_a_backlog_of_one_provider_does_not_hold_up_another():
    lanes, bank, shop = Lanes(1000), provider("bank"), provider("shop")
    for number in range(500):
        lanes.put(item(number, bank))
    lanes.put(item(1000, shop))
    assert 1000 in numbers(lanes.next_for("a", 2))


def test_a_link_gets_only_what_may_go_out_on_it():
    lanes = Lanes(10)
    lanes.put(item(1, provider("bank", "b")))
    lanes.put(item(2, provider("shop", "a", "b")))
    assert numbers(lanes.next_for("a", 5)) == [2]
    assert numbers(lanes.next_for("b", 5)) == [1]


def test_a_started_message_goes_on_before_a_new_one_starts():
    lanes, bank = Lanes(10), provider("bank")
    lanes.put(item(1, bank))
    lanes.put(item(2, bank))
    (first,) = lanes.next_for("a", 1)
    first.position = 1
    lanes.continue_on(first)
    chosen = lanes.next_for("a", 2)
    assert numbers(chosen) == [1, 2]
    assert chosen[0].submission().part.number == 2


def test_a_refused_part_is_repeated_before_everything_else():
    lanes, bank = Lanes(10), provider("bank")
    for number in (1, 2):
        lanes.put(item(number, bank))
    one, two = lanes.next_for("a", 2)
    lanes.continue_on(one)
    lanes.continue_on(two, first=True)
    assert numbers(lanes.next_for("a", 2)) == [2, 1]


def test_a_full_lane_has_no_space():
    lanes, bank = Lanes(2), provider("bank")
    lanes.put(item(1, bank))
    lanes.put(item(2, bank))
    assert lanes.space("bank") == 0
    assert lanes.space("shop") == 2


def test_messages_no_live_link_serves_are_taken_out():
    lanes = Lanes(10)
    lanes.put(item(1, provider("bank", "a")))
    lanes.put(item(2, provider("shop")))
    assert numbers(lanes.strand(["b"])) == [1]
    assert numbers(lanes.strand([])) == [2]
    assert lanes.waiting() == 0


def test_a_lost_link_gives_back_what_was_to_continue_on_it():
    lanes = Lanes(10)
    lanes.put(item(1, provider("bank")))
    (started,) = lanes.next_for("a", 1)
    lanes.continue_on(started)
    assert numbers(lanes.abandon("a")) == [1]
    assert not lanes.under_way
