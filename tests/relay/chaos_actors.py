"""Those around a relay in chaos: each keeps the promises the relay may count on, and no others."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.relay.rig import ADDRESS
from tsm_gateway.messages import Fate, Receipt, ReceiptState, Submitted, Ticket, Verdict
from tsm_gateway.relay.interfaces import StoreBusy, StoreFull, Transition
from tsm_gateway.relay.states import MessageState as S
from tsm_gateway.relay.states import Move

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from tests.relay.chaos_books import Books
    from tests.relay.rig import Rig
    from tsm_gateway.messages import Submission
    from tsm_gateway.registry.provider import Provider
    from tsm_gateway.store.queue_store import MessageEntry
    from tsm_gateway.store.sqlite_store import SqliteStore
    from tsm_gateway.virtual.part import Part

MOST_PAID = 1500
ROUTES: tuple[tuple[str, ...], ...] = ((), ("a",), ("b",), ("c",), ("a", "c"))
FATES = {
    Fate.ACCEPTED: 60,
    Fate.BUSY: 5,
    Fate.TEMPORARY: 5,
    Fate.UNKNOWN: 5,
    Fate.PERMANENT: 3,
    Fate.NOT_SENT: 5,
}
LATE_FATES = (Fate.ACCEPTED, Fate.BUSY, Fate.UNKNOWN)  # of parts answered while their link goes away


class Handsets:
    """Those who pay, and the network that keeps their messages until they are taken."""

    def __init__(self, rig: Rig, books: Books, chance: random.Random) -> None:
        self._rig, self._books, self._chance = rig, books, chance
        self._by_sequence: dict[int, Part] = {}
        self._heard = 0  # answers read so far
        self._payments: list[list[Part]] = []
        self._taken: set[Part] = set()

    def pay(self) -> None:
        parts = [part for _ in range(self._chance.randint(0, 4)) for part in self._payment()]
        if parts:
            self._offer(parts)

    def _payment(self) -> list[Part]:
        if len(self._books.paid) >= MOST_PAID:
            return []
        handset = self._chance.choice(self._rig.handsets)
        address = self._chance.choice(("sp:shop", "sp:cafe", ADDRESS))
        cti, piv = self._chance.randbytes(8), handset.next_piv
        self._books.paid[handset.record.kid, piv] = cti
        parts = handset.pay(address, "12.99", "EUR", at=int(self._rig.now), cti=cti)
        self._payments.append(parts)
        return parts

    def insist(self) -> bool:
        """Send again whatever was not taken; whether there was anything to hear."""
        answers = self._rig.bearer.answers[self._heard :]
        self._heard += len(answers)
        again = []
        for sequence, verdict in answers:
            assert sequence in self._by_sequence, "one short message answered twice"
            part = self._by_sequence.pop(sequence)
            if verdict is Verdict.TAKEN:
                self._taken.add(part)
            else:
                again.append(part)
        if again:
            self._offer(again)
        return bool(answers)

    def replay(self) -> None:
        """Send a payment that was taken once more."""
        if self._payments:
            parts = self._chance.choice(self._payments)
            if self._taken.issuperset(parts):
                self._offer(parts)

    def _offer(self, parts: Sequence[Part]) -> None:
        segments = []
        for part in self._chance.sample(parts, len(parts)):
            segment = self._rig.segment(part)
            self._by_sequence[segment.ticket.sequence] = part
            segments.append(segment)
        self._rig.parts.intake.offer(segments)


class Link:
    """A bearer that keeps its promises to the relay, and no others."""

    def __init__(self, name: str, rig: Rig, books: Books, chance: random.Random) -> None:
        self.name, self._chance, self._books = name, chance, books
        self._dispatcher, self._intake = rig.parts.dispatcher, rig.parts.intake
        self._up, self._starved = False, True
        self._waiting: list[Submission] = []
        self._owed: list[tuple[str, ...]] = []  # ids whose receipts are still to come
        self._receipts: dict[int, Receipt] = {}  # given, by sequence
        self._ids = self._sequence = 0
        self.window, self.calm = 8, False

    def answer(self, answers: Iterable[tuple[Ticket, Verdict]]) -> None:
        """A receipt that was not taken comes again."""
        for ticket, verdict in answers:
            assert ticket.sequence in self._receipts, "one receipt answered twice"
            receipt = self._receipts.pop(ticket.sequence)
            if verdict is not Verdict.TAKEN:
                self._owed.append(receipt.message_ids)

    def room(self) -> int:
        room = self.window - len(self._waiting) if self._up else 0
        self._starved |= room == 0
        return room

    def submit(self, parts: Sequence[Submission]) -> None:
        assert len(parts) <= self.room(), f"{len(parts)} parts for a link with room for {self.room()}"
        for part in parts:
            self._books.given(part)
        self._waiting.extend(parts)

    def step(self) -> None:
        """Answer some, ask for more after there was no room, give some receipts."""
        if not self._up:
            return
        some = len(self._waiting) if self.calm else self._chance.randint(0, len(self._waiting))
        taken, self._waiting = self._waiting[:some], self._waiting[some:]
        if taken:
            self._dispatcher.submitted(self.name, [self._result(part, self._fate()) for part in taken])
        if self._starved and self.room():
            self._starved = False
            self._dispatcher.pump(self.name)
        if not self.calm:
            self._give_receipts()

    def flap(self) -> None:
        if self._up:
            self._lose()
        else:
            self.bind()

    def bind(self) -> None:
        if not self._up:
            self._up = True
            self._dispatcher.link_up(self.name)

    def _lose(self) -> None:
        """Go away; the last answers come before or after the relay hears of it."""
        self._up = False
        waiting, self._waiting = self._waiting, []
        answered = self._chance.randint(0, len(waiting))
        fates = self._chance.choices(LATE_FATES, k=answered) + [Fate.UNKNOWN] * (len(waiting) - answered)
        results = [self._result(part, fate) for part, fate in zip(waiting, fates, strict=True)]
        late = self._chance.random() < 0.7
        if late:
            self._dispatcher.link_down(self.name)
        if results:
            self._dispatcher.submitted(self.name, results)
        if not late:
            self._dispatcher.link_down(self.name)

    def _fate(self) -> Fate:
        if self.calm:
            return Fate.ACCEPTED
        return self._chance.choices(list(FATES), list(FATES.values()))[0]

    def _result(self, part: Submission, fate: Fate) -> Submitted:
        taken = fate is Fate.ACCEPTED
        self._books.answered(part, taken=taken)
        self._ids += 1
        ids = (f"{self.name}-{self._ids}",) if taken else ()
        if ids and part.receipt:
            self._owed.append(ids)
        return Submitted(part.part, fate, 0, ids)

    def _give_receipts(self) -> None:
        """Some of those owed, even before the part's own answer was written down."""
        self._chance.shuffle(self._owed)
        some = self._chance.randint(0, len(self._owed))
        given, self._owed = self._owed[:some], self._owed[some:]
        for ids in given:
            self._sequence += 1
            state = self._chance.choices((ReceiptState.DELIVERED, ReceiptState.FAILED), (4, 1))[0]
            receipt = Receipt(Ticket(self.name, 1, self._sequence, 5), ids, state, "")
            self._receipts[self._sequence] = receipt
            self._intake.offer([receipt])


