"""`key rotate --prune`: remove versions of the master key that wrap no stored key, and never one that does.

| who could still need one | kept from losing it by |
|---|---|
| a stored key | its version is counted under the store's write lock, held until the file is written |
| a command that wraps a key right now | it holds the file (`keys/master_hold_store.py`), which is then busy |
| a running process | it is asked first: one that does not know the newest version still wraps under another |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.cli.context import acting_as_owner_of, existing_store, read_masters
from tsm_gateway.cli.key_audit import key_act
from tsm_gateway.cli.key_known import must_know
from tsm_gateway.keys.master_hold_store import versions_alone
from tsm_gateway.keys.master_store import prune_master_versions
from tsm_gateway.relay.interfaces import StoreConflict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.store.sqlite_store import SqliteStore


def prune(settings: Settings, path: Path, ask: Callable[[tuple[str, ...]], None]) -> dict[str, object]:
    """Remove what wraps nothing from the master key file at `path`; what was done, for people.

    `ask` gets the names of running processes that do not say what they know. Raises MasterFileBusy while a
    command wraps keys, MasterVersionAwaited, StoreConflict when keys were added meanwhile.
    """
    with versions_alone(path), existing_store(settings) as store:
        masters = read_masters(settings, path)
        ask(must_know(settings, masters.current.version))
        used = store.registry.masters_in_use()
        unused = [each for each in masters.versions() if each not in {*used, masters.current.version}]
        if unused:
            _remove(store, path, used, unused)
    return {"path": str(path), "removed": unused, "in_use": sorted(used)}


def _remove(store: SqliteStore, path: Path, used: dict[int, int], unused: list[int]) -> None:
    """The entry comes first: it opens the transaction, and from there on nobody else writes keys.

    A crash behind the file's change loses the entry, never a key.
    """
    removed = " ".join(map(str, unused))
    store.provisioning.note(key_act("master.prune", "wraps no stored key", removed=removed))
    if set(store.registry.masters_in_use()) - set(used):
        raise StoreConflict(cause="keys were added meanwhile")
    with acting_as_owner_of(path):
        prune_master_versions(path, set(used))
    store.flush()
