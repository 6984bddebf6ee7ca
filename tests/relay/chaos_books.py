"""What is seen of a relay from outside while everything goes wrong, and what must hold of it in the end.

The books are kept by those around the relay: the handsets note what they paid, the links what they were
given and what they took, and whoever watches the sealing each packet. What is impossible is an
AssertionError the moment it happens; what may only be said in the end is said by `complaints`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.relay.rig import MSISDN
from tsm_gateway.outbound.packet import seal_for_provider
from tsm_gateway.relay.lanes import serves
from tsm_gateway.relay.states import MessageState as S
from tsm_gateway.virtual.errors import VirtualError
from tsm_gateway.virtual.part import EIGHT_BIT, Part
from tsm_gateway.virtual.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.relay.rig import Rig
    from tsm_gateway.envelope.tsm1 import TrafficKey
    from tsm_gateway.messages import Submission
    from tsm_gateway.store.queue_store import MessageEntry, QueueStore
    from tsm_gateway.virtual.party_records import ProviderRecord
    from tsm_gateway.virtual.provider import OpenedPayment

AT_REST = {S.HANDED_OVER, S.DELIVERED, S.DROPPED}
TOLD = 5  # of one kind of complaint, so many are spelled out


@dataclass
class Books:
    """Everything noted so far."""

    paid: dict[tuple[bytes, int], bytes] = field(default_factory=dict)  # device's (kid, PIV) -> cti
    sealed: dict[tuple[bytes, int], bytes] = field(default_factory=dict)  # provider's (kid, PIV) -> packet
    under_way: set[bytes] = field(default_factory=set)  # ids of the messages that links hold
    parts: dict[bytes, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))  # as given
    taken: dict[bytes, set[int]] = field(default_factory=lambda: defaultdict(set))  # answered 0
    repeated: int = 0  # parts given once more, byte-identical

    def seal(
        self, certificate: bytes, received_at: int, message_id: bytes, key: TrafficKey, piv: int
    ) -> bytes:
        """Stand in for `seal_for_provider`: no PIV may ever seal two packets, sent or not."""
        packet = seal_for_provider(certificate, received_at, message_id, key, piv)
        assert self.sealed.setdefault((key.kid, piv), packet) == packet, f"PIV {piv} sealed two packets"
        return packet

    def given(self, submission: Submission) -> None:
        """A link got a part: it is the message's only one under way, and the octets never change."""
        message_id, number = submission.part
        assert message_id not in self.under_way, "one message under way twice"
        self.under_way.add(message_id)
        known = self.parts[message_id]
        self.repeated += number in known
        same = known.setdefault(number, submission.user_data) == submission.user_data
        assert same, f"part {number} came again with other octets"

    def answered(self, submission: Submission, *, taken: bool) -> None:
        """A link is done with a part."""
        message_id, number = submission.part
        self.under_way.remove(message_id)
        if taken:
            self.taken[message_id].add(number)


def inspect_lanes(rig: Rig, books: Books) -> None:
    """Between two steps of anybody: no message is in memory twice, each can go on, and memory is bounded."""
    dispatcher = rig.parts.dispatcher
    lanes, live = dispatcher._lanes, dispatcher._live
    waiting = [item for lane in lanes._lanes.values() for item in lane]
    again = [item for queue in lanes._again.values() for item in queue]
    under_way = lanes.under_way.values()
    for items in ([*waiting, *under_way], again):
        ids = {item.outgoing.message_id for item in items}
        assert len(ids) == len(items), "one message twice in the lanes"
    held = lanes.under_way.keys() - {item.outgoing.message_id for item in again}
    assert held == books.under_way, "the relay and its links do not agree on what is under way"
    assert live.issuperset(item.link for item in under_way), "a message goes on over a link that went away"
    reached = all(any(serves(item.provider, link) for link in live) for item in waiting)
    assert reached, "a message waits in a lane that no link serves"
    for name in lanes._lanes:  # a claim and an acceptance may meet, neither of which saw the other
        assert lanes.space(name) >= -dispatcher._claim_size, f"the lane of {name} is over its limit"


