"""Which versions of the master key the running processes know: each says so on its status page.

A key wrapped under a version that a process does not know puts its owner's payments off; a version removed
while a process still wraps under it would take new keys along. So both are asked for before, not after.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.cli.context import gateway_runs, gateway_stopped
from tsm_gateway.cli.errors import GatewayRunning, GatewayUnreachable
from tsm_gateway.cli.status_page import fetch_page
from tsm_gateway.errors import Side, TsmError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.daemon.settings import Settings


class MasterVersionAwaited(TsmError):
    """A running process does not know the newest version of the master key yet: reload it first."""

    code, side, temporary = "master-version-awaited", Side.OURS, True


class Running(NamedTuple):
    """A process that may hold master keys, and where it can be asked."""

    name: str
    address: tuple[str, int] | None
    certain: bool  # True: it runs for sure, so that no answer is no proof of anything


@contextmanager
def all_stopped(settings: Settings) -> Iterator[None]:
    """Keep the relay from starting meanwhile, and see that provisioning is stopped. Raises GatewayRunning."""
    with gateway_stopped(settings):
        if settings.provisioning is not None and _answers(settings.provisioning.metrics_address):
            raise GatewayRunning(process="provisioning")
        yield


def _answers(address: tuple[str, int] | None) -> bool:
    try:
        return address is not None and bool(fetch_page(address))
    except GatewayUnreachable:
        return False


def must_know(settings: Settings, version: int) -> tuple[str, ...]:
    """See that every running process knows that version; the names of those that could not be asked.

    Raises MasterVersionAwaited for the first one that does not know it.
    """
    silent = []
    for process in _processes(settings):
        known = _versions_of(process)
        if known is None:
            silent += [process.name] if process.certain else []
        elif version not in known:
            newest = max(known, default=0)
            raise MasterVersionAwaited(process=process.name, version=version, knows=newest)
    return tuple(silent)


def _processes(settings: Settings) -> Iterator[Running]:
    if gateway_runs(settings):
        yield Running("the relay", settings.metrics.address, certain=True)
    if settings.provisioning is not None:
        yield Running("provisioning", settings.provisioning.metrics_address, certain=False)


def _versions_of(process: Running) -> frozenset[int] | None:
    """What it says on its page; None when it does not answer, or is of a release that does not say."""
    if process.address is None:
        return None
    try:
        found = fetch_page(process.address).get("master_versions")
    except GatewayUnreachable:
        return None
    if not isinstance(found, list):
        return None
    return frozenset(each for each in found if type(each) is int)
