"""Which counters of a key were seen: a 64-wide window over the Partial IV (RFC 8613 §7.4).

A window is a pair (highest, bitmap): `highest` is the greatest PIV accepted, bit n of the 64-bit
`bitmap` says that `highest - n` is spent. Pairs are compared and set by the store, so nothing here keeps
state. The order is the caller's: check the window, open the packet, and only then strike the PIV out,
or anyone could burn a device's counters.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from tsm_gateway.envelope.cose import MAX_PIV

WIDTH: Final = 64
FULL: Final = (1 << WIDTH) - 1

Window = tuple[int, int]


class ReplayVerdict(Enum):
    """What a window says of a PIV."""

    FRESH = "fresh"
    REPLAY = "replay"  # spent, or left of the window and so no longer knowable
    JUMP = "jump"  # further ahead than the limit: a device out of step, or one gone mad


def initial_window(next_piv: int) -> Window:
    """The window of a key whose next packet is to carry `next_piv`: nothing lower will do.

    For `next_piv` 0 the highest is -1; for MAX_PIV + 1 nothing at all is fresh. Raises ValueError
    beyond these.
    """
    if not 0 <= next_piv <= MAX_PIV + 1:
        message = "the next PIV is 0 to 2**40"
        raise ValueError(message)
    return next_piv - 1, FULL


def check(window: Window, piv: int, max_jump: int) -> ReplayVerdict:
    """Judge `piv`; more than `max_jump` above the highest is a JUMP. Raises ValueError out of 0..MAX_PIV."""
    _in_range(piv)
    highest, bitmap = window
    ahead = piv - highest
    if ahead > max_jump:
        return ReplayVerdict.JUMP
    if ahead > 0:
        return ReplayVerdict.FRESH
    if -ahead >= WIDTH or bitmap >> -ahead & 1:
        return ReplayVerdict.REPLAY
    return ReplayVerdict.FRESH


def strike(window: Window, piv: int) -> Window:
    """The window once `piv` is spent. Raises ValueError when it was spent before: check comes first."""
    if check(window, piv, MAX_PIV + 1) is ReplayVerdict.REPLAY:
        message = "a spent PIV cannot be spent again"
        raise ValueError(message)
    highest, bitmap = window
    ahead = piv - highest
    if ahead <= 0:
        return highest, bitmap | 1 << -ahead
    kept = bitmap << ahead & FULL if ahead < WIDTH else 0  # a jump may be 2**40: never shift by that much
    return piv, kept | 1


def _in_range(piv: int) -> None:
    if not 0 <= piv <= MAX_PIV:
        message = "a PIV is 0 to 2**40-1"
        raise ValueError(message)
