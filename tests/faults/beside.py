"""An operator beside a running relay: another connection to its store, as a command has."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.relay.rig import Rig
    from tsm_gateway.store.registry_store import RegistryStore


@contextmanager
def registry_beside(rig: Rig) -> Iterator[RegistryStore]:
    """The registry as an operator's command opens it; it waits for the relay's transactions."""
    store = SqliteStore.open(rig.folder / "gateway.db", mark=rig.folder / "epoch", exclusive=False)
    try:
        yield store.registry
    finally:
        store.close()
