"""The packet for a provider: sealed once, stored, and sent again as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.envelope.tsm1 import provider_payload, seal_packet

if TYPE_CHECKING:
    from tsm_gateway.envelope.tsm1 import TrafficKey


def seal_for_provider(
    certificate: bytes, received_at: int, message_id: bytes, traffic: TrafficKey, piv: int
) -> bytes:
    """Seal a device's certificate, octet for octet, for the provider that `traffic` belongs to.

    `received_at` is Unix seconds, `message_id` 16 octets, `piv` the provider key's next counter.
    Raises PivExhausted, or ValueError when a length or range is not met.
    """
    return seal_packet(provider_payload(certificate, received_at, message_id), traffic, piv)
