"""Octets that never print: keys and opened data travel as `Secret`.

A `Secret` refuses to be shown, pickled, copied or hashed, compares in constant time, and gives its
octets away by one greppable call, `reveal()`.
"""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """Octets fit for a cipher and for nothing else."""

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes, *, length: int | None = None) -> None:
        """Wrap `octets`; `length` is the only length accepted. Raises ValueError, which never holds them."""
        if length is not None and len(octets) != length:
            message = f"a secret of {length} octets was expected, not of {len(octets)}"
            raise ValueError(message)
        self._octets = bytes(octets)

    def reveal(self) -> bytes:
        """The octets, for the one call that needs them."""
        return self._octets

    def __len__(self) -> int:
        """How many octets there are."""
        return len(self._octets)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time; anything but a `Secret` is unequal."""
        return isinstance(other, Secret) and hmac.compare_digest(self._octets, other._octets)

    __hash__ = None  # type: ignore[assignment]  # a hash table of secrets would leak by timing

    def __repr__(self) -> str:
        """Say that it is a secret, and not even how long."""
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        """Refuse pickle and copy."""
        message = "a secret is never serialised"
        raise TypeError(message)
