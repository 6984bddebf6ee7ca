"""What every spool and registry has to do, whatever database is behind it.

A database's own test module imports these tests and brings a fixture `store`: an open, empty store with
`registry` and `queue`, one provider "bank" and the devices 1 to 3 in it (samples.populate).
"""

from __future__ import annotations

import pytest

from tests.store.samples import (
    FIRST_WINDOW,
    NOW,
    PROVIDER_KID,
    acceptance,
    device_id,
    kid,
    message_id,
    payments,
    provider,
    provider_key,
    receipt,
    segment,
    submitted,
    window_at,
)
from tsm_gateway.messages import ReceiptState
from tsm_gateway.relay.interfaces import (
    Batch,
    PivMove,
    StoreConflict,
    Transition,
    WindowMove,
)
from tsm_gateway.relay.states import MOVES, MessageState, Move
from tsm_gateway.store.queue_store import MessageEntry
from tsm_gateway.store.sqlite_store import SqliteStore

Store = SqliteStore  # the second database's class joins here


def put(store: Store, batch: Batch) -> None:
    store.stage(batch)
    store.flush()


def move(store: Store, number: int, what: Move, at: int = NOW, **more: object) -> bool:
    """One move, alone; whether it was allowed."""
    staged = store.stage(Batch(transitions=[Transition(message_id(number), what, at, **more)]))  # type: ignore[arg-type]
    store.flush()
    return not staged.ignored


def entry(store: Store, number: int) -> MessageEntry:
    shown = store.queue.show(message_id(number))
    assert shown is not None
    return shown[0]


# --- acceptance ---


def test_an_accepted_payment_is_queued_with_all_its_fields(store: Store) -> None:
    put(store, payments([1], receipt=True))
    assert entry(store, 1) == MessageEntry(
        message_id=message_id(1),
        state=MessageState.QUEUED,
        provider="bank",
        device_id=device_id(1),
        kid=kid(1),
        piv=1,
        provider_kid=PROVIDER_KID,
        provider_piv=1,
        bearer="carrier-a",
        receipt=True,
        attempts=0,
        received_at=NOW,
        changed_at=NOW,
        due_at=0,
        reason="",
    )


def test_nothing_is_seen_before_the_flush(store: Store) -> None:
    store.stage(payments([1]))
    assert store.queue.show(message_id(1)) is None
    assert store.registry.window_of(kid(1)) == FIRST_WINDOW
    store.flush()
    assert store.queue.show(message_id(1)) is not None
    assert store.registry.window_of(kid(1)) == window_at(1)


def test_a_flush_without_a_batch_does_nothing(store: Store) -> None:
    before = store.generation
    store.flush()
    assert store.generation == before


def test_many_batches_share_one_flush(store: Store) -> None:
    before = store.generation
    store.stage(payments([1, 2]))
    store.stage(payments([3]))
    store.flush()
    assert store.generation == before + 1
    assert store.queue.counts() == {MessageState.QUEUED: 3}


def test_acceptance_moves_window_and_counter(store: Store) -> None:
    put(store, payments([1, 2, 3]))
    found, bank = store.registry.device_for(kid(1)), store.registry.provider_named("bank")
    assert found is not None
    assert bank is not None
    assert (found.window, bank.next_piv) == (window_at(3), 4)


@pytest.mark.parametrize("bitmap", [0, 1, 1 << 63, (1 << 63) - 1, (1 << 64) - 1])
def test_a_window_keeps_all_of_its_64_bits(store: Store, bitmap: int) -> None:
    put(store, Batch(windows=[WindowMove(kid(1), FIRST_WINDOW, (1 << 39, bitmap))]))
    assert store.registry.window_of(kid(1)) == (1 << 39, bitmap)
    put(store, Batch(windows=[WindowMove(kid(1), (1 << 39, bitmap), (1 << 40, 1))]))
    assert store.registry.window_of(kid(1)) == (1 << 40, 1)


CONFLICTS = {
    "the same counter": Batch(acceptances=[acceptance(9, piv=1, cti=b"another1")]),
    "the same certificate": Batch(acceptances=[acceptance(9, cti=acceptance(1).cti)]),
    "the same message id": Batch(acceptances=[acceptance(1, piv=9, cti=b"another1")]),
    "a window that moved": Batch(windows=[WindowMove(kid(1), FIRST_WINDOW, window_at(9))]),
    "a window with other bits": Batch(windows=[WindowMove(kid(1), (1, 1), window_at(9))]),
    "no such window": Batch(windows=[WindowMove(kid(99), FIRST_WINDOW, window_at(9))]),
    "a counter that moved": Batch(pivs=[PivMove(PROVIDER_KID, 1, 9)]),
    "a journal row in use": Batch(journal=[segment(1)]),
}


