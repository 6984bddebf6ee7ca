"""A 64-bit map in a signed column: neither database has unsigned numbers."""

from __future__ import annotations

from typing import Final

SIGN: Final = 1 << 63
RANGE: Final = 1 << 64
ALL_ONES: Final = RANGE - 1  # every PIV of a window is taken


def to_column(bitmap: int) -> int:
    """Two's complement of a map 0..2^64-1."""
    return bitmap - RANGE if bitmap & SIGN else bitmap


def from_column(number: int) -> int:
    """The map 0..2^64-1 of a column."""
    return number & ALL_ONES
