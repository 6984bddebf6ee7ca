"""What stands behind a joiner in a test: it knows the genuine messages and tries every combination."""

from __future__ import annotations

from hashlib import shake_128
from itertools import pairwise
from typing import TYPE_CHECKING

from tsm_gateway.messages import Segment, Ticket
from tsm_gateway.radio.sms.join import Held, Joiner, JoinLimits, Offered, OfferKind

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = 1_750_000_000  # Unix seconds


def part(  # noqa: PLR0913 every field has its usual value
    body: bytes,
    number: int,
    *,
    total: int = 2,
    reference: int = 7,
    source: str = "+491701234567",
    destination: str = "+4930123",
    port: int = 16500,
    bearer: str = "carrier-a",
) -> Segment:
    return Segment(
        Ticket(bearer, 1, number, 5), source, destination, 0, 4, port, reference, total, number, body
    )


def packet(name: str, octets: int = 222) -> bytes:
    """A message that looks like ciphertext: no octets of it come again in another."""
    return shake_128(name.encode()).digest(octets)


def parts_of(
    message: bytes, *, total: int = 2, reference: int = 7, source: str = "+491701234567"
) -> list[Segment]:
    """A message cut into `total` nearly equal parts."""
    cuts = [len(message) * number // total for number in range(total + 1)]
    bodies = [message[start:stop] for start, stop in pairwise(cuts)]
    return [
        part(body, number, total=total, reference=reference, source=source)
        for number, body in enumerate(bodies, start=1)
    ]


class Driver:
    """Offers parts, tries combinations, and keeps a list of the genuine messages that came out."""

    def __init__(self, genuine: Iterable[bytes], limits: JoinLimits | None = None) -> None:
        self.joiner = Joiner(limits)
        self.genuine = set(genuine)
        self.came_out: list[bytes] = []
        self.evicted: list[Held] = []
        self.row = 0

    def offer(self, segment: Segment, now: int = NOW) -> Offered:
        self.row += 1
        offered = self.joiner.offer(self.row, segment, now)
        self.evicted += offered.evicted
        if offered.kind is OfferKind.READY:
            self.try_all(offered)
        return offered

    def try_all(self, offered: Offered) -> None:
        tried: set[Held] = set()
        for parts in offered.combinations:
            message = b"".join(held.segment.body for held in parts)
            if message in self.genuine:
                self.joiner.consume(parts)
                self.came_out.append(message)
                return
            tried.update(parts)
        self.joiner.suspect(tried)