@pytest.mark.parametrize("conflict", CONFLICTS.values(), ids=CONFLICTS)
def test_a_conflict_rolls_the_whole_transaction_back(store: Store, conflict: Batch) -> None:
    put(store, payments([1]))
    put(store, Batch(journal=[segment(1)]))
    store.stage(payments([2]))
    conflict.journal.append(segment(77))
    with pytest.raises(StoreConflict):
        store.stage(conflict)
    store.flush()
    assert store.queue.counts() == {MessageState.QUEUED: 1}
    assert [kept.row for kept in store.unfinished()] == [1]
    conflict.journal.pop()


def test_after_a_conflict_the_next_batch_is_taken(store: Store) -> None:
    put(store, payments([1]))
    with pytest.raises(StoreConflict):
        store.stage(payments([1]))
    put(store, payments([2]))
    assert store.queue.counts() == {MessageState.QUEUED: 2}


def test_certificate_ids_are_taken_from_staging_on(store: Store) -> None:
    one, two = (device_id(1), acceptance(1).cti), (device_id(1), acceptance(2).cti)
    other_device = (device_id(2), acceptance(1).cti)
    assert store.taken_ctis([one, two, other_device]) == set()
    store.stage(payments([1]))
    assert store.taken_ctis([one, two, other_device]) == {one}
    store.flush()
    assert store.taken_ctis([one, two, other_device]) == {one}


def test_certificate_ids_of_a_rolled_back_batch_are_free(store: Store) -> None:
    store.stage(payments([1]))
    with pytest.raises(StoreConflict):
        store.stage(Batch(pivs=[PivMove(PROVIDER_KID, 5, 6)]))
    assert store.taken_ctis([(device_id(1), acceptance(1).cti)]) == set()


def test_many_certificate_ids_are_looked_up_at_once(store: Store) -> None:
    put(store, payments(range(1, 201)))
    asked = [(device_id(1), number.to_bytes(8, "big")) for number in range(101, 301)]
    assert store.taken_ctis(asked) == set(asked[:100])


# --- journal ---


def test_journalled_parts_come_back_in_order_with_a_void_ticket(store: Store) -> None:
    lone = segment(3, port=None, reference=None, total=1)
    put(store, Batch(journal=[segment(2), lone, segment(5)]))
    found = store.unfinished()
    assert [kept.row for kept in found] == [2, 3, 5]
    ticket = found[1].segment.ticket
    assert (ticket.bearer, ticket.session) == ("carrier-a", 0)
    assert found[1].segment._replace(ticket=lone.segment.ticket) == lone.segment
    assert found[1].received_at == NOW


def test_forgotten_parts_are_gone(store: Store) -> None:
    put(store, Batch(journal=[segment(1), segment(2)]))
    put(store, Batch(forget=[1, 99]))
    assert [kept.row for kept in store.unfinished()] == [2]


def test_a_part_may_be_journalled_and_forgotten_in_one_batch(store: Store) -> None:
    put(store, Batch(journal=[segment(1)], forget=[1]))
    assert store.unfinished() == []


# --- moves ---

REACHED: dict[MessageState, list[Move]] = {
    MessageState.QUEUED: [],
    MessageState.ACTIVE: [Move.CLAIM],
    MessageState.DEFERRED: [Move.CLAIM, Move.DEFER],
    MessageState.HELD: [Move.HOLD],
    MessageState.HANDED_OVER: [Move.CLAIM, Move.HAND_OVER],
    MessageState.DELIVERED: [Move.CLAIM, Move.HAND_OVER, Move.DELIVER],
    MessageState.FAILED: [Move.CLAIM, Move.GIVE_UP],
    MessageState.DROPPED: [Move.DROP],
}


