"""What must hold of a sound store, one statement each; compiled when loaded.

Every statement counts the rows that break the sentence beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, not_, or_, select

from tsm_gateway.registry.device import KeyState
from tsm_gateway.relay.states import MessageState
from tsm_gateway.store.dialect import compiled, fixed
from tsm_gateway.store.schema import message, meta, outbox, part, piv_counter, replay_window, wrapped_key

if TYPE_CHECKING:
    from collections.abc import Mapping

S = MessageState
NEEDS_PACKET: Final = (S.QUEUED, S.ACTIVE, S.DEFERRED, S.HELD)
_packet = select(outbox.c.message_id).where(outbox.c.message_id == message.c.message_id).exists()
_waits = message.c.state.in_([fixed(S.QUEUED), fixed(S.DEFERRED)])

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
