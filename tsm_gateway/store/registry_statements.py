"""The statements of registry and administration, each with a sentence; compiled when loaded."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, func, insert, select, update

from tsm_gateway.registry.device import KeyState
from tsm_gateway.store.dialect import compiled, fixed, given, insert_row, limited
from tsm_gateway.store.schema import (
    device,
    meta,
    piv_counter,
    provider,
    provider_address,
    replay_window,
    wrapped_key,
)

# --- the store itself ---

# A new store; generation 0 says that nothing was ever written.
INSERT_META: Final = compiled(
    insert(meta).values(
        id=fixed(1),
        store_id=given("store_id"),
        epoch=fixed(1),
        generation=fixed(0),
        registry_version=fixed(0),
        queue_version=fixed(0),
        copied=fixed(0),
    ),
    "store_id",
)
STAMP_COPY: Final = compiled(update(meta).values(copied=fixed(1)))
# After a resync every other copy of this store is a stranger to its mark.
BEGIN_EPOCH: Final = compiled(
    update(meta).values(store_id=given("new_id"), epoch=meta.c.epoch + fixed(1), copied=fixed(0)),
    "new_id",
)

# --- what the relay asks ---

KEY: Final = (
    wrapped_key.c.kid,
    wrapped_key.c.device_id,
    wrapped_key.c.provider,
    wrapped_key.c.epoch,
    wrapped_key.c.state,
    wrapped_key.c.wrapped,
    wrapped_key.c.master_version,
    wrapped_key.c.created_at,
    wrapped_key.c.accepted_until,
    wrapped_key.c.crc,
)
FIND_WINDOW: Final = compiled(
    select(replay_window.c.highest, replay_window.c.bitmap, replay_window.c.crc).where(
        replay_window.c.kid == given("kid")
    ),
    "kid",
)
# A device, by one of its keys: three look-ups by primary key, however many devices there are.
FIND_DEVICE_OF: Final = compiled(
    select(*KEY, *device.c, replay_window.c.highest, replay_window.c.bitmap, replay_window.c.crc)
    .join(device, device.c.device_id == wrapped_key.c.device_id)
    .join(replay_window, replay_window.c.kid == wrapped_key.c.kid)
    .where(wrapped_key.c.kid == given("kid")),
    "kid",
)
FIND_NAME_AT: Final = compiled(
    select(provider_address.c.name).where(provider_address.c.address == given("address")), "address"
)
FIND_PROVIDER: Final = compiled(select(provider).where(provider.c.name == given("name")), "name")
LIST_ADDRESSES: Final = compiled(
    select(provider_address.c.address)
    .where(provider_address.c.name == given("name"))
    .order_by(provider_address.c.position),
    "name",
)
# A provider's current key and counter.
FIND_SEALING_KEY: Final = compiled(
    select(*KEY, piv_counter.c.next_piv, piv_counter.c.crc)
    .join(piv_counter, piv_counter.c.kid == wrapped_key.c.kid)
    .where(wrapped_key.c.provider == given("name"), wrapped_key.c.state == fixed(KeyState.CURRENT)),
    "name",
)

# --- what people ask ---

FIND_DEVICE: Final = compiled(select(device).where(device.c.device_id == given("device_id")), "device_id")
LIST_DEVICES: Final = compiled(
    limited(select(device).where(device.c.device_id > given("after")).order_by(device.c.device_id), "limit"),
    *("after", "limit"),
)
LIST_DEVICES_IN: Final = compiled(
    limited(
        select(device)
        .where(device.c.device_id > given("after"), device.c.state == given("in_state"))
        .order_by(device.c.device_id),
        "limit",
    ),
    *("after", "in_state", "limit"),
)
LIST_PROVIDERS: Final = compiled(select(provider).order_by(provider.c.name))
FIND_KEY: Final = compiled(select(*KEY).where(wrapped_key.c.kid == given("kid")), "kid")
LIST_KEYS_OF_DEVICE: Final = compiled(
    select(*KEY).where(wrapped_key.c.device_id == given("owner")).order_by(wrapped_key.c.epoch.desc()),
    "owner",
)
LIST_NEWEST_KEYS: Final = compiled(
    limited(
        select(*KEY).where(wrapped_key.c.device_id == given("owner")).order_by(wrapped_key.c.epoch.desc()),
        "limit",
    ),
    *("owner", "limit"),
)
COUNT_WAITING_KEYS: Final = compiled(
    select(func.count())
    .select_from(wrapped_key)
    .where(wrapped_key.c.device_id == given("owner"), wrapped_key.c.state == fixed(KeyState.PENDING)),
    "owner",
)
LIST_KEYS_OF_PROVIDER: Final = compiled(
    select(*KEY).where(wrapped_key.c.provider == given("owner")).order_by(wrapped_key.c.epoch.desc()),
    "owner",
)
LIST_PROVIDER_KEYS: Final = compiled(
    select(*KEY)
    .where(wrapped_key.c.provider > fixed(""))
    .order_by(wrapped_key.c.provider, wrapped_key.c.epoch)
)
# Every key is looked at, its wrapped octets are not read into memory: a second for a million.
LIST_ALL_KEYS: Final = compiled(
    limited(select(*KEY).where(wrapped_key.c.kid > given("after")).order_by(wrapped_key.c.kid), "limit"),
    *("after", "limit"),
)
# Keys that were replaced and whose overlap is over.
LIST_LAPSED_KEYS: Final = compiled(select(*KEY).where(wrapped_key.c.accepted_until <= given("now")), "now")

# --- administration ---

INSERT_DEVICE: Final = insert_row(device)
INSERT_PROVIDER: Final = insert_row(provider)
INSERT_ADDRESS: Final = insert_row(provider_address)
INSERT_KEY: Final = insert_row(wrapped_key)
INSERT_WINDOW: Final = insert_row(replay_window)
INSERT_COUNTER: Final = insert_row(piv_counter)
DELETE_ADDRESSES: Final = compiled(
    delete(provider_address).where(provider_address.c.name == given("of_name")), "of_name"
)
UPDATE_DEVICE: Final = compiled(
    update(device)
    .values({name: given(name) for name in device.c.keys()[1:]})
    .where(device.c.device_id == given("id")),
    *device.c.keys()[1:],
    "id",
)
UPDATE_PROVIDER: Final = compiled(
    update(provider)
    .values({name: given(name) for name in provider.c.keys()[1:]})
    .where(provider.c.name == given("id")),
    *provider.c.keys()[1:],
    "id",
)
UPDATE_KEY: Final = compiled(
    update(wrapped_key)
    .values(
        state=given("state"),
        wrapped=given("wrapped"),
        master_version=given("master_version"),
        accepted_until=given("accepted_until"),
        crc=given("crc"),
    )
    .where(wrapped_key.c.kid == given("id")),
    *("state", "wrapped", "master_version", "accepted_until", "crc", "id"),
)

# --- resync: in slices by kid, a million keys need no million rows in memory ---

LIST_WINDOWS: Final = compiled(
    limited(
        select(replay_window).where(replay_window.c.kid > given("after")).order_by(replay_window.c.kid),
        "limit",
    ),
    *("after", "limit"),
)
LIST_COUNTERS: Final = compiled(select(piv_counter).order_by(piv_counter.c.kid))
SET_WINDOW: Final = compiled(
    update(replay_window)
    .values(highest=given("highest"), bitmap=given("bitmap"), crc=given("crc"))
    .where(replay_window.c.kid == given("id")),
    *("highest", "bitmap", "crc", "id"),
)
SET_COUNTER: Final = compiled(
    update(piv_counter)
    .values(next_piv=given("next_piv"), crc=given("crc"))
    .where(piv_counter.c.kid == given("id")),
    *("next_piv", "crc", "id"),
)