@pytest.mark.parametrize("state", MessageState)
def test_only_the_moves_of_the_table_are_made(store: Store, state: MessageState) -> None:
    numbers = {what: number for number, what in enumerate(Move, 1)}
    put(store, payments(list(numbers.values()), receipt=True))
    for what, number in numbers.items():
        steps = [Transition(message_id(number), step, NOW) for step in (*REACHED[state], what)]
        allowed, target = MOVES[what]
        ignored = store.stage(Batch(transitions=steps)).ignored
        assert ignored == ([] if state in allowed else steps[-1:])
        store.flush()
        assert entry(store, number).state is (target if state in allowed else state)


def test_a_move_of_an_unknown_message_is_ignored(store: Store) -> None:
    assert not move(store, 1, Move.CLAIM)


def test_moves_of_one_batch_are_made_in_order(store: Store) -> None:
    put(store, payments([1]))
    steps = [Move.CLAIM, Move.HAND_OVER, Move.HAND_OVER, Move.DEFER]
    staged = store.stage(Batch(transitions=[Transition(message_id(1), step, NOW) for step in steps]))
    # The second hand-over comes too late; the packet is gone by then, so nothing can be deferred.
    assert [ignored.move for ignored in staged.ignored] == [Move.HAND_OVER, Move.DEFER]


def test_attempts_are_counted_when_claimed_and_given_back_when_unsent(store: Store) -> None:
    put(store, payments([1]))
    counts = []
    for step in (Move.CLAIM, Move.DEFER, Move.CLAIM, Move.RETURN, Move.CLAIM, Move.GIVE_UP, Move.RETRY):
        move(store, 1, step)
        counts.append(entry(store, 1).attempts)
    assert counts == [1, 1, 2, 1, 2, 2, 0]


def test_a_message_taken_at_once_is_in_its_first_attempt(store: Store) -> None:
    put(store, payments([1], state=MessageState.ACTIVE))
    found = entry(store, 1)
    assert (found.state, found.attempts, found.due_at) == (MessageState.ACTIVE, 1, None)
    assert store.claim_due(NOW, 10, ["bank"]) == []


def test_a_reason_stands_until_the_next_one(store: Store) -> None:
    put(store, payments([1]))
    move(store, 1, Move.CLAIM)
    move(store, 1, Move.DEFER, reason="throttled", next_attempt_at=NOW + 30)
    assert (entry(store, 1).reason, entry(store, 1).due_at) == ("throttled", NOW + 30)
    move(store, 1, Move.CLAIM)
    assert entry(store, 1).reason == "throttled"
    move(store, 1, Move.HAND_OVER)
    assert entry(store, 1).reason == ""


# --- claims ---


def claimed(
    store: Store, now: int = NOW, limit: int = 10, providers: tuple[str, ...] = ("bank",)
) -> list[int]:
    """The numbers of the messages that a claim gives."""
    found = store.claim_due(now, limit, providers)
    store.flush()
    return [int.from_bytes(outgoing.message_id, "big") for outgoing in found]


def test_a_claim_gives_the_packet_and_marks_it_active(store: Store) -> None:
    put(store, payments([1], receipt=True, reference=7))
    (outgoing,) = store.claim_due(NOW, 10, ["bank"])
    store.flush()
    assert outgoing.packet == acceptance(1).packet
    assert (outgoing.provider, outgoing.reference, outgoing.receipt) == ("bank", 7, True)
    assert (outgoing.attempts, outgoing.received_at) == (1, NOW)
    assert (entry(store, 1).state, entry(store, 1).attempts) == (MessageState.ACTIVE, 1)


def test_the_oldest_are_claimed_first_and_no_more_than_asked_for(store: Store) -> None:
    batch = payments([1, 2, 3, 4])
    batch.acceptances = [
        made._replace(received_at=NOW + age)
        for made, age in zip(batch.acceptances, (3, 1, 4, 2), strict=True)
    ]
    put(store, batch)
    assert claimed(store, limit=3) == [2, 4, 1]
    assert claimed(store) == [3]
    assert claimed(store) == []


def test_deferred_messages_are_claimed_when_due_and_before_younger_ones(store: Store) -> None:
    put(store, payments([1]))
    move(store, 1, Move.CLAIM)
    move(store, 1, Move.DEFER, next_attempt_at=NOW + 30)
    put(store, payments([2], received_at=NOW + 10))
    assert claimed(store, NOW + 29) == [2]
    move(store, 2, Move.RETURN)
    assert claimed(store, NOW + 30) == [1, 2]


