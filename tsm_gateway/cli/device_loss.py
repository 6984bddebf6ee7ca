"""`tsm-gateway device lost|stolen`: a phone out of its owner's hands, and who has to hear of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.device_life import LISTED, each_device, noted, row_of
from tsm_gateway.cli.output import output_option, show_rows, when
from tsm_gateway.registry.suspension import SuspensionKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.store.sqlite_store import SqliteStore

CONCERNED = ("device", "provider", "payments", "last_payment")
ADVICE = (
    "tell these providers: payments of this device from now on are not its owner's, earlier ones may not be"
)
NOBODY = "{}: no payment of this device is kept here, so no provider is known to be concerned"
DOES: Mapping[SuspensionKind, str] = {
    SuspensionKind.LOST: "A phone is lost",
    SuspensionKind.STOLEN: "A phone is stolen",
}


def command_of(kind: SuspensionKind) -> click.Command:
    """`lost` or `stolen`: both refuse payments at once, the log tells which it was."""

    @click.argument("device_ids", metavar="ID...", nargs=-1, required=True)
    @click.option("--reason", default="", help="Who reported it, and when; kept with the device.")
    @output_option
    @click.pass_obj
    def command(config_path: Path, device_ids: tuple[str, ...], reason: str, form: Form) -> int:
        at, why = int(time.time()), noted(reason, f"reported {kind.value}")
        with existing_store(read_settings(config_path)) as store:
            done = each_device(
                store,
                "device.suspend",
                device_ids,
                lambda each: store.provisioning.suspend(each, kind, proof_wanted=False, reason=why, at=at),
            )
            concerned = {each.device_id: _providers(store, each.device_id) for each in done.devices}
        if form == "table":
            show_rows(map(row_of, done.devices), LISTED, form)
            _tell(concerned)
        else:
            show_rows(
                ({**row_of(each), "providers": concerned[each.device_id]} for each in done.devices), (), form
            )
        return done.tell()

    text = (
        f"{DOES[kind]}: refuse its payments at once, and name the providers concerned.\n\n"
        "Providers are those of the payments still kept here (`[store]` says for how long). "
        "When it is found, `device resume` takes it back with a new key; otherwise `device replace`.\n\n"
        f"\b\nExample: tsm-gateway device {kind.value} d:0011223344556677 --reason 'call of 24 November'"
    )
    return click.command(name=kind.value, help=text)(command)


def _providers(store: SqliteStore, device_id: str) -> Sequence[dict[str, object]]:
    return [
        {"device": device_id, "provider": name, "payments": count, "last_payment": when(last)}
        for name, count, last in store.provisioning.providers_of(device_id)
    ]


def _tell(concerned: Mapping[str, Sequence[dict[str, object]]]) -> None:
    rows = [row for found in concerned.values() for row in found]
    if rows:
        click.echo()
        show_rows(rows, CONCERNED, "table")
        click.echo(ADVICE, err=True)
    for device_id, found in concerned.items():
        if not found:
            click.echo(NOBODY.format(device_id), err=True)


COMMANDS = tuple(map(command_of, DOES))
