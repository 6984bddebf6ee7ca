"""What became of a batch of arrivals: for the log, the counters and the lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tsm_gateway.messages import Ticket
    from tsm_gateway.registry.control import ControlArrival
    from tsm_gateway.registry.provider import Provider
    from tsm_gateway.relay.interfaces import Acceptance
    from tsm_gateway.relay.reasons import Reason


class Accepted(NamedTuple):
    """A payment that is ours once the batch is durable."""

    row: Acceptance
    provider: Provider
    source: str
    parts: int  # parts it came in
    first_seen_at: int  # Unix seconds: when its first part came


class Confirmed(NamedTuple):
    """A control message, the confirmation of a key, that is ours once the batch is durable."""

    arrival: ControlArrival
    bearer: str
    source: str
    parts: int  # parts it came in


class Refused(NamedTuple):
    """A message that was consumed in silence."""

    reason: Reason
    bearer: str
    source: str
    kid: bytes  # b"" when the packet did not parse
    piv: int  # -1 when the packet did not parse
    device_id: str  # "" unless the packet was authentic
    provider: str  # "" unless the address resolved


class Overloaded(NamedTuple):
    """A part there was no room for: the radio is asked to keep it."""

    ticket: Ticket
    source: str
