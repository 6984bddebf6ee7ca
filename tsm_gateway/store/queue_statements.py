"""The statements behind `queue list`, `queue show` and the counters; compiled when loaded."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select

from tsm_gateway.store.dialect import compiled, given, limited
from tsm_gateway.store.schema import message, part, segment

_entry = (
    message.c.message_id,
    message.c.state,
    message.c.provider,
    message.c.device_id,
    message.c.kid,
    message.c.piv,
    message.c.provider_kid,
    message.c.provider_piv,
    message.c.bearer,
    message.c.receipt,
    message.c.attempts,
    message.c.received_at,
    message.c.changed_at,
    message.c.due_at,
    message.c.reason,
)
# Messages in one state, the longest unchanged first.
LIST_IN_STATE: Final = compiled(
    limited(
        select(*_entry).where(message.c.state == given("in_state")).order_by(message.c.changed_at), "limit"
    ),
    *("in_state", "limit"),
)
LIST_IN_STATE_FOR: Final = compiled(
    limited(
        select(*_entry)
        .where(message.c.state == given("in_state"), message.c.provider == given("provider"))
        .order_by(message.c.changed_at),
        "limit",
    ),
    *("in_state", "provider", "limit"),
)
FIND_MESSAGE: Final = compiled(select(*_entry).where(message.c.message_id == given("id")), "id")
LIST_PARTS: Final = compiled(
    select(part.c.number, part.c.total, part.c.smsc_id, part.c.at, part.c.receipt, part.c.receipt_at)
    .where(part.c.message_id == given("id"))
    .order_by(part.c.number),
    "id",
)
LIST_IDS_BETWEEN: Final = compiled(
    limited(
        select(message.c.message_id)
        .where(message.c.message_id >= given("first"), message.c.message_id <= given("last"))
        .order_by(message.c.message_id),
        "limit",
    ),
    *("first", "last", "limit"),
)
COUNT_BY_STATE: Final = compiled(select(message.c.state, func.count()).group_by(message.c.state))
COUNT_SEGMENTS: Final = compiled(select(func.count()).select_from(segment))
# The age of a backlog: since when the longest waiting message of a state has not moved.
OLDEST_IN_STATE: Final = compiled(
    select(func.min(message.c.changed_at)).where(message.c.state == given("in_state")), "in_state"
)
