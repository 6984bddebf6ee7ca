"""What one peer, and all of them together, may take of a channel."""

from __future__ import annotations

from typing import NamedTuple, Protocol, Self


class Bounded(Protocol):
    """The settings of a channel, as far as they bound it."""

    @property
    def connections(self) -> int:
        """At a time."""

    @property
    def handshake_s(self) -> float:
        """For the TLS handshake."""

    @property
    def request_s(self) -> float:
        """For one request."""

    @property
    def idle_s(self) -> float:
        """Between two."""

    @property
    def body_octets(self) -> int:
        """Of a request."""

    @property
    def requests_per_minute(self) -> int:
        """Of one peer."""


class Limits(NamedTuple):
    """The bounds of the listener; times are seconds."""

    connections: int = 2000  # whose device is admitted; the longest idle one gives way to a new one
    per_device: int = 16  # of those; an agent needs one
    handshake_s: float = 10.0  # from accept to the word about the certificate
    request_s: float = 10.0  # from a request's first octet to its answer
    idle_s: float = 60.0  # without a request
    body_octets: int = 16_384
    requests_per_minute: int = 120  # of one device

    @property
    def handshakes(self) -> int:
        """Connections under way whose peer is not known yet: they never take the room of those who are."""
        return max(16, self.connections // 4)

    @classmethod
    def of(cls, settings: Bounded) -> Self:
        """As configured."""
        return cls(
            connections=settings.connections,
            handshake_s=settings.handshake_s,
            request_s=settings.request_s,
            idle_s=settings.idle_s,
            body_octets=settings.body_octets,
            requests_per_minute=settings.requests_per_minute,
        )
