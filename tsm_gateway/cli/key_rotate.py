"""`tsm-gateway key rotate`: a new version of the master key, and every stored key under it.

A running daemon must know a version before a stored key needs it. One that meets a key under a version it
does not know asks the radio to keep the message, so the wrong order costs time and loses nothing.

| the daemon | steps |
|---|---|
| stopped | `key rotate` does all of it |
| runs, the master is a file | `--add`; reload (SIGHUP); `--rewrap` |
| runs, the master is a credential | `--add`; restart, as credentials are read at the start; `--rewrap` |
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import (
    acting_as_owner_of,
    existing_store,
    gateway_runs,
    gateway_stopped,
    master_option,
    master_path,
    read_masters,
    read_settings,
)
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.key_rewrap import every_key, rewrap_all
from tsm_gateway.cli.output import output_option, show_record
from tsm_gateway.keys.master_store import add_master_version, prune_master_versions
from tsm_gateway.keys.wrap import MASTER_OCTETS

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.keys.wrap import MasterKey

RELOADED = (
    "The gateway runs. Was it reloaded (a master key in a file) or restarted (a credential) since --add?"
)
NEXT = (
    "next: copy this file to its safe place; reload the gateway (restart it when keys.master is a "
    "credential); then `tsm-gateway key rotate --rewrap`"
)
PRUNE = "Copies of the store made before the last --rewrap can then no longer be used. Remove old versions?"


@click.command()
@click.option("--add", "step", flag_value="add", help="Only add a version to the master key file.")
@click.option("--rewrap", "step", flag_value="rewrap", help="Only wrap stored keys under the newest version.")
@click.option("--prune", "step", flag_value="prune", help="Remove versions that wrap no stored key.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@master_option
@output_option
@click.pass_obj
def rotate(config_path: Path, step: str | None, *, yes: bool, master: Path | None, form: Form) -> int:
    """Replace the master key: add a version, wrap every stored key under it.

    With the gateway stopped one call does both. Beside a running one take three steps: --add; reload it
    (restart it when keys.master is a credential); --rewrap. Broken off, --rewrap goes on where it was.
    Old versions stay in the file until --prune.

    \b
    Examples: tsm-gateway key rotate
              tsm-gateway key rotate --add && systemctl reload tsm-gateway && tsm-gateway key rotate --rewrap
    """
    settings = read_settings(config_path)
    if step == "rewrap":
        if gateway_runs(settings) and not yes:
            click.confirm(RELOADED, abort=True, err=True)
        return _rewrap(settings, master, form)
    path = master_file(settings, master)
    if step == "add":
        return _add(path, form)
    if step == "prune":
        if not yes:
            click.confirm(PRUNE, abort=True, err=True)
        return _prune(settings, path, form)
    with gateway_stopped(settings):
        added = _add_version(path)
        click.echo(f"version {added.version} with check value {added.check_value()} added", err=True)
        return _rewrap(settings, master, form) if settings.store.path.exists() else 0


def master_file(settings: Settings, override: Path | None) -> Path:
    """The file to write. Raises InputInvalid when only a credential is named: systemd knows its file."""
    path = override or master_path(settings)
    if path is None:
        problem = "is a credential: give the file behind it (LoadCredential= in the unit) with --master FILE"
        raise InputInvalid(what="keys.master", problem=problem)
    return path


def _add_version(path: Path) -> MasterKey:
    with acting_as_owner_of(path):
        return add_master_version(path, secrets.token_bytes(MASTER_OCTETS))


def _add(path: Path, form: Form) -> int:
    added = _add_version(path)
    show_record({"path": str(path), "version": added.version, "check_value": added.check_value()}, form)
    click.echo(NEXT, err=True)
    return 0


def _rewrap(settings: Settings, master: Path | None, form: Form) -> int:
    masters = read_masters(settings, master)
    with existing_store(settings) as store:
        result = rewrap_all(store.registry, masters, _tell)
    show_record(
        {
            "version": masters.current.version,
            "rewrapped": result.done,
            "already": result.already,
            "unreadable": [kid.hex() for kid in result.damaged],
        },
        form,
    )
    if result.damaged:
        click.echo(
            "some keys do not open: give their owners new ones, or restore master key or store", err=True
        )
    return 1 if result.damaged else 0


def _prune(settings: Settings, path: Path, form: Form) -> int:
    with existing_store(settings) as store:
        used = {stored.key.master_version for stored in every_key(store.registry)}
    with acting_as_owner_of(path):
        dropped = prune_master_versions(path, used)
    show_record({"path": str(path), "removed": list(dropped), "in_use": sorted(used)}, form)
    return 0


def _tell(count: int) -> None:
    click.echo(f"{count} keys", err=True)
