"""`key rotate` and the key sets of cards: none is forgotten, none is left under a version that goes."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.cli.life import store_of
from tsm_gateway.cli import key_rewrap
from tsm_gateway.keys.errors import KeyUnwrapFailed, MasterKeyMissing
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.keys.wrap import card_place, unwrap, wrap
from tsm_gateway.registry.card import Card, CardKeySet, CardKeyState
from tsm_gateway.relay.interfaces import StoreConflict
from tsm_gateway.secret import Secret
from tsm_gateway.store.delivery_rows import card_keys_row
from tsm_gateway.store.delivery_statements import PUT_CARD_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.cli.conftest import Site
    from tsm_gateway.keys.wrap import MasterKeys
    from tsm_gateway.store.card_store import Rewrap

NOW = 1_700_000_000


def masters_of(site: Site) -> MasterKeys:
    return read_master(f"file:{site.folder}/master.key")


def key_set(masters: MasterKeys, number: int, kvn: int = 0x30) -> CardKeySet:
    """Random keys of a card, wrapped for their place."""
    state = CardKeyState.TRANSPORT if kvn == 0x30 else CardKeyState.PENDING
    place = card_place(b"app SE %d" % number, kvn, own=state is CardKeyState.PENDING)
    wrapped, version = wrap(masters, Secret(secrets.token_bytes(48)), place, nonce=secrets.token_bytes(12))
    return CardKeySet(b"app SE %d" % number, kvn, state, wrapped, version, NOW)


def add_cards(site: Site, *numbers: int) -> None:
    masters = masters_of(site)
    with store_of(site) as store:
        store.delivery.import_cards(
            [
                (Card(b"app SE %d" % each, b"\xa0" * 8, 0x70, "maker", b"", NOW), key_set(masters, each))
                for each in numbers
            ],
            reason="",
            at=NOW,
        )
        store.flush()


def key_sets(site: Site) -> list[CardKeySet]:
    with store_of(site) as store:
        return store.delivery.all_card_keys()


def opened(masters: MasterKeys, keys: CardKeySet, *, version: int = 0) -> bytes:
    place = card_place(keys.app_se, keys.kvn, own=keys.state is not CardKeyState.TRANSPORT)
    return unwrap(masters, keys.wrapped, version or keys.master_version, place).reveal()


def secrets_of(site: Site) -> dict[tuple[bytes, int], bytes]:
    masters = masters_of(site)
    return {(each.app_se, each.kvn): opened(masters, each) for each in key_sets(site)}


def test_every_key_set_is_wrapped_anew_and_none_changes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rewrap, "SLICE", 2)
    site.add_device()
    add_cards(site, 1, 2, 3)
    with store_of(site) as store:
        store.delivery.keys_pending(key_set(masters_of(site), 2, 0x31), at=NOW)
        store.delivery.keys_pending(key_set(masters_of(site), 3, 0x31), at=NOW)
        store.delivery.keys_current(b"app SE 3", 0x31, at=NOW)
        store.flush()
    before = secrets_of(site)
    assert len(before) == 4
    result = site.done("key", "rotate", "-o", "json")
    assert result.json == {"version": 2, "rewrapped": 5, "already": 0, "unreadable": []}
    assert {each.master_version for each in key_sets(site)} == {2}
    assert secrets_of(site) == before
    rows = site.done("key", "list", "-o", "json").json
    assert [(row["version"], row["wrapped_keys"]) for row in rows] == [(1, 0), (2, 5)]


def test_a_version_that_wraps_a_key_set_is_not_pruned(site: Site) -> None:
    add_cards(site, 1)
    site.done("key", "rotate", "--add")
    assert site.done("key", "rotate", "--prune", "--yes", "-o", "json").json["removed"] == []
    assert len(secrets_of(site)) == 1
    site.done("key", "rotate", "--rewrap")
    assert site.done("key", "rotate", "--prune", "--yes", "-o", "json").json["removed"] == [1]
    assert len(secrets_of(site)) == 1


def test_a_retired_set_keeps_no_version(site: Site) -> None:
    add_cards(site, 1)
    site.done("key", "rotate", "--add")
    with store_of(site) as store:
        store.delivery.keys_pending(key_set(masters_of(site), 1, 0x31), at=NOW)
        store.delivery.keys_current(b"app SE 1", 0x31, at=NOW)
        store.flush()
    assert site.done("key", "rotate", "--prune", "--yes", "-o", "json").json["removed"] == [1]
    assert list(secrets_of(site)) == [(b"app SE 1", 0x31)]


def test_a_rewrap_that_broke_off_among_the_cards_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rewrap, "SLICE", 1)
    site.add_device()
    add_cards(site, 1, 2, 3)
    before = secrets_of(site)
    site.done("key", "rotate", "--add")
    seen: list[int] = []

    def stop(count: int) -> None:
        seen.append(count)
        if count == 3:
            raise KeyboardInterrupt

    with store_of(site) as store, pytest.raises(KeyboardInterrupt):
        key_rewrap.rewrap_all(store, masters_of(site), stop)
    assert secrets_of(site) == before
    result = site.done("key", "rotate", "--rewrap", "-o", "json").json
    assert (seen, result["rewrapped"], result["already"]) == ([1, 2, 3], 1, 3)
    assert secrets_of(site) == before


def test_a_key_set_that_a_session_replaces_meanwhile_is_read_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card takes its new keys in the very moment in which the rewrap writes the old ones."""
    add_cards(site, 1)
    site.done("key", "rotate", "--add")
    masters = masters_of(site)
    tries: list[int] = []
    with store_of(site) as store:
        real = store.delivery.rewrap_card_keys

        def late(rows: Iterable[Rewrap]) -> int:
            tries.append(1)
            if len(tries) == 1:
                store.delivery.keys_pending(key_set(masters, 1, 0x31), at=NOW)
                store.delivery.keys_current(b"app SE 1", 0x31, at=NOW)
                store.flush()
            return real(rows)

        monkeypatch.setattr(store.delivery, "rewrap_card_keys", late)
        result = key_rewrap.rewrap_all(store, masters, lambda _: None)
    assert (result.done, len(tries)) == (0, 1)
    assert [(each.kvn, each.master_version) for each in key_sets(site)] == [(0x31, 2)]