class Disk:
    """The fsync of the store."""

    def __init__(self, store: SqliteStore, chance: random.Random) -> None:
        self._store, self._chance, self._flush = store, chance, store.flush
        self.calm = False

    def flush(self) -> None:
        """Stand in for `SqliteStore.flush`; its trouble rolls back as there."""
        if not self.calm:
            if self._chance.random() < 0.15:
                with self._store._writer.exclusive():
                    raise self._chance.choice((StoreFull, StoreFull, StoreBusy))
            if self._chance.random() < 0.1:
                time.sleep(self._chance.random() * 0.05)
        self._flush()


class Operator:
    """Somebody at the command line: a process beside, as far as the store can tell."""

    def __init__(self, rig: Rig, store: SqliteStore, chance: random.Random) -> None:
        self._rig, self._store, self._chance = rig, store, chance
        self.calm = False

    async def run(self) -> None:
        while not self.calm:
            await asyncio.sleep(self._chance.random() * 0.03)
            with suppress(StoreBusy):
                await asyncio.to_thread(self._meddle)
                self._tell()

    def _meddle(self) -> None:
        rows = self._store.queue.entries(limit=400)
        for row in self._chance.sample(rows, min(5, len(rows))):
            move = self._chance.choices((Move.HOLD, Move.RELEASE, Move.RETRY, Move.DROP), (33, 33, 33, 1))[0]
            self._move([row], move)
        if self._chance.random() < 0.2:
            provider = self._chance.choice(self._store.registry.providers())
            self._route(self._chance.choice(ROUTES), provider)

    def set_right(self) -> None:
        """Every provider may be reached again."""
        for provider in self._store.registry.providers():
            self._route((), provider)
        self._tell()

    def encourage(self) -> None:
        """Let everything that is held or failed go on."""
        self._move(self._store.queue.entries(state=S.HELD, limit=MOST_PAID), Move.RELEASE)
        self._move(self._store.queue.entries(state=S.FAILED, limit=MOST_PAID), Move.RETRY)

    def _move(self, rows: Sequence[MessageEntry], move: Move) -> None:
        if rows:
            at = int(self._rig.now)
            self._store.queue.apply([Transition(row.message_id, move, at, "operator") for row in rows])

    def _route(self, routes: tuple[str, ...], provider: Provider) -> None:
        self._store.registry.change_provider(provider._replace(routes=routes), at=int(self._rig.now))

    def _tell(self) -> None:
        """What the daemon does when it sees the store's versions move."""
        self._rig.parts.directory.forget()
        self._rig.parts.dispatcher.refresh()
