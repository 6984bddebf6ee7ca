"""How much of a virtual card's memory is taken: an account, in octets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.virtual.card_apdu import Refusal, Status

if TYPE_CHECKING:
    from tsm_gateway.virtual.card_state import CardState

LOAD_FILE_EXTRA = 64  # its row in the registry
INSTANCE_SIZE = 512  # an application's objects and its row
VOLATILE = 4096  # free RAM, which no installed application takes away here


def free_memory(state: CardState) -> int:
    """Octets that are left for load files and applications."""
    files = sum(file.size + LOAD_FILE_EXTRA for file in state.load_files)
    instances = sum(INSTANCE_SIZE + len(each.install_data) for each in state.instances)
    return state.profile.memory - files - instances


def require_memory(state: CardState, octets: int) -> None:
    """Raises Refusal (6A84) when `octets` more do not fit."""
    if octets > free_memory(state):
        raise Refusal(Status.NO_MEMORY, f"{octets} octets do not fit")