def test_a_key_set_that_changes_under_every_try_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    add_cards(site, 1)
    site.done("key", "rotate", "--add")
    with store_of(site) as store:

        def conflicting(_rows: Iterable[Rewrap]) -> int:
            raise StoreConflict

        monkeypatch.setattr(store.delivery, "rewrap_card_keys", conflicting)
        with pytest.raises(StoreConflict):
            key_rewrap.rewrap_all(store, masters_of(site), lambda _: None)


def test_a_key_set_in_anothers_row_does_not_open_and_is_named(site: Site) -> None:
    add_cards(site, 1, 2)
    with store_of(site) as store:
        mine, theirs = store.delivery.all_card_keys()
        with store._writer.administration() as cursor:
            cursor.execute(PUT_CARD_KEYS, card_keys_row(mine._replace(wrapped=theirs.wrapped)))
    result = site("key", "rotate", "-o", "json")
    assert result.code == 1
    assert result.json["unreadable"] == [(b"app SE 1" + b"\x30").hex()]
    assert result.json["rewrapped"] == 1


def test_the_old_master_opens_no_key_set_after_the_prune(site: Site) -> None:
    add_cards(site, 1, 2)
    old, before = masters_of(site), key_sets(site)
    site.done("key", "rotate")
    site.done("key", "rotate", "--prune", "--yes")
    new = masters_of(site)
    for known, sets in ((old, key_sets(site)), (new, before)):
        for each in sets:
            for version in (1, 2):
                with pytest.raises((KeyUnwrapFailed, MasterKeyMissing)):
                    opened(known, each, version=version)


def test_a_resync_tells_whose_keys_cards_have_in_the_copy(site: Site) -> None:
    add_cards(site, 1, 2, 3)
    masters = masters_of(site)
    with store_of(site) as store:
        store.delivery.keys_pending(key_set(masters, 2, 0x31), at=NOW)
        store.flush()
    told = site.done("store", "resync", "--yes", "-o", "json")
    assert (told.json["cards_with_own_keys"], told.json["cards_with_issuer_keys"]) == (1, 2)
    assert "1 cards have key sets of ours in this copy, 2 their issuer's only" in told.err
    assert "card-not-authentic" in told.err
