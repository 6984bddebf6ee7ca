"""What a message centre and a provider saw, and what may be said of it: an independent reading of both.

Nothing of the gateway is asked: neither its store nor its log. A payment counts as acknowledged when
every one of its parts was answered 0; what reached the provider is opened with the provider's key, and
the device's signature in it is verified.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.amount import write_amount
from tsm_gateway.virtual.errors import VirtualError
from tsm_gateway.virtual.packet import read_packet
from tsm_gateway.virtual.provider import OpenedPayment, Provider

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.party_records import ProviderRecord
    from tsm_gateway.virtual.smsc_options import SmscEvent

TOLD = 10  # problems of one kind that are spelled out


class Payment(NamedTuple):
    """A payment as its handset made it."""

    cti: bytes
    device_id: str
    amount: str
    parts: tuple[Part, ...]


class Answer(NamedTuple):
    """A last or a temporary word of the gateway about one part."""

    part: Part
    status: int


@dataclass
class Books:
    """The log of the message centre and that of the provider's number, as they were written."""

    paid: dict[bytes, Payment] = field(default_factory=dict)  # by cti
    answers: list[Answer] = field(default_factory=list)
    received: list[Part] = field(default_factory=list)  # by the provider's number, in order
    replays: int = 0  # payments sent once more after they were acknowledged
    _taken: set[Part] = field(default_factory=set)

    def note(self, event: SmscEvent) -> None:
        """For the message centre's observer."""
        if event.part is not None and event.name in {"delivered", "deferred", "given_up"}:
            self.answers.append(Answer(event.part, event.status))
            if event.status == 0:
                self._taken.add(event.part)

    def acknowledged(self, payment: Payment) -> bool:
        """Whether every part was answered 0 at least once."""
        return self._taken.issuperset(payment.parts)


class Verdict(NamedTuple):
    """What became of the payments, and what is wrong."""

    paid: int
    acknowledged: int
    delivered: int  # different payments the provider has
    repeated: int  # byte-identical repetitions it got besides
    replays: int
    problems: list[str]

    def __str__(self) -> str:
        """One line, and one for each problem."""
        line = (
            f"{self.paid} paid, {self.acknowledged} acknowledged, {self.delivered} delivered,"
            f" {self.repeated} repeated byte-identical, {self.replays} replays offered"
        )
        return "\n".join([line, *self.problems])


class Reader(Provider):
    """A provider that remembers the octets of each packet it opened."""

    def __init__(self, record: ProviderRecord) -> None:
        super().__init__(record)
        self.packets: dict[tuple[bytes, int], set[bytes]] = {}
        self.opened: list[OpenedPayment] = []

    def open_packet(self, octets: bytes, port: int) -> OpenedPayment:
        opened = super().open_packet(octets, port)
        packet = read_packet(octets)
        self.packets.setdefault((packet.kid, packet.piv), set()).add(octets)
        self.opened.append(opened)
        return opened


class Judge:
    """Reads the logs as they grow."""

    def __init__(self, books: Books, record: ProviderRecord) -> None:
        """`record`: the provider's, with its key and the certificates of its devices."""
        self._books, self._reader = books, Reader(record)
        self._unreadable: list[str] = []
        self._read = 0  # parts of the provider's log

    def missing(self) -> set[bytes]:
        """The ctis of payments that were acknowledged and have not reached their provider."""
        self._catch_up()
        return self._acknowledged() - {opened.payment.cti for opened in self._reader.opened}

    def verdict(self) -> Verdict:
        """What may be said now."""
        missing = self.missing()
        books, reader = self._books, self._reader
        delivered = {opened.payment.cti for opened in reader.opened}
        problems = [
            *_all_of("lost", (cti.hex() for cti in missing)),
            *_all_of("never paid", (cti.hex() for cti in delivered - books.paid.keys())),
            *_all_of("unreadable for its provider", self._unreadable),
            *_all_of("never whole at its provider", map(str, reader.gaps())),
            *_all_of("altered", _altered(books, reader)),
            *_all_of("shown twice as new", _twice_as_new(reader)),
            *_all_of("one packet number, different octets", _reused(reader)),
        ]
        repeated = len(reader.opened) - sum(map(len, reader.packets.values()))
        return Verdict(
            len(books.paid), len(self._acknowledged()), len(delivered), repeated, books.replays, problems
        )

    def _acknowledged(self) -> set[bytes]:
        return {cti for cti, payment in self._books.paid.items() if self._books.acknowledged(payment)}

    def _catch_up(self) -> None:
        parts = self._books.received[self._read :]
        self._read += len(parts)
        for part in parts:
            try:
                self._reader.receive(part)
            except VirtualError as error:
                self._unreadable.append(str(error))


def _all_of(what: str, found: Iterable[str]) -> list[str]:
    every = list(found)
    more = [f"… and {len(every) - TOLD} more {what}"] if len(every) > TOLD else []
    return [f"{what}: {each}" for each in every[:TOLD]] + more


def _altered(books: Books, reader: Reader) -> Iterable[str]:
    for opened in reader.opened:
        payment = books.paid.get(opened.payment.cti)
        paid = write_amount(opened.payment.amount, opened.payment.currency)[0]
        if payment and (payment.device_id, payment.amount) != (opened.payment.device_id, paid):
            yield f"{payment} became {opened.payment.device_id} {paid}"


def _twice_as_new(reader: Reader) -> Iterable[str]:
    """One payment under two message ids or two packet numbers."""
    shown: dict[bytes, set[tuple[bytes, int]]] = {}
    for opened in reader.opened:
        shown.setdefault(opened.payment.cti, set()).add((opened.message_id, opened.piv))
    return (f"{cti.hex()} as {sorted(names)}" for cti, names in shown.items() if len(names) > 1)


def _reused(reader: Reader) -> Iterable[str]:
    return (f"{kid.hex()} {piv}" for (kid, piv), octets in reader.packets.items() if len(octets) > 1)
