"""What every registry has to do, whatever database is behind it; see `spool_contract` for the fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.samples import (
    FIRST_WINDOW,
    NOW,
    PROVIDER_KID,
    device,
    device_id,
    device_key,
    kid,
    provider,
    provider_key,
    window_at,
)
from tsm_gateway.registry.device import DeviceEntry, DeviceMove, DeviceState, KeyState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed, NotKnown
from tsm_gateway.registry.provider import ProviderEntry, ProviderMove, ProviderState, Verify
from tsm_gateway.relay.interfaces import StoreConflict

if TYPE_CHECKING:
    from tsm_gateway.store.sqlite_store import SqliteStore as Store


def test_a_device_is_found_by_its_kid(store: Store) -> None:
    assert store.registry.device_for(kid(2)) == DeviceEntry(device(2), device_key(2), FIRST_WINDOW)
    assert store.registry.device_for(kid(99)) is None
    assert store.registry.device_for(PROVIDER_KID) is None
    assert store.registry.window_of(kid(99)) is None


@pytest.mark.parametrize("address", ["+4930123456", "sp:bank"])
def test_a_provider_is_found_by_each_of_its_addresses(store: Store, address: str) -> None:
    expected = ProviderEntry(provider(), provider_key(), 1)
    assert store.registry.provider_for(address) == expected
    assert store.registry.provider_named("bank") == expected
    assert store.registry.provider_for("+4930000000") is None
    assert store.registry.provider_named("nobody") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"routes": ()},
        {"addresses": ()},
        {"receipt": False, "verify": Verify.PROVIDER},
        {"amount_limit": 0, "biometric_above": 0, "validity_s": 0},
        {"amount_limit": 2**62, "reason": "Grüße"},
    ],
)
def test_every_field_of_a_provider_is_kept(store: Store, changes: dict[str, object]) -> None:
    shop = provider("shop", **{"addresses": ("sp:shop",), **changes})
    store.registry.add_provider(shop, provider_key("shop", kid=kid(900)), next_piv=2**40 - 1)
    entry = store.registry.provider_named("shop")
    assert entry is not None
    assert (entry.provider, entry.next_piv) == (shop, 2**40 - 1)
    assert store.registry.providers() == [provider(), shop]


def test_every_administrative_write_moves_the_registry_version(store: Store) -> None:
    registry, queue = store.registry.versions()
    store.registry.add_device(device(7))
    store.registry.move_device(device_id(1), DeviceMove.SUSPEND, reason="lost", at=NOW)
    store.registry.move_provider("bank", ProviderMove.SUSPEND, reason="asked", at=NOW)
    store.registry.rewrap(kid(1), device_key(1).wrapped, b"new", 2)
    assert store.registry.versions() == (registry + 4, queue)


def test_a_write_that_fails_moves_nothing(store: Store) -> None:
    before = store.registry.versions()
    with pytest.raises(AlreadyKnown):
        store.registry.add_devices([(device(8), None, None), (device(1), None, None)])
    assert store.registry.versions() == before
    assert store.registry.device(device_id(8)) is None


# --- devices ---


def test_a_device_may_be_enrolled_without_a_key(store: Store) -> None:
    store.registry.add_device(device(7, state=DeviceState.ENROLLED))
    assert store.registry.device(device_id(7)) == device(7, state=DeviceState.ENROLLED)
    assert store.registry.keys(device_id(7)) == []


def test_a_key_does_not_come_without_its_window(store: Store) -> None:
    with pytest.raises(ValueError, match="window"):
        store.registry.add_device(device(7), device_key(7))


def test_a_kid_names_one_key_of_the_whole_store(store: Store) -> None:
    with pytest.raises(AlreadyKnown) as caught:
        store.registry.add_device(device(7), device_key(7, kid=PROVIDER_KID), FIRST_WINDOW)
    assert caught.value.facts["kid"] == PROVIDER_KID.hex()


def test_a_device_moves_by_its_table_and_the_relay_sees_it(store: Store) -> None:
    moved = store.registry.move_device(device_id(1), DeviceMove.SUSPEND, reason="lost", at=NOW + 5)
    assert (moved.state, moved.reason, moved.changed_at) == (DeviceState.SUSPENDED, "lost", NOW + 5)
    entry = store.registry.device_for(kid(1))
    assert entry is not None
    assert entry.device == moved
    with pytest.raises(MoveNotAllowed):
        store.registry.move_device(device_id(1), DeviceMove.SUSPEND, reason="", at=NOW)
    with pytest.raises(NotKnown):
        store.registry.move_device(device_id(99), DeviceMove.SUSPEND, reason="", at=NOW)


def test_a_terminated_devices_keys_are_retired(store: Store) -> None:
    store.registry.move_device(device_id(1), DeviceMove.TERMINATE, reason="sold", at=NOW)
    assert [key.state for key in store.registry.keys(device_id(1))] == [KeyState.RETIRED]


def test_only_certificate_and_number_of_a_device_change(store: Store) -> None:
    wanted = device(1, certificate=b"new", msisdn="+491", state=DeviceState.TERMINATED, created_at=0)
    changed = store.registry.change_device(wanted, at=NOW + 9)
    assert changed == device(1, certificate=b"new", msisdn="+491", changed_at=NOW + 9)
    assert store.registry.device(device_id(1)) == changed


def test_devices_are_listed_in_pages(store: Store) -> None:
    store.registry.move_device(device_id(2), DeviceMove.SUSPEND, reason="", at=NOW)
    assert [found.device_id for found in store.registry.devices(limit=2)] == [device_id(1), device_id(2)]
    assert [found.device_id for found in store.registry.devices(after=device_id(2))] == [device_id(3)]
    suspended = store.registry.devices(state=DeviceState.SUSPENDED)
    assert [found.device_id for found in suspended] == [device_id(2)]


@pytest.mark.parametrize(("overlap_s", "before"), [(60, KeyState.OVERLAP), (0, KeyState.RETIRED)])
def test_a_new_device_key_replaces_the_one_before(store: Store, overlap_s: int, before: KeyState) -> None:
    successor = device_key(1, kid=kid(500), epoch=2)
    store.registry.add_device_key(successor, window_at(9), overlap_s=overlap_s, at=NOW)
    assert [(key.epoch, key.state) for key in store.registry.keys(device_id(1))] == [
        (2, KeyState.CURRENT),
        (1, before),
    ]
    entry = store.registry.device_for(kid(500))
    assert entry is not None
    assert (entry.device, entry.window) == (device(1), window_at(9))


def test_an_overlap_ends_with_a_purge_and_everybody_is_told(store: Store) -> None:
    store.registry.add_device_key(device_key(1, kid=kid(500), epoch=2), FIRST_WINDOW, overlap_s=60, at=NOW)
    before = store.registry.versions()
    store.purge(NOW + 59, 10**6, 10**6, 100)
    store.flush()
    assert store.registry.versions() == before
    store.purge(NOW + 60, 10**6, 10**6, 100)
    store.flush()
    key = store.registry.key(kid(1))
    assert key is not None
    assert key.state is KeyState.RETIRED
    assert store.registry.versions() == (before[0] + 1, before[1])


def test_an_epoch_is_used_once(store: Store) -> None:
    with pytest.raises(AlreadyKnown):
        store.registry.add_device_key(device_key(1, kid=kid(500)), FIRST_WINDOW, overlap_s=0, at=NOW)
    key = store.registry.key(kid(1))
    assert key is not None
    assert key.state is KeyState.CURRENT


# --- providers ---


def test_an_address_belongs_to_one_provider(store: Store) -> None:
    shop = provider("shop", addresses=("sp:shop", "+4930123456"))
    with pytest.raises(AlreadyKnown) as caught:
        store.registry.add_provider(shop, provider_key("shop", kid=kid(900)), next_piv=1)
    assert caught.value.facts["holder"] == "bank"
    assert store.registry.provider_named("shop") is None


def test_a_provider_moves_by_its_table(store: Store) -> None:
    moved = store.registry.move_provider("bank", ProviderMove.SUSPEND, reason="asked", at=NOW + 1)
    assert moved.state is ProviderState.SUSPENDED
    entry = store.registry.provider_for("sp:bank")
    assert entry is not None
    assert entry.provider == moved
    with pytest.raises(MoveNotAllowed):
        store.registry.move_provider("bank", ProviderMove.SUSPEND, reason="", at=NOW)
    with pytest.raises(NotKnown):
        store.registry.move_provider("nobody", ProviderMove.SUSPEND, reason="", at=NOW)


def test_a_retired_provider_has_no_key_to_seal_with(store: Store) -> None:
    store.registry.move_provider("bank", ProviderMove.RETIRE, reason="closed", at=NOW)
    assert store.registry.provider_named("bank") is None
    assert [found.state for found in store.registry.providers()] == [ProviderState.RETIRED]


def test_a_provider_is_changed_as_a_whole_but_for_its_state(store: Store) -> None:
    wanted = provider(
        addresses=("sp:bank", "70707"), msisdn="+4930111111", state=ProviderState.RETIRED, created_at=0
    )
    changed = store.registry.change_provider(wanted, at=NOW + 3)
    assert changed == wanted._replace(state=ProviderState.ACTIVE, created_at=NOW, changed_at=NOW + 3)
    entry = store.registry.provider_for("70707")
    assert entry is not None
    assert entry.provider == changed
    assert store.registry.provider_for("+4930123456") is None


def test_a_rotated_provider_key_seals_from_now_on(store: Store) -> None:
    successor = provider_key(kid=kid(901), epoch=2)
    store.registry.rotate_provider_key(successor, next_piv=5, overlap_s=60, at=NOW)
    entry = store.registry.provider_named("bank")
    assert entry is not None
    assert (entry.key, entry.next_piv) == (successor, 5)
    assert [key.state for key in store.registry.keys("bank")] == [KeyState.CURRENT, KeyState.OVERLAP]
    with pytest.raises(NotKnown):
        store.registry.rotate_provider_key(
            provider_key("nobody", kid=kid(902)), next_piv=1, overlap_s=0, at=NOW
        )


# --- wrapped keys ---


def test_a_rewrap_replaces_what_it_has_seen_and_nothing_else(store: Store) -> None:
    store.registry.rewrap(kid(1), device_key(1).wrapped, b"under master 2", 2)
    key = store.registry.key(kid(1))
    assert key == device_key(1, wrapped=b"under master 2", master_version=2)
    with pytest.raises(StoreConflict):
        store.registry.rewrap(kid(1), device_key(1).wrapped, b"late", 3)
    with pytest.raises(NotKnown):
        store.registry.rewrap(kid(99), b"", b"", 2)


def test_a_rewrap_keeps_an_overlap(store: Store) -> None:
    store.registry.add_device_key(device_key(1, kid=kid(500), epoch=2), FIRST_WINDOW, overlap_s=60, at=NOW)
    store.registry.rewrap(kid(1), device_key(1).wrapped, b"new", 2)
    (stored,) = [stored for stored in store.registry.all_keys() if stored.key.kid == kid(1)]
    assert (stored.key.state, stored.accepted_until, stored.of_device) == (KeyState.OVERLAP, NOW + 60, True)


def test_all_keys_come_in_pages(store: Store) -> None:
    first = store.registry.all_keys(limit=2)
    assert [stored.key.kid for stored in first] == [kid(1), kid(2)]
    rest = store.registry.all_keys(after=kid(2))
    assert [(stored.key.kid, stored.of_device) for stored in rest] == [(kid(3), True), (PROVIDER_KID, False)]


def test_many_keys_are_rewrapped_in_one_transaction_or_not_at_all(store: Store) -> None:
    rows = [(kid(number), device_key(number).wrapped, b"new %d" % number, 2) for number in (1, 2, 3)]
    with pytest.raises(StoreConflict):
        store.registry.rewrap_all([*rows, (PROVIDER_KID, b"wrong", b"", 2)])
    assert store.registry.key(kid(1)) == device_key(1)
    assert store.registry.rewrap_all(rows) == 3
    assert store.registry.key(kid(3)) == device_key(3, wrapped=b"new 3", master_version=2)
