"""`tsm-gateway device suspend|resume|terminate|activate`: rows of the state table, by an operator."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import click

from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.device_life import LISTED, each_device, noted, row_of
from tsm_gateway.cli.output import output_option, show_rows
from tsm_gateway.registry.device import DEVICE_MOVES, DeviceMove
from tsm_gateway.registry.key_package import Delivery, KeyOrder
from tsm_gateway.registry.suspension import STRAYED, SuspensionKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.registry.device import Device
    from tsm_gateway.store.sqlite_store import SqliteStore

    Act = Callable[[SqliteStore, str, str, int], Device]  # store, device id, reason, Unix seconds

FOREVER = "Devices that will never pay again, keys retired and elements free: {}. Go on?"
FOUND_AGAIN = "it gets a new key as soon as its crypto SE asks: who had the phone may have used the old one"


class Verb(NamedTuple):
    """A command that moves devices."""

    move: DeviceMove
    act: Act
    does: str
    reason: str  # an example of one
    asks: str = ""  # question with a place for the count; "" = does not ask


def suspend(store: SqliteStore, device_id: str, reason: str, at: int) -> Device:
    """Until an operator resumes it. Raises as the store."""
    kind = SuspensionKind.OPERATOR
    return store.provisioning.suspend(device_id, kind, proof_wanted=False, reason=reason, at=at)


def resume(store: SqliteStore, device_id: str, reason: str, at: int) -> Device:
    """Back to the state it had; one that was out of its owner's hands gets a new key in the same act."""
    store.provisioning.standing(device_id)  # what is damaged there is found ahead of the first change
    moved = store.provisioning.resume(device_id, reason=reason, at=at)
    # Read behind the staged move: nobody else can write now, and readers still see the suspension.
    before = store.provisioning.standing(device_id)
    if before is not None and before.suspension is not None and before.suspension.kind in STRAYED:
        why = f"resumed after {before.suspension.kind.value}"
        store.provisioning.order(KeyOrder(device_id, Delivery.CHANNEL, why, at))
        click.echo(f"{device_id}: {FOUND_AGAIN}", err=True)
    return moved


def terminate(store: SqliteStore, device_id: str, reason: str, at: int) -> Device:
    """For good."""
    return store.provisioning.terminate(device_id, reason=reason, at=at)


def activate(store: SqliteStore, device_id: str, reason: str, at: int) -> Device:
    """Its application was delivered by another way than channel 2."""
    return store.provisioning.activate(device_id, reason=reason, at=at)


VERBS: Sequence[Verb] = (
    Verb(
        DeviceMove.ACTIVATE,
        activate,
        "Let a registered device pay: its payment application was delivered another way. Channel 2 does this "
        "by itself, as soon as all is installed that the device is to have (`application assign`).",
        "application 2.1 on the card",
    ),
    Verb(DeviceMove.SUSPEND, suspend, "Refuse a device's payments until it is resumed.", "unpaid"),
    Verb(
        DeviceMove.RESUME,
        resume,
        "Take a suspended device back to the state it had. After `lost` or `stolen` a new key is ordered at "
        "once, and until its crypto SE has fetched and proved that, its old key goes on paying: `replace` a "
        "phone whose crypto SE was in other hands. Where that has to prove itself first (after `number`), "
        "only its proof brings it back.",
        "found again",
    ),
    Verb(
        DeviceMove.TERMINATE,
        terminate,
        "Refuse a device's payments for good: keys retired, secure elements free for another device.",
        "card destroyed",
        FOREVER,
    ),
)


def command_of(verb: Verb) -> click.Command:
    """The command of one row."""

    @click.argument("device_ids", metavar="ID...", nargs=-1, required=True)
    @click.option("--reason", default="", help="Why; kept with the device and in the audit log.")
    @output_option
    @click.pass_obj
    def command(
        config_path: Path, device_ids: tuple[str, ...], reason: str, form: Form, *, yes: bool = True
    ) -> int:
        at, why = int(time.time()), noted(reason, verb.move.value)
        with existing_store(read_settings(config_path)) as store:
            if not yes:
                click.confirm(verb.asks.format(len(set(device_ids))), abort=True, err=True)
            action = f"device.{verb.move.value}"
            done = each_device(store, action, device_ids, lambda each: verb.act(store, each, why, at))
        show_rows(map(row_of, done.devices), LISTED, form)
        return done.tell()

    if verb.asks:
        command = click.option("--yes", is_flag=True, help="Do not ask.")(command)
    name = verb.move.value
    states = ", ".join(sorted(state.value for state in DEVICE_MOVES[verb.move][0]))
    example = f"\b\nExample: tsm-gateway device {name} d:0011223344556677 --reason '{verb.reason}'"
    text = f"{verb.does}\n\nAllowed for a device that is {states}.\n\n{example}"
    return click.command(name=name, help=text)(command)


COMMANDS = tuple(map(command_of, VERBS))
