"""The replay window against a plain set of everything that was ever accepted."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tsm_gateway.envelope.cose import MAX_PIV
from tsm_gateway.envelope.replay import FULL, WIDTH, ReplayVerdict, Window, check, initial_window, strike

JUMP = 1000


class Remembering:
    """The model: every accepted PIV in a set, the window only as arithmetic on its highest."""

    def __init__(self, next_piv: int) -> None:
        self.first = next_piv
        self.spent: set[int] = set()

    def check(self, piv: int) -> ReplayVerdict:
        highest = max(self.spent, default=self.first - 1)
        if piv > highest + JUMP:
            return ReplayVerdict.JUMP
        if piv in self.spent or piv < self.first or piv <= highest - 64:
            return ReplayVerdict.REPLAY
        return ReplayVerdict.FRESH


walks = st.lists(st.one_of(st.integers(-70, 70), st.integers(-JUMP - 2, JUMP + 2)), max_size=60)


@given(first=st.one_of(st.integers(0, 200), st.integers(MAX_PIV - 200, MAX_PIV)), steps=walks)
@example(first=0, steps=[0, 0, 64, -64, -63, JUMP, JUMP + 1])
@example(first=MAX_PIV, steps=[0, 0, -1])
def test_the_window_says_what_a_set_of_everything_says(first: int, steps: list[int]) -> None:
    window, model = initial_window(first), Remembering(first)
    for step in steps:
        piv = min(max(window[0] + step, 0), MAX_PIV)
        verdict = check(window, piv, JUMP)
        assert verdict is model.check(piv)
        if verdict is ReplayVerdict.FRESH:
            window = strike(window, piv)
            model.spent.add(piv)
        assert 0 <= window[1] <= FULL


@given(first=st.integers(0, MAX_PIV), steps=walks)
def test_what_was_struck_out_is_a_replay_for_ever(first: int, steps: list[int]) -> None:
    window, struck = initial_window(first), []
    for step in steps:
        piv = min(max(window[0] + step, 0), MAX_PIV)
        if check(window, piv, JUMP) is ReplayVerdict.FRESH:
            window = strike(window, piv)
            struck.append(piv)
        assert all(check(window, old, JUMP) is ReplayVerdict.REPLAY for old in struck)


def spread(highest: int) -> Window:
    """Only the highest is spent."""
    return highest, 1


@pytest.mark.parametrize(
    ("piv", "expected"),
    [
        (1000, ReplayVerdict.REPLAY),  # equal
        (999, ReplayVerdict.FRESH),
        (1000 - WIDTH + 1, ReplayVerdict.FRESH),
        (1000 - WIDTH, ReplayVerdict.REPLAY),  # left of the window
        (0, ReplayVerdict.REPLAY),
        (1001, ReplayVerdict.FRESH),
        (1000 + JUMP, ReplayVerdict.FRESH),
        (1001 + JUMP, ReplayVerdict.JUMP),
        (MAX_PIV, ReplayVerdict.JUMP),
    ],
)
def test_the_edges_of_the_window(piv: int, expected: ReplayVerdict) -> None:
    assert check(spread(1000), piv, JUMP) is expected


def test_checking_moves_nothing() -> None:
    """A forged packet with a counter far ahead locks nobody out: only `strike` moves a window."""
    window = spread(1000)
    for piv in (1500, MAX_PIV, 3):
        check(window, piv, JUMP)
    assert check(window, 1001, JUMP) is ReplayVerdict.FRESH


@pytest.mark.parametrize("first", [0, 1, 63, 64, 2**31, MAX_PIV])
def test_a_new_key_accepts_its_first_piv_and_none_below(first: int) -> None:
    window = initial_window(first)
    assert check(window, first, 1) is ReplayVerdict.FRESH
    below = range(max(first - 70, 0), first)
    assert all(check(window, piv, 1) is ReplayVerdict.REPLAY for piv in below)


def test_a_key_past_its_last_counter_accepts_nothing() -> None:
    window = initial_window(MAX_PIV + 1)
    assert check(window, MAX_PIV, MAX_PIV) is ReplayVerdict.REPLAY
    assert check(window, MAX_PIV - 63, MAX_PIV) is ReplayVerdict.REPLAY


def test_the_widest_jump_there_is_clears_the_window() -> None:
    assert strike((0, 1), MAX_PIV) == (MAX_PIV, 1)


@pytest.mark.parametrize("ahead", [63, 64, 65])
def test_the_old_highest_falls_off_at_64(ahead: int) -> None:
    highest, bitmap = strike(spread(1000), 1000 + ahead)
    assert (highest, bitmap) == (1000 + ahead, 1 | (1 << 63 if ahead == 63 else 0))


@pytest.mark.parametrize("piv", [1000, 936, 5])
def test_striking_a_spent_counter_is_a_mistake_of_the_caller(piv: int) -> None:
    with pytest.raises(ValueError, match="spent"):
        strike(spread(1000), piv)


@pytest.mark.parametrize("piv", [-1, MAX_PIV + 1])
def test_a_counter_out_of_range_is_a_mistake_of_the_caller(piv: int) -> None:
    for call in (lambda: check((0, 1), piv, JUMP), lambda: strike((0, 1), piv)):
        with pytest.raises(ValueError, match="PIV"):
            call()


@pytest.mark.parametrize("next_piv", [-1, MAX_PIV + 2])
def test_a_window_out_of_range_is_not_made(next_piv: int) -> None:
    with pytest.raises(ValueError, match="next PIV"):
        initial_window(next_piv)
