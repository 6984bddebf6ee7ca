"""The air and the clock."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.virtual.air import CALM, Weather, blow, plan
from tsm_gateway.virtual.clock import MovedClock

chances = st.floats(0, 1)
weathers = st.builds(
    Weather,
    delay_s=st.tuples(st.floats(0, 1), st.floats(1, 9)),
    loss=chances,
    doubling=chances,
    reordering=chances,
    hold_back=st.integers(1, 20),
)


@given(st.integers(0, 50))
def test_calm_air_changes_nothing(count: int) -> None:
    assert blow(range(count), CALM, seed=3) == list(range(count))


@given(st.integers(0, 40), weathers, st.integers(0, 2**32))
def test_a_plan_is_repeated_by_its_seed_and_runs_forward(count: int, weather: Weather, seed: int) -> None:
    flights = plan(count, weather, seed)
    assert flights == plan(count, weather, seed)
    assert [flight.at_s for flight in flights] == sorted(flight.at_s for flight in flights)
    assert all(weather.delay_s[0] <= flight.at_s <= weather.delay_s[1] for flight in flights)
    sent = [flight.sent for flight in flights]
    assert all(sent.count(index) <= 2 for index in sent)
    assert weather.loss > 0 or set(sent) == set(range(count))


def test_each_kind_of_weather_does_what_it_says() -> None:
    assert plan(100, Weather(loss=1), 1) == []
    assert sorted(blow(range(100), Weather(doubling=1), 1)) == sorted([*range(100), *range(100)])
    mixed = blow(range(100), Weather(reordering=0.5), 1)
    assert mixed != sorted(mixed)
    assert sorted(mixed) == list(range(100))
    assert 20 < len(plan(100, Weather(loss=0.5), 1)) < 80
    assert max(abs(place - sent) for place, sent in enumerate(mixed)) <= 8


@pytest.mark.parametrize(
    "wrong", [{"loss": 1.1}, {"doubling": -0.1}, {"delay_s": (2.0, 1.0)}, {"hold_back": 0}]
)
def test_impossible_weather_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Weather(**wrong)  # type: ignore[arg-type]


def test_the_clock_moves_only_by_hand_and_wakes_sleepers_in_order() -> None:
    async def story() -> list[str]:
        clock, woken = MovedClock(1000.0), []

        async def sleeper(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append(f"{name}@{clock():g}")

        async with asyncio.TaskGroup() as group:
            for name, seconds in (("late", 9.0), ("soon", 2.0), ("now", 0.0)):
                group.create_task(sleeper(name, seconds))
            cancelled = group.create_task(sleeper("never", 3.0))
            for step in (0.0, 2.0, 0.0, 7.0):
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                if step == 2.0:
                    cancelled.cancel()
                    await asyncio.sleep(0)
                clock.advance(step)
        assert clock.seconds == 1009
        return woken

    assert asyncio.run(story()) == ["now@1000", "soon@1002", "late@1009"]
    with pytest.raises(ValueError):
        MovedClock().advance(-1)
