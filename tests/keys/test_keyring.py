"""The keyring: bounded, the least recently used first to go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.keys.keyring import Keyring


def test_what_was_put_is_got_and_what_was_dropped_is_not() -> None:
    ring: Keyring[str] = Keyring(2)
    ring.put(b"a", "A")
    assert (ring.get(b"a"), ring.get(b"b"), len(ring)) == ("A", None, 1)
    ring.put(b"a", "A2")
    assert (ring.get(b"a"), len(ring)) == ("A2", 1)
    ring.drop(b"a")
    ring.drop(b"never held")
    assert (ring.get(b"a"), len(ring)) == (None, 0)


def test_the_least_recently_used_gives_way() -> None:
    ring: Keyring[str] = Keyring(2)
    ring.put(b"a", "A")
    ring.put(b"b", "B")
    ring.get(b"a")
    ring.put(b"c", "C")
    assert [ring.get(kid) for kid in (b"a", b"b", b"c")] == ["A", None, "C"]


def test_putting_again_counts_as_use() -> None:
    ring: Keyring[str] = Keyring(2)
    for kid, value in ((b"a", "A"), (b"b", "B"), (b"a", "A2"), (b"c", "C")):
        ring.put(kid, value)
    assert [ring.get(kid) for kid in (b"a", b"b", b"c")] == ["A2", None, "C"]


def test_a_cleared_keyring_holds_nothing() -> None:
    ring: Keyring[str] = Keyring(2)
    ring.put(b"a", "A")
    ring.clear()
    assert (ring.get(b"a"), len(ring)) == (None, 0)


@given(uses=st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=80), capacity=st.integers(1, 5))
def test_a_keyring_holds_the_last_used_ones(uses: list[tuple[bool, int]], capacity: int) -> None:
    ring: Keyring[int] = Keyring(capacity)
    recent: list[int] = []
    for put, number in uses:
        kid = bytes([number])
        if put:
            ring.put(kid, number)
        assert put or ring.get(kid) == (number if number in recent else None)
        if put or number in recent:
            recent = [*(other for other in recent if other != number), number][-capacity:]
        assert len(ring) == len(recent) <= capacity


def test_a_keyring_without_room_is_not_made() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Keyring(0)


def test_a_keyring_prints_how_many_it_holds_and_not_which() -> None:
    ring: Keyring[str] = Keyring(3)
    ring.put(b"canary", "canary")
    assert repr(ring) == "Keyring(1 of 3)"
