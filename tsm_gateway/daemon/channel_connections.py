"""Who is connected to a channel, since when, and who has to go first: bookkeeping without a socket.

| state | since | ends by us after |
|---|---|---|
| idle | its last answer, or its admission | `idle_s`, or when it is the longest idle one and room is wanted |
| busy | the first octet of a request | `request_s`: slow heads, slow bodies and stuck answers alike |
| leaving | our farewell | asyncio, when the peer's is too long in coming |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.daemon.channel_limits import Limits


class Peer(Protocol):
    """What is asked of a connection here; it is hashed by identity."""

    @property
    def identity(self) -> str:
        """Whose it is."""


P = TypeVar("P", bound=Peer)


class Connections(Generic[P]):
    """Admitted connections; the tables are in the order of their times, oldest first."""

    def __init__(self, limits: Limits) -> None:
        """`limits` may be exchanged on reload."""
        self.limits = limits
        self._idle: dict[P, float] = {}
        self._busy: dict[P, float] = {}
        self._leaving: dict[P, float] = {}
        self._of_peer: dict[str, int] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._idle) + len(self._busy) + len(self._leaving)

    def __iter__(self) -> Iterator[P]:
        """All of them; none may come or go meanwhile."""
        yield from self._idle
        yield from self._busy
        yield from self._leaving

    @property
    def busy(self) -> int:
        """How many have a request under way."""
        return len(self._busy)

    def in_the_way(self, identity: str) -> tuple[bool, P | None]:
        """(whether one has to go before `identity` may have one more, the one that can: None = nobody)."""
        if self._of_peer.get(identity, 0) >= self.limits.per_device:
            return True, next((peer for peer in self._idle if peer.identity == identity), None)
        if len(self) >= self.limits.connections:
            return True, next(iter(self._idle), None)
        return False, None

    def add(self, peer: P, now: float) -> None:
        """It is admitted, and idle. `now` is monotonic, here and below, and never goes back."""
        self._idle[peer] = now
        self._of_peer[peer.identity] = self._of_peer.get(peer.identity, 0) + 1

    def remove(self, peer: P) -> None:
        """It is gone; saying so twice does no harm."""
        if all(table.pop(peer, None) is None for table in (self._idle, self._busy, self._leaving)):
            return
        left = self._of_peer[peer.identity] - 1
        if left:
            self._of_peer[peer.identity] = left
        else:
            del self._of_peer[peer.identity]

    def began(self, peer: P, now: float) -> None:
        """Octets of a request came; while one is under way more of them do not count."""
        if self._idle.pop(peer, None) is not None:
            self._busy[peer] = now

    def answered(self, peer: P, now: float) -> None:
        """A request is done with."""
        if self._busy.pop(peer, None) is not None:
            self._idle[peer] = now

    def leaves(self, peer: P) -> None:
        """It was told farewell; it counts until it is gone."""
        since = self._idle.pop(peer, None) or self._busy.pop(peer, None)
        if since is not None:
            self._leaving[peer] = since

    def since(self, peer: P) -> float:
        """Since when it is what it is; 0.0 when it is gone."""
        return self._idle.get(peer, 0.0) or self._busy.get(peer, 0.0)

    def idle_too_long(self, now: float) -> list[P]:
        """Oldest first."""
        return _older(self._idle, now - self.limits.idle_s)

    def busy_too_long(self, now: float) -> list[P]:
        """Oldest first."""
        return _older(self._busy, now - self.limits.request_s)


def _older(times: dict[P, float], than: float) -> list[P]:
    older = []
    for peer, since in times.items():
        if since > than:
            break
        older.append(peer)
    return older