def test_only_the_asked_for_providers_are_served(store: Store) -> None:
    shop = provider("shop", addresses=("sp:shop",))
    store.registry.add_provider(shop, provider_key("shop", kid=kid(900)), next_piv=1)
    put(store, payments([1]))
    put(store, payments([2], provider="shop"))
    assert claimed(store, providers=()) == []
    assert claimed(store, providers=("shop",)) == [2]
    assert claimed(store, providers=("bank", "shop", "bank")) == [1]


def test_a_claim_that_is_not_flushed_never_happened(store: Store) -> None:
    put(store, payments([1]))
    assert len(store.claim_due(NOW, 10, ["bank"])) == 1
    with pytest.raises(StoreConflict):
        store.stage(Batch(pivs=[PivMove(PROVIDER_KID, 77, 78)]))
    assert claimed(store) == [1]


def test_what_was_active_is_queued_again_with_the_same_octets(store: Store) -> None:
    put(store, payments([1, 2, 3], state=MessageState.ACTIVE))
    move(store, 2, Move.HAND_OVER)
    assert store.recover(NOW) == 2
    store.flush()
    again = store.claim_due(NOW, 10, ["bank"])
    assert [outgoing.packet for outgoing in again] == [acceptance(1).packet, acceptance(3).packet]
    assert [outgoing.attempts for outgoing in again] == [2, 2]


def test_a_clock_that_went_back_keeps_nothing_waiting(store: Store) -> None:
    put(store, payments([1]))
    move(store, 1, Move.CLAIM, NOW)
    move(store, 1, Move.DEFER, NOW, next_attempt_at=NOW + 30)
    yesterday = NOW - 86_400
    assert claimed(store, yesterday) == []
    store.purge(yesterday, 86_400, 3_600, 100)
    assert claimed(store, yesterday) == [1]


# --- packets ---


@pytest.mark.parametrize(
    ("steps", "asked", "kept"),
    [
        ([Move.CLAIM, Move.HAND_OVER], False, False),
        ([Move.CLAIM, Move.HAND_OVER], True, True),
        ([Move.CLAIM, Move.HAND_OVER, Move.DELIVER], True, False),
        ([Move.CLAIM, Move.GIVE_UP], False, True),
        ([Move.CLAIM, Move.GIVE_UP, Move.DROP], False, False),
        ([Move.DROP], False, False),
        ([Move.HOLD], False, True),
        ([Move.CLAIM, Move.HAND_OVER, Move.DEFER], True, True),
    ],
)
def test_a_packet_is_kept_as_long_as_it_may_be_sent_again(
    store: Store, steps: list[Move], asked: bool, kept: bool
) -> None:
    put(store, payments([1], receipt=asked))
    for step in steps:
        assert move(store, 1, step)
    assert has_packet(store, 1) is kept


def has_packet(store: Store, number: int) -> bool:
    return bool(store._hot.row("SELECT count(*) FROM outbox WHERE message_id = ?", (message_id(number),))[0])


# --- receipts ---


def hand_over(store: Store, number: int, *ids: tuple[str, ...]) -> None:
    """Accept a message that asks for receipts, and hand over a part for each tuple of ids."""
    put(store, payments([number], receipt=True, state=MessageState.ACTIVE))
    parts = [submitted(number, part, len(ids), *spellings) for part, spellings in enumerate(ids, 1)]
    done = Transition(message_id(number), Move.HAND_OVER, NOW)
    put(store, Batch(submitted=parts, transitions=[done]))


def test_the_last_receipt_delivers_the_message(store: Store) -> None:
    hand_over(store, 1, ("a1",), ("a2",))
    first = store.stage(Batch(receipts=[receipt("a1")])).receipts[0]
    assert (first.message_id, first.provider, first.attempts) == (message_id(1), "bank", 1)
    assert (first.complete, first.failed) == (False, False)
    last = store.stage(Batch(receipts=[receipt("a2")])).receipts[0]
    assert (last.complete, last.failed) == (True, False)
    store.flush()
    assert entry(store, 1).state is MessageState.DELIVERED
    assert not has_packet(store, 1)


def test_both_receipts_in_one_batch_deliver_once(store: Store) -> None:
    hand_over(store, 1, ("a1",), ("a2",))
    outcomes = store.stage(Batch(receipts=[receipt("a1"), receipt("a2"), receipt("a2")])).receipts
    assert [outcome.complete for outcome in outcomes] == [False, True, False]


