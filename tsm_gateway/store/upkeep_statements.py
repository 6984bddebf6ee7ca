"""Which keys of a million devices want a successor, or have one that is in use; compiled when loaded."""

from __future__ import annotations

from typing import Final

from sqlalchemy import and_, func, or_, select, tuple_

from tsm_gateway.registry.control import ControlState
from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.store.dialect import compiled, fixed, given, limited
from tsm_gateway.store.registry_statements import KEY
from tsm_gateway.store.schema import device, replay_window, wrapped_key
from tsm_gateway.store.schema_provisioning import (
    control_in,
    control_out,
    key_order,
    key_package,
    registration,
)

_newer = wrapped_key.alias("newer")
# The short messages with that key never got through, or nothing came of them for too long: it waits in vain.
_lost = (
    select(control_out.c.kid)
    .where(
        control_out.c.device_id == _newer.c.device_id,
        control_out.c.kid == _newer.c.kid,
        or_(
            control_out.c.state == fixed(ControlState.FAILED),
            and_(control_out.c.state == fixed(ControlState.SENT), control_out.c.changed_at < given("silent")),
        ),
    )
    .exists()
)
# Keys that wait for the device behind its current one.
_waiting = (
    _newer.c.device_id == wrapped_key.c.device_id,
    _newer.c.epoch > wrapped_key.c.epoch,
    _newer.c.state == fixed(KeyState.PENDING),
)
# Something is done about it already: a key was ordered, or waits for the device.
_under_way = or_(
    select(key_order.c.device_id).where(key_order.c.device_id == wrapped_key.c.device_id).exists(),
    select(_newer.c.kid).where(*_waiting, ~_lost).exists(),
)
_wanted = (
    wrapped_key.c.state == fixed(KeyState.CURRENT),
    wrapped_key.c.device_id.is_not(None),
    device.c.state == fixed(DeviceState.ACTIVE),
    ~_under_way,
)

FIND_CREATED: Final = compiled(
    select(wrapped_key.c.created_at, wrapped_key.c.kid).where(wrapped_key.c.kid == given("kid")), "kid"
)
# The oldest first, from behind one of them.
LIST_AGED_KEYS: Final = compiled(
    limited(
        select(*KEY)
        .join(device, device.c.device_id == wrapped_key.c.device_id)
        .where(
            *_wanted,
            wrapped_key.c.created_at < given("before"),
            tuple_(wrapped_key.c.created_at, wrapped_key.c.kid) > tuple_(given("created"), given("after")),
        )
        .order_by(wrapped_key.c.created_at, wrapped_key.c.kid),
        "limit",
    ),
    *("silent", "before", "created", "after", "limit"),
)
# Those of a range of kids that are not old but were used much. Windows and packages are looked at first,
# which leaves few to look at further.
LIST_OVERUSED_KEYS: Final = compiled(
    limited(
        select(*KEY)
        .join(device, device.c.device_id == wrapped_key.c.device_id)
        .where(
            wrapped_key.c.kid.in_(
                select(replay_window.c.kid)
                .join(key_package, key_package.c.kid == replay_window.c.kid)
                .where(
                    replay_window.c.kid > given("after"),
                    replay_window.c.kid <= given("up_to"),
                    replay_window.c.highest - key_package.c.first_piv >= given("packets"),
                )
            ),
            wrapped_key.c.created_at >= given("before"),
            *_wanted,
        )
        .order_by(wrapped_key.c.kid),
        "limit",
    ),
    *("after", "up_to", "packets", "before", "silent", "limit"),
)
# Keys that replace another one, were used, and are not confirmed: the confirmation was lost. While one waits
# to be judged, that decides.
LIST_USED_PENDING: Final = compiled(
    limited(
        select(*KEY, replay_window.c.highest, replay_window.c.bitmap, replay_window.c.crc, *key_package.c)
        .join(replay_window, replay_window.c.kid == wrapped_key.c.kid)
        .join(key_package, key_package.c.kid == wrapped_key.c.kid)
        .join(registration, registration.c.device_id == wrapped_key.c.device_id)
        .join(device, device.c.device_id == wrapped_key.c.device_id)
        .where(
            and_(
                wrapped_key.c.state == fixed(KeyState.PENDING),
                wrapped_key.c.epoch > fixed(1),
                wrapped_key.c.kid > given("after"),
            ),
            device.c.state.in_(
                [fixed(DeviceState.REGISTERED), fixed(DeviceState.ACTIVE)]  # nobody knows who has others
            ),
            replay_window.c.highest > key_package.c.unused_at,
            ~select(control_in.c.kid).where(control_in.c.kid == wrapped_key.c.kid).exists(),
        )
        .order_by(wrapped_key.c.kid),
        "limit",
    ),
    *("after", "limit"),
)
# Packages of keys that wait, with their windows: where a resync moves the mark of no use along.
LIST_WAITING_PACKAGES: Final = compiled(
    limited(
        select(replay_window.c.highest, *key_package.c)
        .select_from(wrapped_key)
        .join(replay_window, replay_window.c.kid == wrapped_key.c.kid)
        .join(key_package, key_package.c.kid == wrapped_key.c.kid)
        .where(wrapped_key.c.state == fixed(KeyState.PENDING), wrapped_key.c.kid > given("after"))
        .order_by(wrapped_key.c.kid),
        "limit",
    ),
    *("after", "limit"),
)

# For people who look whether all is well.
COUNT_STUCK: Final = compiled(
    select(func.count())
    .select_from(device)
    .where(device.c.state == fixed(DeviceState.KEYED), device.c.changed_at < given("before")),
    "before",
)
COUNT_UNCONFIRMED: Final = compiled(
    select(func.count())
    .select_from(wrapped_key.join(device, device.c.device_id == wrapped_key.c.device_id))
    .where(
        wrapped_key.c.state == fixed(KeyState.PENDING),
        wrapped_key.c.created_at < given("before"),
        device.c.state.in_([fixed(DeviceState.REGISTERED), fixed(DeviceState.ACTIVE)]),
    ),
    "before",
)
# Current keys behind which so many wait that the policy orders no other one.
COUNT_GIVEN_UP: Final = compiled(
    select(func.count())
    .select_from(wrapped_key.join(device, device.c.device_id == wrapped_key.c.device_id))
    .where(
        *_wanted,
        select(func.count()).select_from(_newer).where(*_waiting).scalar_subquery() >= given("tries"),
    ),
    *("silent", "tries"),
)

# --- whose certificates are looked at again ---

LIST_PROVED: Final = compiled(
    limited(
        select(device)
        .where(
            device.c.device_id > given("after"),
            device.c.state.in_([fixed(DeviceState.REGISTERED), fixed(DeviceState.ACTIVE)]),
        )
        .order_by(device.c.device_id),
        "limit",
    ),
    *("after", "limit"),
)
