"""A short slice of `scripts/campaigns/chaos`, always the same seeds."""

from __future__ import annotations

import asyncio

import pytest

from tests.relay.chaos import Chaos

CHAOS_S = 1.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_goes_wrong_every_payment_arrives_once_it_is_calm(tmp_path, seed):
    print(f"scripts/campaigns/chaos --seeds 1 --seed {seed}")  # noqa: T201 - shown when it fails
    outcome = asyncio.run(Chaos(tmp_path, seed).run(CHAOS_S))
    if outcome.problems or not outcome.paid:
        pytest.fail(str(outcome), pytrace=False)
