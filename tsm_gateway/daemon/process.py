"""The processes of one gateway: one configuration, one store, and neither holds the other's keys."""

from __future__ import annotations

import gc
from enum import Enum
from typing import TypeVar

E = TypeVar("E", bound=BaseException)

COLLECT_EVERY = (50_000, 20, 100)  # requests make no cycles; the default looks after every 700 objects


class Process(Enum):
    """A long-running verb."""

    RELAY = "run"
    PROVISIONING = "provisioning"


class Ended(Exception):
    """The process was told to end."""


def settle_collector() -> None:
    """Keep the garbage collector off what lives for ever and off tuples that die at once."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_EVERY)


def first_of(group: BaseExceptionGroup[E]) -> E:
    """The first error of a group, however deep it lies."""
    error = group.exceptions[0]
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error
