"""What commands open: settings, the store, the master key; each failure names the way out.

As root, the store is opened with the effective user of the directory it lies in, so that a file a
command makes there is the daemon's.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tsm_gateway.cli.actor import operator
from tsm_gateway.cli.errors import GatewayRunning, NotFound
from tsm_gateway.daemon.settings import Problem, SettingsErrors, load_settings
from tsm_gateway.keys.master_hold_store import versions_kept
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.store.failures import StoreLocked
from tsm_gateway.store.open_store import locked
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.keys.wrap import MasterKeys

ROOT = 0
Command = TypeVar("Command", bound="Callable[..., Any]")


def master_option(command: Command) -> Command:
    """Give `command` the option `--master`, as its argument `master`."""
    option = click.option(
        "--master",
        type=click.Path(dir_okay=False, resolve_path=True, path_type=Path),
        help="Master key file, in place of keys.master: only the service sees its credentials.",
    )
    return option(command)


def read_settings(path: Path) -> Settings:
    """The settings, as far as administration needs them. Raises SettingsErrors."""
    try:
        return load_settings(path, to_run=False)
    except SettingsErrors as errors:
        first = errors.problems[0]
        if first.line:
            raise
        way_out = "name yours: tsm-gateway --config FILE …"
        raise SettingsErrors([Problem(first.file, 0, "", first.problem, way_out)]) from None


def read_masters(settings: Settings, override: Path | None = None) -> MasterKeys:
    """Every version of the master key. Raises one of the errors of `keys.master_store`."""
    path = override or master_path(settings)
    if path is None:
        return read_master(settings.keys.master)
    with acting_as_owner_of(path):
        return read_master(f"file:{path}")


@contextmanager
def held_masters(settings: Settings, override: Path | None = None) -> Iterator[MasterKeys]:
    """As `read_masters`, and the file is not replaced inside the block.

    For whoever wraps keys and stores them: a version pruned in between would take the new key with it.
    """
    masters, path = read_masters(settings, override), override or master_path(settings)
    if path is None:  # a credential is a copy that nobody changes
        yield masters
        return
    with versions_kept(path):
        yield read_masters(settings, override)


def master_path(settings: Settings) -> Path | None:
    """The file `keys.master` names; None when it is a credential."""
    kind, _, name = settings.keys.master.partition(":")
    return Path(name) if kind == "file" else None


@contextmanager
def existing_store(
    settings: Settings, *, accept_rollback: bool = False, as_owner: bool = True
) -> Iterator[SqliteStore]:
    """As `open_store`, for a store that must be there already. Raises NotFound when it is not.

    Without `as_owner` root stays root, to write where the store's owner may not.
    """
    path = settings.store.path
    if not path.exists():
        raise NotFound(what="store", path=str(path))
    with open_store(settings, accept_rollback=accept_rollback, as_owner=as_owner) as store:
        yield store


@contextmanager
def open_store(
    settings: Settings, *, accept_rollback: bool = False, as_owner: bool = True
) -> Iterator[SqliteStore]:
    """The store beside a daemon that may be running; made when there is none.

    Raises as `SqliteStore.open`.
    """
    path = settings.store.path
    with acting_as_owner_of(path.parent) if as_owner else nullcontext():
        store = SqliteStore.open(
            path,
            mark=settings.epoch_mark,
            exclusive=False,
            accept_rollback=accept_rollback,
            actor=operator(),
        )
        try:
            yield store
        finally:
            store.close()


@contextmanager
def gateway_stopped(settings: Settings) -> Iterator[None]:
    """Keep the daemon from starting meanwhile. Raises GatewayRunning, and what a lock file's disk raises."""
    with acting_as_owner_of(settings.store.path.parent):
        try:
            guard = locked(settings.store.path, None)
            guard.__enter__()
        except StoreLocked as error:
            raise GatewayRunning(pid=error.facts["pid"]) from None
    try:
        yield
    finally:
        guard.__exit__(None, None, None)


def gateway_runs(settings: Settings) -> bool:
    """Whether a daemon has the store."""
    try:
        with gateway_stopped(settings):
            return False
    except GatewayRunning:
        return True


@contextmanager
def acting_as_owner_of(path: Path) -> Iterator[None]:
    """Act as the owner of `path` when root called us; as whoever we are otherwise, or when it is not there.

    May stand inside another one: after the block we are again who we were ahead of it.
    """
    if os.getuid() != ROOT:
        yield
        return
    user, group = os.geteuid(), os.getegid()
    os.seteuid(ROOT)
    try:
        owner = path.stat() if path.exists() else None
        if owner is not None and owner.st_uid != ROOT:
            os.setegid(owner.st_gid)
            os.seteuid(owner.st_uid)
        yield
    finally:
        os.seteuid(ROOT)
        os.setegid(group)
        os.seteuid(user)
