"""Cards and the life of their key sets: two at most open a card, and the octets of all others are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.delivery_samples import (
    app_se,
    card,
    card_keys,
    inventory,
    job,
    job_state,
    ready,
)
from tests.store.provisioning_samples import acts_since, keyed, last_act, registered, registration
from tests.store.samples import NOW, device_id, open_store
from tsm_gateway.registry.card import CardKeySet, CardKeyState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed, NotKnown
from tsm_gateway.registry.job import JobKind, JobState
from tsm_gateway.relay.interfaces import StoreConflict
from tsm_gateway.store.card_store import Rewrap

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore

S = CardKeyState
LATER = NOW + 50


def imported(store: SqliteStore, *numbers: int) -> None:
    store.delivery.import_cards(
        [(card(number), card_keys(number)) for number in numbers or (10,)], reason="manifest 7", at=NOW
    )
    store.flush()


def pending(store: SqliteStore, kvn: int = 0x31, number: int = 10) -> None:
    store.delivery.keys_pending(card_keys(number, kvn, created_at=LATER), at=LATER)
    store.flush()


def taken(store: SqliteStore, kvn: int = 0x31, number: int = 10) -> None:
    pending(store, kvn, number)
    store.delivery.keys_current(app_se(number), kvn, at=LATER)
    store.flush()


def states(store: SqliteStore, number: int = 10) -> list[tuple[int, CardKeyState]]:
    return [(each.kvn, each.state) for each in store.delivery.card_keys(app_se(number))]


# --- import ---


def test_a_batch_of_cards_is_one_entry_with_their_count(store: SqliteStore) -> None:
    head, _ = store.provisioning.audit_head()
    imported(store, 10, 11, 12)
    assert store.delivery.card(app_se(11)) == card(11)
    assert store.delivery.card_keys(app_se(11)) == [card_keys(11)]
    assert acts_since(store, head) == ["card.import"]
    entry = store.provisioning.audit(head)[0].entry
    assert (entry.subject, entry.reason) == ("store", "manifest 7")
    assert dict(entry.facts) == {"cards": "3", "issuers": "maker"}


def test_a_key_to_verify_with_is_an_entry_a_card_and_all_or_nothing(store: SqliteStore) -> None:
    imported(store, 10, 11)
    head, _ = store.provisioning.audit_head()
    with pytest.raises(NotKnown):
        store.delivery.set_dap_key([app_se(10), app_se(12)], b"8 octets", reason="", at=LATER)
    assert store.delivery.dap_key_counts() == {b"": 2}
    assert store.delivery.set_dap_key([app_se(10)], b"8 octets", reason="told", at=LATER) == 1
    assert store.delivery.set_dap_key([app_se(10)], b"8 octets", reason="told", at=LATER) == 0
    store.flush()
    assert store.delivery.card(app_se(10)) == card(10, dap_key=b"8 octets")
    assert store.delivery.card_keys(app_se(10)) == [card_keys(10)]
    assert store.delivery.dap_key_counts() == {b"": 1, b"8 octets": 1}
    assert acts_since(store, head) == ["card.dap-key"]


def test_no_card_is_no_entry(store: SqliteStore) -> None:
    head, generation = store.provisioning.audit_head(), store.generation
    assert store.delivery.import_cards([], reason="", at=NOW) == 0
    store.flush()
    assert (store.provisioning.audit_head(), store.generation) == (head, generation)


def test_a_card_that_is_known_names_its_line_and_none_is_kept(store: SqliteStore) -> None:
    imported(store, 11)
    with pytest.raises(AlreadyKnown) as caught:
        imported(store, 10, 11, 12)
    assert caught.value.facts == {"what": "card", "app_se": app_se(11).hex(), "line": 2}
    store.flush()
    assert store.delivery.card(app_se(10)) is None


def test_a_key_set_of_another_card_is_refused(store: SqliteStore) -> None:
    with pytest.raises(ValueError, match="different things"):
        store.delivery.import_cards([(card(10), card_keys(11))], reason="", at=NOW)


def test_cards_follow_one_another_by_id_in_pages(store: SqliteStore) -> None:
    imported(store, *range(10, 15))
    assert store.delivery.cards(limit=2) == [card(10), card(11)]
    assert store.delivery.cards(after=app_se(11), limit=2) == [card(12), card(13)]
    assert store.delivery.cards(after=app_se(14)) == []


# --- whose it is ---


def test_a_card_belongs_to_the_device_that_proved_it(store: SqliteStore) -> None:
    assert store.delivery.owner_of(app_se()) is None
    registered(store)
    assert store.delivery.owner_of(app_se()) == device_id(10)
    assert store.delivery.app_se_of(device_id(10)) == app_se()
    store.provisioning.forget_elements(device_id(10), reason="", at=NOW)
    store.flush()
    assert store.delivery.owner_of(app_se()) is None
    assert store.delivery.app_se_of(device_id(10)) is None
    assert store.delivery.app_se_of(device_id(1)) is None


def test_a_crypto_element_is_no_card_of_its_device(store: SqliteStore) -> None:
    registered(store)
    assert store.delivery.owner_of(registration(10).crypto_se) is None


def test_a_card_that_was_proved_by_another_since_is_the_others(store: SqliteStore) -> None:
    registered(store)
    store.provisioning.forget_elements(device_id(10), reason="", at=NOW)
    keyed(store, 11)
    store.provisioning.register(registration(11, app_se=app_se(10)), overlap_s=0, at=NOW)
    store.flush()
    assert store.delivery.owner_of(app_se(10)) == device_id(11)
    assert store.delivery.app_se_of(device_id(10)) is None


# --- forget ---


def test_nothing_of_a_forgotten_card_stays(folder: Path, store: SqliteStore) -> None:
    ready(store)
    store.delivery.keep_inventory(inventory())
    store.delivery.queue([job(kind=JobKind.INVENTORY)], [], at=NOW)
    store.flush()
    store.delivery.forget_card(app_se(), reason="broken", at=LATER)
    store.flush()
    assert (store.delivery.card(app_se()), store.delivery.card_keys(app_se())) == (None, [])
    assert store.delivery.inventory(app_se()) is None
    assert job_state(store) is JobState.CANCELLED
    assert last_act(store) == ("card.forget", app_se().hex(), "broken")
    store.checkpoint()
    assert card_keys().wrapped not in (folder / "gateway.db").read_bytes()
    imported(store)
    with pytest.raises(NotKnown):
        store.delivery.forget_card(app_se(11), reason="", at=LATER)


# --- key sets ---


def test_a_pending_set_comes_first_and_the_others_stay(store: SqliteStore) -> None:
    imported(store)
    pending(store)
    assert states(store) == [(0x31, S.PENDING), (0x30, S.TRANSPORT)]
    assert [each.wrapped for each in store.delivery.card_keys(app_se())] == [
        card_keys(10, 0x31).wrapped,
        card_keys().wrapped,
    ]
    assert last_act(store) == ("card.keys", app_se().hex(), "")


def test_the_set_that_a_card_took_is_the_only_one_with_octets(folder: Path, store: SqliteStore) -> None:
    imported(store)
    taken(store)
    current, retired = store.delivery.card_keys(app_se())
    assert (current.kvn, current.state, current.wrapped) == (0x31, S.CURRENT, card_keys(10, 0x31).wrapped)
    assert (retired.kvn, retired.state, retired.wrapped) == (0x30, S.RETIRED, b"")
    store.checkpoint()
    octets = (folder / "gateway.db").read_bytes()
    assert card_keys().wrapped not in octets  # overwritten, not only unlinked
    assert card_keys(10, 0x31).wrapped in octets


def test_key_numbers_are_used_in_turn(store: SqliteStore) -> None:
    imported(store)
    for kvn in (0x31, 0x32, 0x31):
        taken(store, kvn)
    assert states(store)[0] == (0x31, S.CURRENT)
    assert {each[1] for each in states(store)[1:]} == {S.RETIRED}


def test_a_set_that_the_card_never_took_is_dropped(store: SqliteStore) -> None:
    imported(store)
    pending(store)
    store.delivery.keys_dropped(app_se(), 0x31, at=LATER)
    store.flush()
    assert states(store) == [(0x30, S.TRANSPORT)]
    entry = store.provisioning.audit(after=store.provisioning.audit_head()[0] - 1)[-1].entry
    assert dict(entry.facts) == {"kvn": "49", "state": "dropped"}


@pytest.mark.parametrize("kvn", [0x30, 0x31, 0x32, 0x33], ids=hex)
def test_while_one_is_pending_there_is_no_second(store: SqliteStore, kvn: int) -> None:
    imported(store)
    taken(store, 0x31)
    pending(store, 0x32)
    before = states(store)
    with pytest.raises(AlreadyKnown):
        store.delivery.keys_pending(card_keys(10, kvn, state=S.PENDING), at=LATER)
    assert states(store) == before


@pytest.mark.parametrize("kvn", [0x30, 0x31])
def test_a_number_that_the_card_knows_is_not_used_anew(store: SqliteStore, kvn: int) -> None:
    imported(store)
    if kvn == 0x31:
        taken(store)
    with pytest.raises(AlreadyKnown):
        store.delivery.keys_pending(card_keys(10, kvn, state=S.PENDING), at=NOW)
    store.flush()
    assert states(store)[0][0] == kvn


@pytest.mark.parametrize("step", ["keys_current", "keys_dropped"])
def test_only_a_pending_set_is_taken_or_dropped(store: SqliteStore, step: str) -> None:
    imported(store)
    taken(store)
    for kvn in (0x30, 0x31):
        with pytest.raises(MoveNotAllowed):
            getattr(store.delivery, step)(app_se(), kvn, at=NOW)
    with pytest.raises(NotKnown):
        getattr(store.delivery, step)(app_se(), 0x32, at=NOW)


def test_a_set_is_pending_when_it_comes_and_its_card_is_known(store: SqliteStore) -> None:
    with pytest.raises(NotKnown):
        pending(store)
    imported(store)
    with pytest.raises(ValueError, match="different things"):
        store.delivery.keys_pending(card_keys(10, 0x31, state=S.CURRENT), at=NOW)


# --- inventory ---


def test_what_a_card_said_last_is_kept_and_no_act(store: SqliteStore) -> None:
    imported(store)
    head = store.provisioning.audit_head()
    store.delivery.keep_inventory(inventory())
    later = inventory(contents=(), free_memory=None, taken_at=LATER)
    store.flush()
    assert store.delivery.inventory(app_se()) == inventory()
    store.delivery.keep_inventory(later)
    store.flush()
    assert store.delivery.inventory(app_se()) == later
    assert store.provisioning.audit_head() == head
    with pytest.raises(NotKnown):
        store.delivery.keep_inventory(inventory(11))


# --- a new master key ---


def rewrapped(keys: CardKeySet) -> Rewrap:
    return Rewrap(keys.app_se, keys.kvn, keys.wrapped, b"under 2: " + keys.wrapped, 2)


def test_every_set_with_octets_is_walked_in_slices(store: SqliteStore) -> None:
    imported(store, 10, 11, 12)
    pending(store, 0x31, 11)
    taken(store, 0x31, 12)
    expected = [(10, 0x30), (11, 0x30), (11, 0x31), (12, 0x31)]
    found, after = [], (b"", 0)
    while page := store.delivery.all_card_keys(after=after, limit=1):
        found += [(each.app_se, each.kvn) for each in page]
        after = found[-1]
    assert found == [(app_se(number), kvn) for number, kvn in expected]


def test_sets_are_rewrapped_all_or_none(store: SqliteStore) -> None:
    imported(store, 10, 11)
    rows = [rewrapped(each) for each in store.delivery.all_card_keys()]
    with pytest.raises(StoreConflict):
        store.delivery.rewrap_card_keys([rows[0], rows[1]._replace(old=b"other")])
    assert store.delivery.card_keys(app_se(10)) == [card_keys(10)]
    assert store.delivery.rewrap_card_keys(rows) == 2
    (after,) = store.delivery.card_keys(app_se(10))
    assert (after.wrapped, after.master_version, after.state) == (rows[0].new, 2, S.TRANSPORT)
    assert last_act(store)[:2] == ("key.rewrap", "store")
    head = store.provisioning.audit_head()
    assert store.delivery.rewrap_card_keys([]) == 0
    assert store.provisioning.audit_head() == head
    with pytest.raises(StoreConflict):  # it was dropped meanwhile: read the slice again
        store.delivery.rewrap_card_keys([rows[0]._replace(kvn=0x7F)])


def test_masters_count_the_sets_of_cards_that_have_octets(folder: Path) -> None:
    store = open_store(folder)
    before = store.registry.masters_in_use()[1]
    imported(store, 10, 11)
    store.delivery.keys_pending(card_keys(10, 0x31, master_version=2), at=NOW)
    store.flush()
    assert store.registry.masters_in_use() == {1: before + 2, 2: 1}
    store.delivery.keys_current(app_se(), 0x31, at=NOW)
    store.flush()
    assert store.registry.masters_in_use() == {1: before + 1, 2: 1}
    store.close()
