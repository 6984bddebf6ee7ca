"""What must hold of a sound store, one statement each; compiled when loaded.

Every statement counts the rows that break the sentence beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, case, func, not_, or_, select

from tsm_gateway.registry.audit import DONE
from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.relay.states import MessageState
from tsm_gateway.store.acts import FORGET_ELEMENTS
from tsm_gateway.store.check_delivery_statements import DELIVERY_RULES, DELIVERY_TABLES
from tsm_gateway.store.dialect import compiled, fixed
from tsm_gateway.store.schema import (
    device,
    message,
    meta,
    outbox,
    part,
    piv_counter,
    replay_window,
    wrapped_key,
)
from tsm_gateway.store.schema_provisioning import (
    audit,
    audit_head,
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
    from collections.abc import Mapping

S = MessageState
NEEDS_PACKET: Final = (S.QUEUED, S.ACTIVE, S.DEFERRED, S.HELD)
_packet = select(outbox.c.message_id).where(outbox.c.message_id == message.c.message_id).exists()
_waits = message.c.state.in_([fixed(S.QUEUED), fixed(S.DEFERRED)])

ACCEPTED: Final = (KeyState.PENDING, KeyState.CURRENT, KeyState.OVERLAP)
_elements = (
    select(func.count())
    .select_from(secure_element)
    .where(
        secure_element.c.device_id == registration.c.device_id,
        secure_element.c.se_id.in_([registration.c.crypto_se, registration.c.app_se]),
    )
    .scalar_subquery()
)
# By an operator, since it registered.
_freed = (
    select(audit.c.sequence)
    .where(
        audit.c.subject == registration.c.device_id,
        audit.c.action == fixed(FORGET_ELEMENTS),
        audit.c.outcome == fixed(DONE),
        audit.c.at >= registration.c.registered_at,
    )
    .exists()
)

RULES: Final[Mapping[str, str]] = {
    "the table meta holds exactly one row": compiled(
        select(func.abs(func.count() - fixed(1))).select_from(meta)
    ),
    "the state of a message is one of the state table's": compiled(
        select(func.count()).where(message.c.state.not_in([fixed(state) for state in MessageState]))
    ),
    "a message that is to be sent has its packet": compiled(
        select(func.count()).where(
            message.c.state.in_([fixed(state) for state in NEEDS_PACKET]), not_(_packet)
        )
    ),
    "a packet belongs to a message": compiled(
        select(func.count())
        .select_from(outbox)
        .where(outbox.c.message_id.not_in(select(message.c.message_id)))
    ),
    "a part belongs to a message": compiled(
        select(func.count()).select_from(part).where(part.c.message_id.not_in(select(message.c.message_id)))
    ),
    "a message is due if and only if it is queued or deferred": compiled(
        select(func.count()).where(
            or_(_waits & message.c.due_at.is_(None), not_(_waits) & message.c.due_at.is_not(None))
        )
    ),
    "every device key has a replay window": compiled(
        select(func.count()).where(
            wrapped_key.c.device_id.is_not(None), wrapped_key.c.kid.not_in(select(replay_window.c.kid))
        )
    ),
    "every provider key has a counter": compiled(
        select(func.count()).where(
            wrapped_key.c.provider.is_not(None), wrapped_key.c.kid.not_in(select(piv_counter.c.kid))
        )
    ),
    "no replay window is behind a payment accepted under its key": compiled(
        select(func.count())
        .select_from(message)
        .join(replay_window, replay_window.c.kid == message.c.kid)
        .where(message.c.piv > replay_window.c.highest)
    ),
    "no provider key's counter is behind a packet sealed with it": compiled(
        select(func.count())
        .select_from(message)
        .join(piv_counter, piv_counter.c.kid == message.c.provider_kid)
        .where(message.c.provider_piv >= piv_counter.c.next_piv)
    ),
    "an owner has at most one current key": compiled(
        select(func.count()).select_from(
            select(wrapped_key.c.device_id)
            .where(wrapped_key.c.state == fixed(KeyState.CURRENT))
            .group_by(wrapped_key.c.device_id, wrapped_key.c.provider)
            .having(func.count() > fixed(1))
            .subquery()
        )
    ),
    "the table audit_head holds exactly one row": compiled(
        select(func.abs(func.count() - fixed(1))).select_from(audit_head)
    ),
    "a key that waits has its package": compiled(
        select(func.count()).where(
            wrapped_key.c.state == fixed(KeyState.PENDING),
            wrapped_key.c.kid.not_in(select(key_package.c.kid)),
        )
    ),
    "a package carries a key of its device and epoch": compiled(
        select(func.count())
        .select_from(key_package)
        .join(wrapped_key, wrapped_key.c.kid == key_package.c.kid)
        .where(
            or_(
                wrapped_key.c.device_id.is_distinct_from(key_package.c.device_id),
                wrapped_key.c.epoch != key_package.c.epoch,
            )
        )
    ),
    "a terminated device has no key that is accepted": compiled(
        select(func.count())
        .select_from(wrapped_key)
        .join(device, device.c.device_id == wrapped_key.c.device_id)
        .where(
            device.c.state == fixed(DeviceState.TERMINATED),
            wrapped_key.c.state.in_([fixed(state) for state in ACCEPTED]),
        )
    ),
    "a registered device that lives has its two secure elements unless freed, no other has": compiled(
        select(func.count()).select_from(
            select(registration.c.device_id)
            .join(device, device.c.device_id == registration.c.device_id)
            .where(
                _elements
                != case((device.c.state == fixed(DeviceState.TERMINATED), fixed(0)), else_=fixed(2)),
                not_(and_(_elements == fixed(0), _freed)),
            )
            .subquery()
        )
    ),
    "a secure element belongs to a registration": compiled(
        select(func.count()).where(
            secure_element.c.device_id.not_in(select(registration.c.device_id)),
        )
    ),
    "a suspension is that of a suspended device": compiled(
        select(func.count())
        .select_from(suspension)
        .join(device, device.c.device_id == suspension.c.device_id)
        .where(device.c.state != fixed(DeviceState.SUSPENDED))
    ),
    "nobody waits to send a terminated device a key": compiled(
        select(func.count())
        .select_from(device)
        .where(
            device.c.state == fixed(DeviceState.TERMINATED),
            or_(
                device.c.device_id.in_(select(key_order.c.device_id)),
                device.c.device_id.in_(select(control_out.c.device_id)),
            ),
        )
    ),
    **DELIVERY_RULES,
}

# Every row of a table of either channel, for its checksum; a cursor holds one at a time.
EVERY_ROW: Final[Mapping[str, str]] = {
    table.name: compiled(select(table).order_by(*table.primary_key.columns))
    for table in (
        *(enrolment, key_package, registration, secure_element),
        *(suspension, key_order, control_in, control_out),
        *DELIVERY_TABLES,
    )
}

READ_PACKETS: Final = compiled(
    select(
        message.c.message_id,
        message.c.provider,
        message.c.reference,
        message.c.received_at,
        outbox.c.packet,
        message.c.receipt,
        outbox.c.crc,
    ).join(outbox, outbox.c.message_id == message.c.message_id)
)
