"""What must hold of a sound store's applications, cards and jobs; see `check_statements.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, or_, select

from tsm_gateway.registry.card import CardKeyState
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.store.delivery_statements import OPEN
from tsm_gateway.store.dialect import compiled, fixed
from tsm_gateway.store.schema import device
from tsm_gateway.store.schema_delivery import (
    application,
    application_signature,
    card,
    card_inventory,
    card_key,
    device_application,
    job,
    load_file,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Table

DELIVERY_TABLES: Final[tuple[Table, ...]] = (
    *(load_file, application, application_signature, rule, device_application),
    *(card, card_key, card_inventory, job),
)
_retired = card_key.c.state == fixed(CardKeyState.RETIRED)
_empty = func.length(card_key.c.wrapped) == fixed(0)
_ours = card_key.c.state.in_([fixed(CardKeyState.PENDING), fixed(CardKeyState.CURRENT)])
_still_open = job.c.state.in_([fixed(state) for state in OPEN])

DELIVERY_RULES: Final[Mapping[str, str]] = {
    "a published application is signed": compiled(
        select(func.count()).where(application.c.digest.not_in(select(application_signature.c.digest)))
    ),
    "a load file is an application's": compiled(
        select(func.count()).where(load_file.c.digest.not_in(select(application.c.digest)))
    ),
    "a rule is about an application": compiled(
        select(func.count()).where(rule.c.application.not_in(select(application.c.name)))
    ),
    "what is on a device is the application of that name and load file": compiled(
        select(func.count())
        .select_from(device_application)
        .outerjoin(application, application.c.digest == device_application.c.digest)
        .where(
            or_(
                application.c.name.is_(None),
                application.c.name != device_application.c.application,
            )
        )
    ),
    "a card has a key set": compiled(
        select(func.count()).where(card.c.app_se.not_in(select(card_key.c.app_se).where(~_retired)))
    ),
    "a card has at most one pending and one current key set": compiled(
        select(func.count()).select_from(
            select(card_key.c.app_se)
            .where(_ours)
            .group_by(card_key.c.app_se, card_key.c.state)
            .having(func.count() > fixed(1))
            .subquery()
        )
    ),
    "a key set of a card has no octets if and only if it is retired": compiled(
        select(func.count()).select_from(card_key).where(_retired != _empty)
    ),
    "a device has one open job of a kind for an application at most": compiled(
        select(func.count()).select_from(
            select(job.c.device_id)
            .where(_still_open)
            .group_by(job.c.device_id, job.c.kind, job.c.application)
            .having(func.count() > fixed(1))
            .subquery()
        )
    ),
    "nobody works for a terminated device": compiled(
        select(func.count())
        .select_from(job)
        .join(device, device.c.device_id == job.c.device_id)
        .where(_still_open, device.c.state == fixed(DeviceState.TERMINATED))
    ),
}