def test_an_id_meets_the_part_it_was_given_to_and_no_other_reading(store: Store) -> None:
    hand_over(store, 1, ("16", "22"))  # 0x16 = 22
    hand_over(store, 2, ("22", "34"))
    (outcome,) = store.stage(Batch(receipts=[receipt("22", "16")])).receipts
    assert outcome.message_id == message_id(2)


@pytest.mark.parametrize("told", [("zzz", "6699"), ("1A2B", "1a2b"), ("6699",)])
def test_any_other_spelling_of_the_id_matches_a_little_later(store: Store, told: tuple[str, ...]) -> None:
    hand_over(store, 1, ("1a2b", "6699"))
    (outcome,) = store.stage(Batch(receipts=[receipt(*told)])).receipts
    assert outcome.message_id is None
    assert store.settle_aged(NOW + 2) == []
    (outcome,) = store.settle_aged(NOW + 3)
    assert (outcome.message_id, outcome.complete) == (message_id(1), True)
    store.flush()
    assert store.settle_aged(NOW + 4) == []
    assert entry(store, 1).state is MessageState.DELIVERED


def test_receipts_that_belong_to_nobody_do_not_keep_others_from_their_turn(store: Store) -> None:
    hand_over(store, 1, ("zz", "zzz"))
    put(store, Batch(receipts=[receipt(f"{number:05d}") for number in range(1_200)]))
    put(store, Batch(receipts=[receipt("zzz")]))
    told = [outcome for _ in range(3) for outcome in store.settle_aged(NOW + 3)]
    assert [outcome.message_id for outcome in told] == [message_id(1)]
    assert store.settle_aged(NOW + 900) == []


def test_nothing_to_do_is_no_transaction(store: Store) -> None:
    before = store.generation
    store.settle_aged(NOW)
    store.claim_due(NOW, 10, ["bank"])
    store.recover(NOW)
    store.purge(NOW, 0, 0, 10)
    store.flush()
    assert store.generation == before


def test_a_failed_part_is_told_and_moves_nothing(store: Store) -> None:
    hand_over(store, 1, ("a1",), ("a2",))
    (outcome,) = store.stage(Batch(receipts=[receipt("a2", state=ReceiptState.FAILED)])).receipts
    store.flush()
    assert (outcome.failed, outcome.complete) == (True, False)
    assert entry(store, 1).state is MessageState.HANDED_OVER
    assert has_packet(store, 1)


def test_a_message_fails_once_however_many_of_its_parts_do(store: Store) -> None:
    hand_over(store, 1, ("a1",), ("a2",))
    failing = [receipt(name, state=ReceiptState.FAILED) for name in ("a1", "a2")]
    assert [outcome.failed for outcome in store.stage(Batch(receipts=failing)).receipts] == [True, False]
    store.flush()
    assert [outcome.failed for outcome in store.stage(Batch(receipts=failing)).receipts] == [False, False]


def test_a_failure_without_a_decision_is_sent_again_after_a_restart(store: Store) -> None:
    hand_over(store, 1, ("a1",))
    hand_over(store, 2, ("b1",))
    hand_over(store, 3, ("c1",))
    put(store, Batch(receipts=[receipt("a1", state=ReceiptState.FAILED), receipt("b1")]))
    assert store.recover(NOW) == 1
    store.flush()
    states = [entry(store, number).state for number in (1, 2, 3)]
    assert states == [MessageState.QUEUED, MessageState.DELIVERED, MessageState.HANDED_OVER]
    assert claimed(store) == [1]


@pytest.mark.parametrize("state", [ReceiptState.PENDING, ReceiptState.UNKNOWN])
def test_a_receipt_that_is_not_final_changes_nothing(store: Store, state: ReceiptState) -> None:
    hand_over(store, 1, ("a1",))
    (outcome,) = store.stage(Batch(receipts=[receipt("a1", state=state)])).receipts
    assert (outcome.message_id, outcome.complete, outcome.failed) == (message_id(1), False, False)


