"""`tsm-gateway key`: the master key that wraps every stored key."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import acting_as_owner_of, master_option, open_store, read_masters, read_settings
from tsm_gateway.cli.key_audit import key_act, note_key_act
from tsm_gateway.cli.key_rotate import master_file, rotate
from tsm_gateway.cli.output import output_option, show_record, show_rows
from tsm_gateway.keys.master_store import init_master
from tsm_gateway.keys.wrap import MASTER_OCTETS

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.cli.output import Form


@click.group()
def key() -> None:
    """Make, show and rotate the master key."""


@key.command(name="init")
@master_option
@output_option
@click.pass_obj
def init_command(config_path: Path, master: Path | None, form: Form) -> None:
    """Make the master key file that the configuration names.

    It is mode 0600 and never overwritten. Keep a copy apart from the store's backups: without it no
    stored key opens again, and with both every key does.

    \b
    Examples: tsm-gateway key init
              tsm-gateway key init --master /etc/tsm-gateway/master.key
    """
    settings = read_settings(config_path)
    path = master_file(settings, master)
    with acting_as_owner_of(path.parent):
        made = init_master(path, secrets.token_bytes(MASTER_OCTETS))
    facts = {"version": made.version, "check_value": made.check_value()}
    note_key_act(settings, key_act("master.init", "the file was made", **facts))
    show_record({"path": str(path), **facts}, form)
    click.echo("keep a copy of this file in a safe place, apart from the store's backups", err=True)


@key.command(name="list")
@master_option
@output_option
@click.pass_obj
def list_command(config_path: Path, master: Path | None, form: Form) -> None:
    """Show the versions of the master key, and how many stored keys each one wraps.

    A check value tells keys apart without showing them.

    \b
    Example: tsm-gateway key list -o json
    """
    settings = read_settings(config_path)
    masters = read_masters(settings, master)
    with open_store(settings) as store:
        wrapped = store.registry.masters_in_use()
    rows = [
        {
            "version": number,
            "check_value": masters.version(number).check_value() if number in masters.versions() else None,
            "current": number == masters.current.version,
            "wrapped_keys": wrapped.get(number, 0),
        }
        for number in sorted({*masters.versions(), *wrapped})
    ]
    show_rows(rows, ("version", "check_value", "current", "wrapped_keys"), form)
    missing = [number for number in wrapped if number not in masters.versions()]
    if missing:
        click.echo(f"version {missing} is not in the master key file: restore it from its copy", err=True)
        click.get_current_context().exit(1)


key.add_command(rotate)
