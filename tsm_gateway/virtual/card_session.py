"""What a virtual card holds while it has power, and what the handlers of its commands work on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tsm_gateway.virtual.card_apdu import Refusal, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.virtual.card_apdu import Command
    from tsm_gateway.virtual.card_load_file import Loading
    from tsm_gateway.virtual.card_scp03 import Handshake, SecureChannel
    from tsm_gateway.virtual.card_state import CardState


@dataclass(slots=True)
class Collected:
    """STORE DATA blocks of one object, until the last one comes."""

    blocks: int = 0
    octets: bytes = b""


@dataclass(slots=True)
class Volatile:
    """Everything a power cut ends."""

    selected: bytes  # AID of what answers: the security domain's or an application's
    handshake: Handshake | None = None
    challenge_octets: int = 0  # of the handshake
    channel: SecureChannel | None = None
    loading: Loading | None = None
    personalised: bytes = b""  # AID of the application that STORE DATA goes to; none: the security domain
    collected: Collected = field(default_factory=Collected)
    listing: tuple[bytes, ...] = ()  # rows that GET STATUS [next] gives
    chained: Command | None = None  # the first parts of a chained command

    def end_session(self) -> None:
        """Forget whatever hung on the secure channel."""
        self.handshake = self.channel = self.loading = None
        self.personalised, self.collected, self.listing = b"", Collected(), ()


@dataclass(slots=True)
class Running:
    """One command while it runs: the state it will leave, if it does not fail."""

    state: CardState
    volatile: Volatile
    chance: Callable[[int], bytes]  # so many random octets
    pause: Callable[[float], object]  # wait so many seconds

    @property
    def channel(self) -> SecureChannel:
        """The session of the command. Raises Refusal (6982) when there is none."""
        if self.volatile.channel is None:
            raise Refusal(Status.NOT_SECURE, "no session")
        return self.volatile.channel
