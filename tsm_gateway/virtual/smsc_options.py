"""What the virtual SMSC is told, and what it tells: accounts, options, events, statistics."""

from __future__ import annotations

import hmac
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.smpp_octets import Status

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.smsc_receipt import ReceiptStyle

TEMPORARY = frozenset({Status.RMSGQFUL, Status.RTHROTTLED, Status.RX_T_APPN, Status.RSYSERR})


@dataclass(frozen=True, slots=True)
class Account:
    """One ESME's account, for any number of binds."""

    password: str = field(repr=False)
    numbers: tuple[str, ...] = ()  # destinations whose parts go to this account and to no other

    def opens_with(self, password: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.password.encode("latin-1"), password)


@dataclass(frozen=True, slots=True)
class SmscOptions:
    """How the SMSC behaves when nothing goes wrong."""

    window: int = 50  # deliver_sm unanswered on one bind
    response_s: float = 10.0  # without an answer for so long it delivers again
    redeliver_s: float = 0.2  # pause ahead of another try after a temporary status
    attempts: int = 0  # tries of one part; 0 = for ever
    capacity: int = 200_000  # parts kept for ESMEs
    carriage: str = "udh"  # how parts are packed: smsc_carriage.CARRIAGES
    receipts: ReceiptStyle | None = None  # None: receipts are asked for in vain
    strict_routing: bool = False  # a submit_sm to a number nobody subscribed to: RINVDSTADR
    tls: ssl.SSLContext | None = None
    clock: Callable[[], float] = time.time  # Unix seconds, for the dates in receipts
    seed: int = 0  # for random sequence numbers


class SmscEvent(NamedTuple):
    """One thing that happened, for whoever watches."""

    name: str  # bound, unbound, submitted, refused, delivering, delivered, deferred, given_up
    account: str
    part: Part | None = None
    status: int = 0


@dataclass(slots=True)
class Statistics:
    """What happened so far."""

    binds: int = 0
    refused_binds: int = 0
    submits: int = 0  # submit_sm read, whatever became of them
    taken: int = 0  # of these, handed to a subscriber
    refusals: Counter[int] = field(default_factory=Counter)  # submit_sm by the status they got
    deliveries: int = 0  # deliver_sm sent, every try counted
    delivered: int = 0  # answered for good with 0
    deferrals: Counter[int] = field(default_factory=Counter)  # temporary answers by status
    given_up: Counter[int] = field(default_factory=Counter)  # last answers that were no 0
    timeouts: int = 0  # deliver_sm never answered
    lost: int = 0  # deliver_sm unanswered when their link broke
    receipts: int = 0
    strays: int = 0  # responses nobody waited for
    malformed: int = 0
