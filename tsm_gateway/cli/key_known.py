"""Which versions of the master key the running processes know: each says so on its status page.

A key wrapped under a version that a process does not know puts its owner's payments off; a version removed
while a process still wraps under it would take new keys along. So both are asked for before, not after.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.cli.context import acting_as_owner_of, gateway_runs, gateway_stopped
from tsm_gateway.cli.errors import GatewayRunning, GatewayUnreachable
from tsm_gateway.cli.status_page import fetch_page
from tsm_gateway.daemon.process import Process
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.store.failures import StoreLocked
from tsm_gateway.store.lock_store import StoreLock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.daemon.settings import Settings


class MasterVersionAwaited(TsmError):
    """A running process does not know the newest version of the master key yet: reload it first."""

    code, side, temporary = "master-version-awaited", Side.OURS, True


class Running(NamedTuple):
    """A process that holds master keys, and where it can be asked."""

    name: str
    address: tuple[str, int] | None


@contextmanager
def all_stopped(settings: Settings) -> Iterator[None]:
    """Keep relay and provisioning from starting meanwhile. Raises GatewayRunning when one of them runs."""
    with gateway_stopped(settings), ExitStack() as stack:
        try:
            stack.callback(_lock_of_provisioning(settings).release)
        except StoreLocked as error:
            raise GatewayRunning(process=Process.PROVISIONING.value, pid=error.facts["pid"]) from None
        yield


def provisioning_runs(settings: Settings) -> bool:
    """Whether a provisioning process has the store."""
    try:
        _lock_of_provisioning(settings).release()
    except StoreLocked:
        return True
    return False


def _lock_of_provisioning(settings: Settings) -> StoreLock:
    """The lock that keeps two provisioning processes apart. Raises StoreLocked."""
    path = settings.store.path
    with acting_as_owner_of(path.parent):
        return StoreLock.take(path.with_name(f"{path.name}.{Process.PROVISIONING.value}"))


def must_know(settings: Settings, version: int) -> tuple[str, ...]:
    """See that every running process knows that version; the names of those that could not be asked.

    Raises MasterVersionAwaited for the first one that does not know it.
    """
    silent = []
    for process in _processes(settings):
        known = _versions_of(process)
        if known is None:
            silent.append(process.name)
        elif version not in known:
            newest = max(known, default=0)
            raise MasterVersionAwaited(process=process.name, version=version, knows=newest)
    return tuple(silent)


def _processes(settings: Settings) -> Iterator[Running]:
    if gateway_runs(settings):
        yield Running("the relay", settings.metrics.address)
    if settings.provisioning is not None and provisioning_runs(settings):
        yield Running("provisioning", settings.provisioning.metrics_address)


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