def test_a_receipt_ahead_of_its_answer_is_kept_and_matched_later(store: Store) -> None:
    put(store, payments([1], receipt=True, state=MessageState.ACTIVE))
    (outcome,) = store.stage(Batch(receipts=[receipt("a1", "zz")])).receipts
    assert outcome.message_id is None
    store.flush()
    done = Transition(message_id(1), Move.HAND_OVER, NOW)
    (outcome,) = store.stage(Batch(submitted=[submitted(1, 1, 1, "a1")], transitions=[done])).receipts
    assert (outcome.message_id, outcome.complete) == (message_id(1), True)
    assert outcome.receipt.message_ids == ("a1", "zz")
    store.flush()
    assert entry(store, 1).state is MessageState.DELIVERED
    assert store._hot.rows("SELECT * FROM early_receipt") == []


def test_receipts_before_the_hand_over_count_when_it_comes(store: Store) -> None:
    put(store, payments([1], receipt=True, state=MessageState.ACTIVE))
    put(store, Batch(submitted=[submitted(1, 1, 1, "a1")]))
    (early,) = store.stage(Batch(receipts=[receipt("a1")])).receipts
    assert (early.message_id, early.complete) == (message_id(1), False)
    store.flush()
    (late,) = store.stage(Batch(transitions=[Transition(message_id(1), Move.HAND_OVER, NOW)])).receipts
    assert (late.message_id, late.complete) == (message_id(1), True)


def test_a_failure_before_the_hand_over_is_told_when_it_comes(store: Store) -> None:
    put(store, payments([1], receipt=True, state=MessageState.ACTIVE))
    put(store, Batch(submitted=[submitted(1, 1, 2, "a1")]))
    (early,) = store.stage(Batch(receipts=[receipt("a1", state=ReceiptState.FAILED)])).receipts
    assert not early.failed
    store.flush()
    parts = [submitted(1, 2, 2, "a2")]
    done = Transition(message_id(1), Move.HAND_OVER, NOW)
    told = store.stage(Batch(submitted=parts, transitions=[done], receipts=[receipt("a2")])).receipts
    assert [(outcome.message_id, outcome.failed) for outcome in told] == [
        (message_id(1), False),
        (message_id(1), True),
    ]


def test_a_new_attempt_forgets_the_ids_of_the_one_before(store: Store) -> None:
    hand_over(store, 1, ("a1",), ("a2",))
    put(store, Batch(receipts=[receipt("a1"), receipt("a2", state=ReceiptState.FAILED)]))
    move(store, 1, Move.DEFER, next_attempt_at=NOW)
    assert claimed(store) == [1]
    parts = [submitted(1, 1, 2, "b1"), submitted(1, 2, 2, "b2")]
    put(store, Batch(submitted=parts, transitions=[Transition(message_id(1), Move.HAND_OVER, NOW)]))
    (stale,) = store.stage(Batch(receipts=[receipt("a1")])).receipts
    assert stale.message_id is None
    told = store.stage(Batch(receipts=[receipt("b1"), receipt("b2")])).receipts
    assert [outcome.complete for outcome in told] == [False, True]


def test_a_repeated_id_belongs_to_the_part_taken_last(store: Store) -> None:
    hand_over(store, 1, ("same",))
    put(store, payments([2], receipt=True, state=MessageState.ACTIVE))
    done = Transition(message_id(2), Move.HAND_OVER, NOW + 5)
    put(store, Batch(submitted=[submitted(2, 1, 1, "same", at=NOW + 5)], transitions=[done]))
    told = store.stage(Batch(receipts=[receipt("same"), receipt("same")])).receipts
    assert [outcome.message_id for outcome in told] == [message_id(2), message_id(1)]


def test_parts_without_asked_for_receipts_are_shown_but_never_matched(store: Store) -> None:
    put(store, payments([1], state=MessageState.ACTIVE))
    done = Transition(message_id(1), Move.HAND_OVER, NOW)
    put(store, Batch(submitted=[submitted(1, 1, 2, "a1"), submitted(1, 2, 2)], transitions=[done]))
    (outcome,) = store.stage(Batch(receipts=[receipt("a1")])).receipts
    assert outcome.message_id is None
    shown = store.queue.show(message_id(1))
    assert shown is not None
    assert [(part.number, part.total, part.smsc_id) for part in shown[1]] == [(1, 2, "a1"), (2, 2, "")]


