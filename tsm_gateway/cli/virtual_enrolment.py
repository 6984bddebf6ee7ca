"""Enrols a virtual handset through channel 1, as a real one is enrolled, and lets it pay.

The service that sealed the key is asked over TLS. A handset whose app element is a card gets its application
through channel 2 then (virtual_delivery.py). For one without, whose makers installed the application, the
last step is done in the store: a registered device becomes active.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
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
    from collections.abc import Callable, Iterable, Iterator

    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.virtual.party_records import HandsetRecord

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach who listens everywhere
REASON = "a virtual handset, for tests only: its application needs no delivery"


class VirtualStoreForeign(TsmError):
    """The gateway at --url keeps its devices in another store than the one configured here."""

    code, side = "virtual-store-foreign", Side.OURS


class Service(NamedTuple):
    """The provisioning service handsets are enrolled at, and how its agents behave."""

    url: str
    tell: Callable[[str, str, str], None]  # (device id, step, what happened)
    sleep: Callable[[float], None] = time.sleep  # between tries; may raise in order to end them


def url_of(address: tuple[str, int]) -> str:
    """Where to reach a channel that listens at `address` (host, port)."""
    host, port = EVERYWHERE.get(address[0], address[0]), address[1]
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


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
    with opened_store(settings) as store:
        for device_id in device_ids:
            standing = store.provisioning.standing(device_id)
            if standing is None:
                raise VirtualStoreForeign(device_id=device_id)
            if standing.device.state is not DeviceState.ACTIVE:
                store.provisioning.activate(device_id, reason=REASON, at=at)
                store.flush()


@contextmanager
def opened_store(settings: Settings) -> Iterator[SqliteStore]:
    """The configured store, beside the processes that run on it, in the name of whoever calls."""
    store = SqliteStore.open(settings.store.path, mark=settings.epoch_mark, exclusive=False, actor=operator())
    try:
        yield store
    finally:
        store.close()
