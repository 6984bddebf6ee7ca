from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.radio.smpp.peer import options_for
from tsm_gateway.radio.smpp.rebind import Ending, Rebind


def plan(*ports: int) -> Rebind:
    return Rebind(options_for(*ports, rebind_min_s=1.0, rebind_max_s=8.0, denied_s=60.0))


def test_the_first_attempt_is_at_once_and_at_the_first_address() -> None:
    attempt = plan(1, 2).first()
    assert (attempt.delay_s, attempt.endpoint.port) == (0.0, 1)


def test_pauses_double_up_to_the_cap() -> None:
    rebind = plan(1)
    assert [rebind.after(Ending.FAILED, 0.0).delay_s for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_the_pause_stays_capped_however_long_the_outage() -> None:
    rebind = plan(1)
    assert {rebind.after(Ending.FAILED, 0.0).delay_s for _ in range(5000)} == {1.0, 2.0, 4.0, 8.0}


@given(dice=st.floats(0, 1, exclude_max=True))
def test_chance_shortens_a_pause_by_half_at_most(dice: float) -> None:
    assert 0.5 <= plan(1).after(Ending.FAILED, dice).delay_s <= 1.0


def test_every_address_is_tried_without_waiting_before_the_pause() -> None:
    rebind = plan(1, 2, 3)
    steps = [rebind.after(Ending.FAILED, 0.0) for _ in range(7)]
    assert [step.endpoint.port for step in steps] == [2, 3, 1, 2, 3, 1, 2]
    assert [step.delay_s for step in steps] == [0.0, 0.0, 1.0, 0.0, 0.0, 2.0, 0.0]


def test_a_good_bind_starts_everything_anew() -> None:
    rebind = plan(1, 2)
    for _ in range(5):
        rebind.after(Ending.FAILED, 0.0)
    attempt = rebind.after(Ending.LASTED, 0.0)
    assert (attempt.delay_s, attempt.endpoint.port) == (1.0, 1)
    assert rebind.after(Ending.FAILED, 0.0).endpoint.port == 2


@pytest.mark.parametrize("ending", [Ending.DROPPED, Ending.REFUSED])
def test_a_bind_that_never_lasts_is_not_insisted_on(ending: Ending) -> None:
    rebind = plan(1)
    assert [rebind.after(ending, 0.0).delay_s for _ in range(3)] == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("ending", [Ending.DROPPED, Ending.REFUSED])
def test_even_another_address_is_not_bound_to_without_a_pause(ending: Ending) -> None:
    attempt = plan(1, 2).after(ending, 0.0)
    assert (attempt.delay_s, attempt.endpoint.port) == (1.0, 2)


def test_a_password_that_is_not_taken_is_tried_rarely() -> None:
    rebind = plan(1, 2)
    assert [rebind.after(Ending.DENIED, 0.0).delay_s for _ in range(4)] == [60.0] * 4
