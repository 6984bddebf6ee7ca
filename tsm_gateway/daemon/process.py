"""The processes of one gateway: one configuration, one store, and neither holds the other's keys."""

from __future__ import annotations

from enum import Enum


class Process(Enum):
    """A long-running verb."""

    RELAY = "run"
    PROVISIONING = "provisioning"
