"""Lanes: which message goes out next, and what is under way.

One lane per provider, served in turn, so that no provider waits for another's backlog. Of one message
only one part is under way at a time: the next follows when the one before was taken, so no throttling
and no lost answer can put the parts out of order. Memory is bounded: a full lane leaves its messages
queued in the store.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tsm_gateway.messages import PartId, Submission

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tsm_gateway.registry.provider import Provider
    from tsm_gateway.relay.interfaces import Outgoing


@dataclass(slots=True)
class UnderWay:
    """A message being sent on one link."""

    outgoing: Outgoing
    provider: Provider
    parts: list[bytes]  # user data, final octets
    started: float  # monotonic seconds
    link: str = ""
    position: int = 0  # index of the part that is under way
    busy: int = 0  # refusals of this part in a row
    smsc_ids: list[tuple[str, ...]] = field(default_factory=list)

    def submission(self) -> Submission:
        """The part whose turn it is."""
        return Submission(
            PartId(self.outgoing.message_id, self.position + 1),
            self.provider.msisdn,
            self.parts[self.position],
            self.outgoing.receipt,
            self.provider.validity_s,
        )


class Lanes:
    """Messages waiting for a link, by provider, in fair order."""

    def __init__(self, per_provider: int) -> None:
        """Keep at most `per_provider` messages of one provider in memory."""
        self._limit = per_provider
        self._lanes: OrderedDict[str, deque[UnderWay]] = OrderedDict()
        self._again: dict[str, deque[UnderWay]] = {}  # link -> messages whose next part is due there
        self.under_way: dict[bytes, UnderWay] = {}
        self.backlogged: set[str] = set()  # providers with messages left in the store

    def space(self, provider: str) -> int:
        """How many more messages of a provider may be put in."""
        lane = self._lanes.get(provider)
        return self._limit - len(lane) if lane is not None else self._limit

    def put(self, item: UnderWay) -> None:
        """Append a claimed message to its provider's lane."""
        self._lanes.setdefault(item.provider.name, deque()).append(item)

    def next_for(self, link: str, count: int) -> list[UnderWay]:
        """Up to `count` messages for a link: those already started there first, then lanes in turn."""
        chosen: list[UnderWay] = []
        again = self._again.get(link)
        while again and len(chosen) < count:
            chosen.append(again.popleft())
        passed = 0  # lanes in a row that had nothing for this link
        while len(chosen) < count and passed < len(self._lanes):
            name, lane = next(iter(self._lanes.items()))
            self._lanes.move_to_end(name)
            if lane and serves(lane[0].provider, link):
                item = lane.popleft()
                item.link = link
                self.under_way[item.outgoing.message_id] = item
                chosen.append(item)
                passed = 0
            else:
                passed += 1
            if not lane:
                del self._lanes[name]
        return chosen

    def continue_on(self, item: UnderWay, *, first: bool = False) -> None:
        """A message's next part is due on its link; `first` puts it before all others (a repeat)."""
        queue = self._again.setdefault(item.link, deque())
        if first:
            queue.appendleft(item)
        else:
            queue.append(item)

    def done(self, message_id: bytes) -> None:
        """A message left the lanes for good."""
        self.under_way.pop(message_id, None)

    def abandon(self, link: str) -> list[UnderWay]:
        """A link went away: the messages waiting to continue there, taken out."""
        waiting = list(self._again.pop(link, ()))
        for item in waiting:
            self.done(item.outgoing.message_id)
        return waiting

    def strand(self, live: Iterable[str]) -> list[UnderWay]:
        """Take out the waiting messages that none of the `live` links serves."""
        links = list(live)
        stranded: list[UnderWay] = []
        for name, lane in list(self._lanes.items()):
            if lane and not any(serves(lane[0].provider, link) for link in links):
                stranded.extend(lane)
                del self._lanes[name]
        return stranded

    def outdated(self, providers: Mapping[str, Provider]) -> list[UnderWay]:
        """Take out the waiting messages whose provider is not, or not any more, as `providers` has it."""
        outdated: list[UnderWay] = []
        for name, lane in list(self._lanes.items()):
            now = providers.get(name)
            gone = [item for item in lane if item.provider != now]
            if gone:
                outdated.extend(gone)
                self._lanes[name] = deque(item for item in lane if item.provider == now)
                if not self._lanes[name]:
                    del self._lanes[name]
        return outdated

    def waiting(self) -> int:
        """How many messages wait in lanes."""
        return sum(len(lane) for lane in self._lanes.values())


def serves(provider: Provider, link: str) -> bool:
    """Whether a provider's packets may go out on this link."""
    return not provider.routes or link in provider.routes
