"""Challenges: one per device, good once, for their time, and never more of them than the bound."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.daemon.challenges import Challenges

KID = bytes(4)


def challenges(most: int = 8) -> Challenges:
    numbers = count(1)
    return Challenges(lambda: next(numbers).to_bytes(32, "big"), most=most)


def issue(held: Challenges, device: str, now: int = 100, lifetime_s: int = 300) -> bytes:
    return held.issue(device, kid=KID, epoch=1, now=now, lifetime_s=lifetime_s).octets


def test_a_challenge_is_good_once() -> None:
    held = challenges()
    octets = issue(held, "a")
    assert held.take("a", octets, 101)
    assert held.take("a", octets, 101) is None


def test_a_newer_one_voids_it_and_a_proof_of_the_old_one_leaves_the_new_one() -> None:
    held = challenges()
    old, new = issue(held, "a"), issue(held, "a")
    assert held.take("a", old, 101) is None
    assert held.take("a", new, 101)


def test_another_devices_challenge_is_none_of_mine() -> None:
    held = challenges()
    mine, other = issue(held, "a"), issue(held, "b")
    assert held.take("a", other, 101) is None
    assert held.take("a", mine, 101)


def test_it_ends_at_its_second() -> None:
    held = challenges()
    one, two = issue(held, "a"), issue(held, "b")
    assert held.take("a", one, 399)
    assert held.take("b", two, 400) is None


def test_what_was_given_back_is_good_again_unless_a_newer_one_is_there() -> None:
    held = challenges()
    taken = held.take("a", issue(held, "a"), 101)
    assert taken
    held.give_back("a", taken)
    assert held.take("a", taken.octets, 102)
    newer = issue(held, "a")
    held.give_back("a", taken)
    assert held.take("a", taken.octets, 102) is None
    assert held.take("a", newer, 102)


def test_the_oldest_gives_way() -> None:
    held = challenges(most=2)
    octets = {device: issue(held, device) for device in "abc"}
    assert held.take("a", octets["a"], 101) is None
    assert held.take("b", octets["b"], 101)
    assert held.take("c", octets["c"], 101)


def test_what_is_over_is_forgotten() -> None:
    held = challenges()
    issue(held, "a", now=0)
    issue(held, "b", now=200)
    held.expire(300)
    assert len(held) == 1


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1000))))
def test_there_are_never_more_than_the_bound(steps: list[tuple[str, int]]) -> None:
    held = challenges(most=3)
    for device, now in steps:
        issue(held, device, now=now)
        assert len(held) <= 3
