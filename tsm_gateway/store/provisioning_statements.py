"""The statements of provisioning, each with a sentence; compiled when loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, select, update

from tsm_gateway.registry.control import ControlState
from tsm_gateway.registry.device import KeyState
from tsm_gateway.store.dialect import compiled, fixed, given, insert_row, limited, put_row
from tsm_gateway.store.registry_statements import KEY
from tsm_gateway.store.schema import message, replay_window, wrapped_key
from tsm_gateway.store.schema_provisioning import (
    control_in,
    control_out,
    enrolment,
    key_order,
    key_package,
    registration,
    secure_element,
    suspension,
)

if TYPE_CHECKING:
    from sqlalchemy import Table


def _of_device(table: Table) -> str:
    """The row of one device."""
    return compiled(select(table).where(table.c.device_id == given("device_id")), "device_id")


# --- one device ---

PUT_ENROLMENT: Final = put_row(enrolment)
FIND_ENROLMENT: Final = _of_device(enrolment)
INSERT_ENROLMENT: Final = insert_row(enrolment)

PUT_REGISTRATION: Final = put_row(registration)
FIND_REGISTRATION: Final = _of_device(registration)

PUT_SUSPENSION: Final = put_row(suspension)
FIND_SUSPENSION: Final = _of_device(suspension)
DELETE_SUSPENSION: Final = compiled(
    delete(suspension).where(suspension.c.device_id == given("of_device")), "of_device"
)

# --- secure elements of live devices ---

INSERT_ELEMENT: Final = insert_row(secure_element)
FIND_ELEMENT: Final = compiled(
    select(secure_element).where(secure_element.c.se_id == given("se_id")), "se_id"
)
FIND_CLAIM: Final = compiled(  # and the registration of whoever made it
    select(*secure_element.c, *registration.c)
    .outerjoin_from(secure_element, registration, registration.c.device_id == secure_element.c.device_id)
    .where(secure_element.c.se_id == given("se_id")),
    "se_id",
)
DELETE_ELEMENT: Final = compiled(
    delete(secure_element).where(
        secure_element.c.se_id == given("of_element"), secure_element.c.device_id == given("of_device")
    ),
    *("of_element", "of_device"),
)

# --- key packages ---

INSERT_PACKAGE: Final = insert_row(key_package)
FIND_PACKAGE: Final = compiled(select(key_package).where(key_package.c.kid == given("kid")), "kid")
UPDATE_PACKAGE: Final = compiled(
    update(key_package)
    .values(confirmed_at=given("confirmed_at"), unused_at=given("unused_at"), crc=given("crc"))
    .where(key_package.c.kid == given("of_kid")),
    *("confirmed_at", "unused_at", "crc", "of_kid"),
)
# By the device's keys, which an index finds; the newest.
LIST_PACKAGES_OF: Final = compiled(
    limited(
        select(key_package)
        .select_from(wrapped_key.join(key_package, key_package.c.kid == wrapped_key.c.kid))
        .where(wrapped_key.c.device_id == given("device_id"))
        .order_by(wrapped_key.c.epoch.desc()),
        "limit",
    ),
    *("device_id", "limit"),
)
# Keys that wait and under which nothing came, without the newest of all; the oldest first.
LIST_UNUSED_KEYS: Final = compiled(
    limited(
        select(*KEY)
        .join(replay_window, replay_window.c.kid == wrapped_key.c.kid)
        .join(key_package, key_package.c.kid == wrapped_key.c.kid)
        .where(
            wrapped_key.c.device_id == given("device_id"),
            wrapped_key.c.state == fixed(KeyState.PENDING),
            wrapped_key.c.kid != given("newest"),
            replay_window.c.highest <= key_package.c.unused_at,
        )
        .order_by(wrapped_key.c.epoch),
        "limit",
    ),
    *("device_id", "newest", "limit"),
)
# Keys that wait, the oldest first.
LIST_WAITING_KEYS: Final = compiled(
    limited(
        select(*KEY)
        .where(wrapped_key.c.device_id == given("device_id"), wrapped_key.c.state == fixed(KeyState.PENDING))
        .order_by(wrapped_key.c.epoch),
        "limit",
    ),
    *("device_id", "limit"),
)

# --- orders ---

PUT_ORDER: Final = put_row(key_order)
DELETE_ORDER: Final = compiled(
    delete(key_order).where(key_order.c.device_id == given("of_device")), "of_device"
)
FIND_ORDER: Final = _of_device(key_order)
LIST_ORDERS: Final = compiled(limited(select(key_order).order_by(key_order.c.ordered_at), "limit"), "limit")

# --- over the air ---

# Authenticated under (kid, PIV) and taken once; the replay window is moved in the same transaction.
INSERT_ARRIVAL: Final = insert_row(control_in)
LIST_ARRIVALS_UNDER: Final = compiled(select(control_in.c.piv).where(control_in.c.kid == given("kid")), "kid")
LIST_ARRIVALS: Final = compiled(
    limited(select(control_in).order_by(control_in.c.received_at), "limit"), "limit"
)
DELETE_ARRIVAL: Final = compiled(
    delete(control_in).where(control_in.c.kid == given("of_kid"), control_in.c.piv == given("of_piv")),
    *("of_kid", "of_piv"),
)
DELETE_ARRIVALS_UNDER: Final = compiled(
    delete(control_in).where(control_in.c.kid == given("of_kid")), "of_kid"
)
INSERT_CONTROL: Final = insert_row(control_out)
FIND_CONTROL: Final = compiled(select(control_out).where(control_out.c.message_id == given("id")), "id")
UPDATE_CONTROL: Final = compiled(
    update(control_out)
    .values(
        state=given("state"),
        attempts=given("attempts"),
        due_at=given("due_at"),
        changed_at=given("changed_at"),
        reason=given("reason"),
        crc=given("crc"),
    )
    .where(control_out.c.message_id == given("id")),
    *("state", "attempts", "due_at", "changed_at", "reason", "crc", "id"),
)
DELETE_CONTROLS_OF: Final = compiled(
    delete(control_out).where(control_out.c.device_id == given("of_device")), "of_device"
)
LIST_MESSAGES_OF: Final = compiled(
    select(control_out)
    .where(control_out.c.device_id == given("device_id"))
    .order_by(control_out.c.created_at.desc()),
    "device_id",
)
LIST_DUE_MESSAGES: Final = compiled(
    limited(
        select(control_out)
        .where(control_out.c.state == fixed(ControlState.QUEUED), control_out.c.due_at <= given("now"))
        .order_by(control_out.c.due_at, control_out.c.created_at),
        "limit",
    ),
    *("now", "limit"),
)

COUNT_QUEUED: Final = compiled(
    select(func.count()).select_from(control_out).where(control_out.c.state == fixed(ControlState.QUEUED))
)
COUNT_ARRIVALS: Final = compiled(select(func.count()).select_from(control_in))

# --- what a device did ---

# Its payments, by its keys: message has no index of devices, and needs none for this.
LIST_PROVIDERS_OF: Final = compiled(
    select(message.c.provider, func.count(), func.max(message.c.received_at))
    .where(message.c.kid.in_(select(wrapped_key.c.kid).where(wrapped_key.c.device_id == given("device_id"))))
    .group_by(message.c.provider)
    .order_by(message.c.provider),
    "device_id",
)
