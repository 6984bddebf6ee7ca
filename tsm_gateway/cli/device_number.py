"""`tsm-gateway device number|replace`: another SIM, another number, another phone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.device_life import LISTED, carried_out, note_refusal, noted, row_of
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.output import output_option, show_record, show_rows
from tsm_gateway.registry.address import INTERNATIONAL
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.errors import NotKnown

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.store.sqlite_store import SqliteStore

PROVE = (
    "next: it keeps its keys, but pays again only after its crypto SE has proved itself: over channel 1 (the "
    "phone's agent does so by itself), or, without a data connection, with a new key: `device rekey ID "
    "--delivery sms`; `device show` tells"
)
FOR_GOOD = "{old} will never pay again, and its number goes to {new}. Go on?"


@click.command()
@click.argument("device_id", metavar="ID")
@click.argument("msisdn", metavar="NUMBER")
@click.option("--reason", default="", help="Why; kept with the device and in the audit log.")
@output_option
@click.pass_obj
def number(config_path: Path, device_id: str, msisdn: str, reason: str, form: Form) -> None:
    """Note a device's new number or SIM: "+" and 7 to 15 digits.

    A number moves hands without its owner knowing, a crypto SE does not: a device that is registered or
    active is suspended until its crypto SE proves that it is still there. Its keys stay. A phone without a
    data connection proves it with a new key, `device rekey ID --delivery sms`: that goes to the new number,
    only this crypto SE can open it, and its confirmation by short message is the proof. Where the app SE is
    on the SIM, a new SIM is another app SE: `device elements ID --forget` lets the proof name it.

    \b
    Example: tsm-gateway device number d:0011223344556677 +4915550001122 --reason 'new SIM'
    """
    if not INTERNATIONAL.fullmatch(msisdn):
        raise InputInvalid(what="NUMBER", problem='is not "+" and 7 to 15 digits')
    at, why = int(time.time()), noted(reason, "number changed")
    with existing_store(read_settings(config_path)) as store:
        changed = carried_out(
            store,
            "device.change-number",
            device_id,
            lambda: store.provisioning.change_number(device_id, msisdn, reason=why, at=at),
        )
    show_record(row_of(changed), form)
    if changed.state is DeviceState.SUSPENDED:
        click.echo(PROVE, err=True)


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--reason", default="", help="Why; kept with both devices and in the audit log.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
@click.pass_obj
def replace(config_path: Path, old: str, new: str, reason: str, *, yes: bool, form: Form) -> None:
    """Put the device NEW, already known, in place of OLD: OLD is terminated, its number moves to NEW.

    NEW has enrolled over channel 1 with keys of its own: no key ever moves between devices.

    \b
    Example: tsm-gateway device replace d:0011223344556677 d:8899aabbccddeeff --reason 'new phone'
    """
    if old == new:
        raise InputInvalid(what="NEW", problem="is the same device as OLD")
    at, why = int(time.time()), noted(reason, "replaced")
    with existing_store(read_settings(config_path)) as store:
        for each in (old, new):
            _must_be_known(store, each)
        if not yes:
            click.confirm(FOR_GOOD.format(old=old, new=new), abort=True, err=True)

        both = carried_out(
            store,
            "device.replace",
            old,
            lambda: store.provisioning.replace(old, new, reason=why, at=at),
        )
    show_rows(map(row_of, both), LISTED, form)


def _must_be_known(store: SqliteStore, device_id: str) -> None:
    """Ahead of the question: nobody is asked about a device that is not there. Raises NotKnown."""
    if store.registry.device(device_id) is None:
        error = NotKnown(what="device", name=device_id)
        note_refusal(store, "device.replace", device_id, error)
        raise error
