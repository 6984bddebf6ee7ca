"""Service providers: records, states, policy and the table of moves (design §7)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.registry.device import WrappedKey


class ProviderState(Enum):
    """Where a provider stands; payments reach only an ACTIVE one."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class ProviderMove(Enum):
    """What an operator does to a provider."""

    SUSPEND = "suspend"
    RESUME = "resume"
    RETIRE = "retire"


P = ProviderState
PROVIDER_MOVES: Mapping[ProviderMove, tuple[frozenset[ProviderState], ProviderState]] = {
    ProviderMove.SUSPEND: (frozenset({P.ACTIVE}), P.SUSPENDED),
    ProviderMove.RESUME: (frozenset({P.SUSPENDED}), P.ACTIVE),
    ProviderMove.RETIRE: (frozenset({P.ACTIVE, P.SUSPENDED}), P.RETIRED),
}


class Verify(Enum):
    """Who checks the payment certificate's signature."""

    GATEWAY = "gateway"
    PROVIDER = "provider"


class Provider(NamedTuple):
    """One service provider as registered."""

    name: str  # 1..32 of a-z 0-9 . - _ ; the owner-id of its keys
    state: ProviderState
    addresses: tuple[str, ...]  # normalised: "+E.164", a short code, or "sp:name"
    msisdn: str  # where its packets are sent: E.164 with "+", or a short code
    routes: tuple[str, ...]  # names of links in order of preference; () = any
    verify: Verify
    amount_limit: int  # minor units above which a payment is refused; 0 = none
    biometric_above: int  # minor units above which amr must be biometric; 0 = never demanded
    receipt: bool  # ask for delivery receipts
    validity_s: int  # how long the network tries; 0 = its default
    created_at: int  # Unix seconds
    changed_at: int
    reason: str


class ProviderEntry(NamedTuple):
    """What the relay needs of a provider to seal one message."""

    provider: Provider
    key: WrappedKey  # the current one
    next_piv: int
