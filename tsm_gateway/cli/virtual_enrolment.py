"""Enrols a virtual handset through channel 1, as a real one is enrolled, and lets it pay.

The service that sealed the key is asked over TLS; only the last step, which channel 2 will take, is done in
the store: a registered device becomes active.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.cli.actor import operator
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.agent import Agent
from tsm_gateway.virtual.channel import Channel
from tsm_gateway.virtual.personalised import context_of
from tsm_gateway.virtual.security_domain import SecurityDomain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.virtual.party_records import HandsetRecord

REASON = "a virtual handset, for tests only: its application needs no delivery"


class VirtualStoreForeign(TsmError):
    """The gateway at --url keeps its devices in another store than the one configured here."""

    code, side = "virtual-store-foreign", Side.OURS


class Service(NamedTuple):
    """The provisioning service handsets are enrolled at, and how its agents behave."""

    url: str
    tell: Callable[[str, str, str], None]  # (device id, step, what happened)
    sleep: Callable[[float], None] = time.sleep  # between tries; may raise in order to end them


def enrol_through_channel_1(
    service: Service, record: HandsetRecord, keep: Callable[[HandsetRecord], None]
) -> HandsetRecord:
    """Enrol the handset, or go on where it was cut off; `keep` writes down what it became.

    Raises ChannelBroken, ChannelRefused, PackageRefused, KeyLost, FormatMalformed, ValueError for a URL
    that is none.
    """
    domain = SecurityDomain(record)

    def tell(step: str, what: str) -> None:
        service.tell(record.device_id, step, what)

    with Channel(service.url, context_of(record, domain.element), sleep=service.sleep) as channel:
        Agent(domain, channel, keep=keep, tell=tell).enrol()
    return domain.record


def activate(settings: Settings, device_ids: Iterable[str], at: int) -> None:
    """Let registered devices pay; those that may already are left alone.

    Raises VirtualStoreForeign, MoveNotAllowed and what the store raises.
    """
    store = SqliteStore.open(settings.store.path, mark=settings.epoch_mark, exclusive=False, actor=operator())
    try:
        for device_id in device_ids:
            standing = store.provisioning.standing(device_id)
            if standing is None:
                raise VirtualStoreForeign(device_id=device_id)
            if standing.device.state is not DeviceState.ACTIVE:
                store.provisioning.activate(device_id, reason=REASON, at=at)
                store.flush()
    finally:
        store.close()
