"""`tsm-gateway key rotate`: a new version of the master key, and every stored key under it.

A running process must know a version before a stored key needs it. One that meets a key under a version it
does not know asks the radio to keep the message, so the wrong order costs time and loses nothing; `--rewrap`
asks each process for the versions it knows, and refuses while one lacks the newest.

| relay and provisioning | steps |
|---|---|
| stopped | `key rotate` does all of it |
| run, the master is a file | `--add`; reload both (SIGHUP); `--rewrap` |
| run, the master is a credential | `--add`; restart, as credentials are read at the start; `--rewrap` |

`--prune`, at last, makes the old versions useless: nothing that a thief of an old copy of the master key
file holds opens a key of today.
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import (
    acting_as_owner_of,
    existing_store,
    held_masters,
    master_option,
    master_path,
    read_settings,
)
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.key_audit import key_act, note_key_act
from tsm_gateway.cli.key_known import all_stopped, must_know
from tsm_gateway.cli.key_prune import prune
from tsm_gateway.cli.key_rewrap import rewrap_all
from tsm_gateway.cli.output import output_option, show_record
from tsm_gateway.keys.master_hold_store import versions_alone
from tsm_gateway.keys.master_store import add_master_version
from tsm_gateway.keys.wrap import MASTER_OCTETS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.keys.wrap import MasterKey

    Ask = Callable[[tuple[str, ...]], None]

RELOADED = (
    "{} cannot be asked. Was it reloaded (a master key in a file) or restarted (a credential) since --add?"
)
NEXT = (
    "next: copy this file to its safe place; reload the gateway and provisioning (restart them when "
    "keys.master is a credential); then `tsm-gateway key rotate --rewrap`"
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

    With gateway and provisioning stopped one call does both. Beside running ones take three steps: --add;
    reload them (restart them when keys.master is a credential); --rewrap, which first asks them whether
    they know the new version. Payments go on meanwhile; broken off, --rewrap goes on where it was. Old
    versions stay in the file until --prune.

    \b
    Examples: tsm-gateway key rotate
              tsm-gateway key rotate --add && systemctl reload tsm-gateway && tsm-gateway key rotate --rewrap
    """
    settings = read_settings(config_path)
    ask = partial(_ask_about, yes=yes)
    if step == "rewrap":
        return _rewrap(settings, master, form, ask)
    path = master_file(settings, master)
    if step == "add":
        return _add(settings, path, form)
    if step == "prune":
        if not yes:
            click.confirm(PRUNE, abort=True, err=True)
        show_record(prune(settings, path, ask), form)
        return 0
    with all_stopped(settings):
        added = _add_version(settings, path)
        click.echo(f"version {added.version} with check value {added.check_value()} added", err=True)
        return _rewrap(settings, master, form, None) if settings.store.path.exists() else 0


def master_file(settings: Settings, override: Path | None) -> Path:
    """The file to write. Raises InputInvalid when only a credential is named: systemd knows its file."""
    path = override or master_path(settings)
    if path is None:
        problem = "is a credential: give the file behind it (LoadCredential= in the unit) with --master FILE"
        raise InputInvalid(what="keys.master", problem=problem)
    return path


def _ask_about(silent: tuple[str, ...], *, yes: bool) -> None:
    """About processes that run but do not say what they know."""
    if silent and not yes:
        click.confirm(RELOADED.format(" and ".join(silent)), abort=True, err=True)


def _add_version(settings: Settings, path: Path) -> MasterKey:
    with versions_alone(path), acting_as_owner_of(path):
        added = add_master_version(path, secrets.token_bytes(MASTER_OCTETS))
    facts = {"version": added.version, "check_value": added.check_value()}
    note_key_act(settings, key_act("master.rotate", "a version was added", **facts))
    return added


def _add(settings: Settings, path: Path, form: Form) -> int:
    added = _add_version(settings, path)
    show_record({"path": str(path), "version": added.version, "check_value": added.check_value()}, form)
    click.echo(NEXT, err=True)
    return 0


def _rewrap(settings: Settings, master: Path | None, form: Form, ask: Ask | None) -> int:
    """`ask`: see `_ask_about`; None when we know that nothing runs."""
    with held_masters(settings, master) as masters, existing_store(settings) as store:
        if ask is not None:
            ask(must_know(settings, masters.current.version))
        result = rewrap_all(store, masters, _tell)
    show_record(
        {
            "version": masters.current.version,
            "rewrapped": result.done,
            "already": result.already,
            "unreadable": list(result.damaged),
        },
        form,
    )
    if result.damaged:
        click.echo(
            "some keys do not open: give their owners new ones, or restore master key or store", err=True
        )
    return 1 if result.damaged else 0


def _tell(count: int) -> None:
    click.echo(f"{count} keys", err=True)
