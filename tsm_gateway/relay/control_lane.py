"""The key packages on their way over the air: which part goes out next, and what is under way.

What waits here is only a view of the store, renewed about once a second, so that a package whose device
was terminated meanwhile is not sent any more. As with payments, of one package only one part is under
way at a time, and all its parts go over one link: the handset joins them by sender. Memory is bounded by
`most`; the rest waits in the store.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from tsm_gateway.messages import PartId, Submission
from tsm_gateway.outbound.parts import PacketTooLong, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tsm_gateway.registry.control import ControlMessage

NETWORKS_DEFAULT = 0  # validity, seconds: a package that comes late is as good as new


@dataclass(slots=True)
class Sending:
    """A key package that waits for a link, or is being sent on one."""

    control: ControlMessage
    parts: list[bytes]  # user data, final octets
    since: float  # monotonic seconds: since when its next part could go out
    link: str = ""
    position: int = 0  # index of the part that is under way
    busy: int = 0  # refusals of this part in a row
    smsc_ids: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def attempts(self) -> int:
        """How many times it was sent, this one included."""
        return self.control.attempts + 1

    def submission(self) -> Submission:
        """The part whose turn it is; no receipt is asked for, the device's confirmation is one."""
        part = PartId(self.control.message_id, self.position + 1)
        return Submission(
            part, self.control.msisdn, self.parts[self.position], receipt=False, validity_s=NETWORKS_DEFAULT
        )


class ControlLane:
    """Key packages in the order of the store."""

    def __init__(self, most: int, *, port: int) -> None:
        """Keep at most `most` packages in memory; `port` is the application port of every part."""
        self._most, self._port = most, port
        self._waiting: dict[bytes, Sending] = {}  # by message id, oldest first
        self._again: dict[str, deque[Sending]] = {}  # link -> packages whose next part is due there
        self.under_way: dict[bytes, Sending] = {}

    @property
    def space(self) -> int:
        """How many more packages may be under way."""
        return max(0, self._most - len(self.under_way))

    @property
    def waiting(self) -> int:
        """How many packages in memory wait for a link."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether there is nothing in memory."""
        return not (self._waiting or self.under_way)

    def renew(self, due: Iterable[ControlMessage], now: float) -> list[Sending]:
        """What the store holds that is due, `now` in monotonic seconds; it replaces what waited.

        Returns those that are no packets, under way without a part.
        """
        unfit: list[Sending] = []
        waited, self._waiting = self._waiting, {}
        for control in due:
            key = control.message_id
            if key in self.under_way or len(self._waiting) >= self.space:
                continue
            since = waited[key].since if key in waited else now
            try:
                # the reference is part of the octets, and a repetition has the same
                parts = parts_of(control.packet, port=self._port, reference=key[-1])
            except PacketTooLong:
                self.under_way[key] = Sending(control, [], since)
                unfit.append(self.under_way[key])
            else:
                self._waiting[key] = Sending(control, parts, since)
        return unfit

    def clear(self) -> None:
        """Nothing can be sent for now: what waited is in the store."""
        self._waiting.clear()

    def next_for(self, link: str, count: int, *, since: float | None = None) -> list[Sending]:
        """Up to `count` packages whose next part may go out on a link: those started there first.

        With `since` only those that could have gone out at that time, monotonic seconds, already.
        """
        again = self._again.get(link, ())
        chosen: list[Sending] = []
        for item in chain(again, self._waiting.values()):
            if len(chosen) == count:
                break
            if since is None or item.since <= since:
                chosen.append(item)
        for item in chosen:
            self._start(item, link)
        return chosen

    def _start(self, item: Sending, link: str) -> None:
        key = item.control.message_id
        if self._waiting.pop(key, None) is None:
            self._again[link].remove(item)
        item.link = link
        self.under_way[key] = item

    def continue_on(self, item: Sending, now: float, *, first: bool = False) -> None:
        """A package's next part is due on its link; `first` puts it before all others (a repeat)."""
        item.since = now
        queue = self._again.setdefault(item.link, deque())
        if first:
            queue.appendleft(item)
        else:
            queue.append(item)

    def done(self, message_id: bytes) -> None:
        """A package left the lane."""
        self.under_way.pop(message_id, None)

    def abandon(self, link: str) -> list[Sending]:
        """A link went away: the packages that were to continue there; they stay under way until `done`."""
        return list(self._again.pop(link, ()))
