"""What every foreign SMSC of these tests looks like to a test."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.virtual.part import Part

POLL_S = 0.01


class Taken(NamedTuple):
    """One part the gateway submitted, and the id it was given."""

    part: Part
    registered: int  # registered_delivery as it came
    message_id: str


class Smsc(Protocol):
    """Delivers to the gateway and keeps what the gateway submits."""

    port: int
    taken: list[Taken]
    answers: list[tuple[int, int]]  # (order of delivery, command_status of the gateway's response)

    def wait_bound(self, within_s: float = 15.0) -> None:
        """Wait until the gateway is bound to receive."""

    def deliver(self, part: Part) -> int:
        """Send one part; returns its number in `answers`. Does not wait for the answer."""

    def stop(self) -> None:
        """End it and whatever it started."""


def wait_for(condition: Callable[[], object], what: str, within_s: float = 10.0) -> None:
    """Ask until `condition` is true; fail the test with `what` at the deadline."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {within_s:g} s: {what}")
        time.sleep(POLL_S)


def deliver_all(smsc: Smsc, parts: list[Part], within_s: float = 15.0) -> list[int]:
    """Deliver `parts`; the final status of each, in order: temporary errors are followed by another try."""
    numbers = [smsc.deliver(part) for part in parts]
    wait_for(
        lambda: set(numbers) <= {number for number, _ in smsc.answers},
        f"an answer to each of {len(parts)} parts",
        within_s,
    )
    last = dict(smsc.answers)
    return [last[number] for number in numbers]


def take(smsc: Smsc, count: int, within_s: float = 15.0) -> list[Taken]:
    """What the gateway submitted, once it is `count` parts."""
    wait_for(lambda: len(smsc.taken) >= count, f"{count} parts submitted", within_s)
    return list(smsc.taken)
