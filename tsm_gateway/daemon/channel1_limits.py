"""What one peer, and all of them together, may take of channel 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from tsm_gateway.daemon.settings_provisioning import ProvisioningSettings


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
    def of(cls, settings: ProvisioningSettings) -> Self:
        """As configured."""
        return cls(
            connections=settings.connections,
            handshake_s=settings.handshake_s,
            request_s=settings.request_s,
            idle_s=settings.idle_s,
            body_octets=settings.body_octets,
            requests_per_minute=settings.requests_per_minute,
        )