def complaints(
    books: Books, rig: Rig, queue: QueueStore, providers: Mapping[str, ProviderRecord]
) -> list[str]:
    """What does not hold now that all went well for a while; empty when everything does."""
    rows = queue.entries(limit=2 * len(books.paid))
    found: dict[str, list[str]] = defaultdict(list)
    for what, whose in (
        *_left_over(rig),
        *_rows(books, rows),
        *_parts(queue, rows),
        *_arrivals(books, rows, providers),
    ):
        found[what].append(whose)
    return [f"{len(whose)} x {what}: {', '.join(whose[:TOLD])}" for what, whose in found.items()]


def _left_over(rig: Rig) -> Iterator[tuple[str, str]]:
    dispatcher, intake = rig.parts.dispatcher, rig.parts.intake
    kept = {
        "waiting in lanes": dispatcher.waiting,
        "under way": dispatcher.under_way,
        "to go on": sum(map(len, dispatcher._lanes._again.values())),
        "not written down": bool(dispatcher._rows),
        "not told": len(dispatcher._told),
        "promised": sum(dispatcher._promised.values()),
        "unanswered": intake.unanswered,
        "parts without the rest": intake.waiting_parts,
    }
    return ((f"left over, {what}", str(count)) for what, count in kept.items() if count)


def _rows(books: Books, rows: Sequence[MessageEntry]) -> Iterator[tuple[str, str]]:
    """Every payment has one row, which rests, and every row a payment."""
    counted = Counter((row.kid, row.piv) for row in rows)
    for kid, piv in books.paid.keys() | counted.keys():
        count = counted[kid, piv]
        if count != 1 or (kid, piv) not in books.paid:
            yield f"a payment with {count} rows", f"{kid.hex()} {piv}"
    for (kid, piv), count in Counter((row.provider_kid, row.provider_piv) for row in rows).items():
        if count > 1:
            yield "rows that share a provider's PIV", f"{kid.hex()} {piv}"
    for row in rows:
        if row.state not in AT_REST:
            yield f"still {row.state.value}", row.message_id.hex()


def _parts(queue: QueueStore, rows: Sequence[MessageEntry]) -> Iterator[tuple[str, str]]:
    """A message that asks for receipts has each of its parts on record, and no other."""
    for row in rows:
        if row.state in {S.HANDED_OVER, S.DELIVERED} and row.receipt:
            shown = queue.show(row.message_id)
            parts = shown[1] if shown is not None else []
            if not parts or [part.number for part in parts] != list(range(1, parts[0].total + 1)):
                yield "other parts on record than were sent", row.message_id.hex()


def _arrivals(
    books: Books, rows: Sequence[MessageEntry], providers: Mapping[str, ProviderRecord]
) -> Iterator[tuple[str, str]]:
    """Whatever an operator did not drop was taken whole and opens, at its own provider, as what was paid."""
    stored = {row.message_id for row in rows}
    for message_id in books.parts.keys() - stored:
        yield "sent without a row", message_id.hex()
    for row in rows:
        if row.state is not S.DROPPED:
            opened = _open(books, row.message_id, Provider(providers[row.provider]))
            cti = opened.payment.cti if opened is not None else None
            if cti is None or cti != books.paid.get((row.kid, row.piv)):
                yield f"{row.state.value}, but its provider cannot open it", row.message_id.hex()


def _open(books: Books, message_id: bytes, provider: Provider) -> OpenedPayment | None:
    """Hand the provider the parts that a link took, in order."""
    opened = None
    for number in sorted(books.taken[message_id]):
        octets = books.parts[message_id][number]
        cut = octets[0] + 1
        try:
            opened = provider.receive(Part("", MSISDN, EIGHT_BIT, 0, octets[:cut], octets[cut:]))
        except VirtualError:
            return None
    return opened
