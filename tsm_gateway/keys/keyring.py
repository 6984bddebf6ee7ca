"""Ready-made objects by kid, the least recently used forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Keyring(Generic[Value]):
    """A bounded cache of what was derived for a key: cipher objects, public keys.

    Its owner clears it when the registry changed; nothing in it is ever refreshed by itself.
    """

    __slots__ = ("_capacity", "_held")

    def __init__(self, capacity: int) -> None:
        """Hold at most `capacity` (1 or more) objects. Raises ValueError."""
        if capacity < 1:
            message = "a keyring holds at least one key"
            raise ValueError(message)
        self._capacity = capacity
        self._held: OrderedDict[bytes, Value] = OrderedDict()

    def get(self, kid: bytes) -> Value | None:
        """What is held for `kid`, now the most recently used; None when nothing is."""
        value = self._held.get(kid)
        if value is not None:
            self._held.move_to_end(kid)
        return value

    def put(self, kid: bytes, value: Value) -> None:
        """Hold `value` for `kid` in place of whatever was; the least recently used gives way."""
        self._held[kid] = value
        self._held.move_to_end(kid)
        if len(self._held) > self._capacity:
            self._held.popitem(last=False)

    def drop(self, kid: bytes) -> None:
        """Forget `kid`, if it is held."""
        self._held.pop(kid, None)

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()

    def __len__(self) -> int:
        """How many objects are held."""
        return len(self._held)

    def __repr__(self) -> str:
        """How many, and never which."""
        return f"Keyring({len(self._held)} of {self._capacity})"