def test_many_receipts_at_once_find_their_messages(store: Store) -> None:
    numbers = range(1, 151)
    put(store, payments(numbers, receipt=True, state=MessageState.ACTIVE))
    parts = [submitted(number, 1, 1, f"{number:x}", f"{number:08d}") for number in numbers]
    done = [Transition(message_id(number), Move.HAND_OVER, NOW) for number in numbers]
    put(store, Batch(submitted=parts, transitions=done))
    told = store.stage(Batch(receipts=[receipt(f"{number:x}") for number in numbers])).receipts
    assert [outcome.message_id for outcome in told] == [message_id(number) for number in numbers]
    assert all(outcome.complete for outcome in told)


# --- purge ---


def test_done_messages_are_purged_past_their_time_in_slices(store: Store) -> None:
    put(store, payments(range(1, 6), state=MessageState.ACTIVE))
    done = [Transition(message_id(number), Move.HAND_OVER, NOW + number) for number in range(1, 6)]
    put(store, Batch(transitions=done, submitted=[submitted(1, 1, 1, "a1")]))
    assert store.purge(NOW + 104, 100, 3_600, 2) == 2
    assert store.purge(NOW + 104, 100, 3_600, 2) == 1
    store.flush()
    assert store.queue.counts() == {MessageState.HANDED_OVER: 2}
    assert store.queue.show(message_id(1)) is None


@pytest.mark.parametrize("state", [MessageState.QUEUED, MessageState.DEFERRED, MessageState.FAILED])
def test_what_is_not_done_is_never_purged(store: Store, state: MessageState) -> None:
    put(store, payments([1]))
    for step in REACHED[state]:
        move(store, 1, step)
    store.purge(NOW + 10**9, 0, 0, 100)
    store.flush()
    assert entry(store, 1).state is state


def test_expired_certificate_ids_and_old_receipts_are_purged(store: Store) -> None:
    put(store, payments([1]))
    put(store, Batch(receipts=[receipt("early", "spelling")]))
    mark = (device_id(1), acceptance(1).cti)
    assert store.purge(NOW + 600, 10**6, 3_600, 100) == 0
    assert store.taken_ctis([mark]) == {mark}
    assert store.purge(NOW + 601, 10**6, 600, 100) == 3
    store.flush()
    assert store.taken_ctis([mark]) == set()


def test_a_purged_store_accepts_no_replay(store: Store) -> None:
    put(store, payments([1], state=MessageState.ACTIVE))
    move(store, 1, Move.HAND_OVER)
    store.purge(NOW + 10**9, 0, 0, 100)
    store.flush()
    assert store.queue.counts() == {}
    with pytest.raises(StoreConflict):
        store.stage(payments([1]))


# --- what people see ---


def test_entries_are_listed_by_state_and_provider(store: Store) -> None:
    put(store, payments([1, 2, 3]))
    move(store, 2, Move.HOLD)
    assert [found.message_id for found in store.queue.entries(state=MessageState.HELD)] == [message_id(2)]
    assert len(store.queue.entries()) == 3
    assert len(store.queue.entries(limit=2)) == 2
    assert store.queue.entries(provider="nobody") == []


def test_a_message_is_found_by_the_first_digits_of_its_id(store: Store) -> None:
    put(store, payments([0x10, 0x11, 0x20], before=0))
    assert store.queue.find("0" * 30 + "1") == [message_id(0x10), message_id(0x11)]
    assert store.queue.find(message_id(0x20).hex()) == [message_id(0x20)]
    assert store.queue.find("ff") == []


def test_an_operators_move_is_one_transaction_and_moves_the_queue_version(store: Store) -> None:
    put(store, payments([1, 2]))
    registry, queue = store.registry.versions()
    wanted = [Transition(message_id(1), Move.HOLD, NOW), Transition(message_id(9), Move.HOLD, NOW)]
    assert store.queue.apply(wanted) == wanted[1:]
    assert store.registry.versions() == (registry, queue + 1)
    assert entry(store, 1).state is MessageState.HELD


def test_the_relays_own_batches_move_no_version(store: Store) -> None:
    before = store.registry.versions()
    put(store, payments([1]))
    assert store.registry.versions() == before


def test_the_backlogs_age_is_told(store: Store) -> None:
    assert store.queue.oldest(MessageState.QUEUED) is None
    put(store, payments([1], received_at=NOW + 5))
    put(store, payments([2], received_at=NOW + 1))
    assert store.queue.oldest(MessageState.QUEUED) == NOW + 1


def test_waiting_parts_are_counted(store: Store) -> None:
    put(store, Batch(journal=[segment(1), segment(2)]))
    assert store.queue.waiting_segments() == 2
