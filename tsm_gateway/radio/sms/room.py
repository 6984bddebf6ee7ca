"""Who gives way when a bound of the joiner is reached; the table stands in `join`.

Every choice is O(1), or O(`candidates`) among the bodies of one part; `Room.beside` passes over the
suspects of one message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tsm_gateway.radio.sms.held import Held, JoinLimits, MessageKey
    from tsm_gateway.radio.sms.shelf import Shelf


class Room:
    """Keeps a shelf within its limits."""

    __slots__ = ("_limits", "_shelf")

    def __init__(self, shelf: Shelf, limits: JoinLimits) -> None:
        """Takes parts off `shelf`, never puts any on it."""
        self._shelf, self._limits = shelf, limits

    def among_bodies(self, same: Sequence[Held], now: int) -> Held | None:
        """Which of the bodies held for one part gives way to another; None: none does."""
        suspect = next((held for held in same if held.suspect), None)
        return suspect or self._if_stale(same[0], now)

    def of_sender(self, source: str, now: int) -> Held | None:
        """Which of a sender's parts gives way to a new one of the same; None: none does."""
        suspected = self._shelf.suspected.get(source)
        if suspected:
            return _oldest(suspected)
        trusted = self._shelf.trusted.get(source)
        return self._if_stale(_oldest(trusted), now) if trusted else None

    def of_all(self, source: str, now: int) -> Held | None:
        """Which part gives way to a new one of `source`; None: none does."""
        shelf = self._shelf
        if shelf.suspects:
            return _oldest(shelf.suspects)
        crowd = shelf.biggest_crowd()
        if crowd is None:
            return _oldest(shelf.rows)
        parts, senders = crowd
        if parts > len(shelf.trusted.get(source, ())):
            return _oldest(shelf.trusted[next(iter(senders))])
        return self.of_sender(source, now)

    def beside(self, key: MessageKey, number: int, suspects: Mapping[int, Held]) -> Held | None:
        """Which of `suspects` gives way to part `number` that makes its message whole; None: none does.

        The oldest of other messages; else another body of this very part, which the message can spare.
        """
        other = next((held for held in suspects.values() if held.key != key), None)
        same = self._shelf.messages.get(key, {}).get(number, ())
        return other or next((held for held in same if held.suspect), None)

    def _if_stale(self, held: Held, now: int) -> Held | None:
        return held if now - held.received_at > self._limits.stale_s else None


def _oldest(parts: Mapping[int, Held]) -> Held:
    return next(iter(parts.values()))
