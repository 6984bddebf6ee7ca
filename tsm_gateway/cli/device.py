"""`tsm-gateway device`: register devices by hand, show and move them, replace their keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import open_store, read_settings
from tsm_gateway.cli.device_add import add
from tsm_gateway.cli.device_key import rotate_key
from tsm_gateway.cli.output import number_in_part, output_option, show_record, show_rows, when
from tsm_gateway.registry.device import DEVICE_MOVES, Device, DeviceMove, DeviceState
from tsm_gateway.registry.errors import NotKnown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.registry.device import WrappedKey
    from tsm_gateway.store.registry_store import RegistryStore

SLICE = 1000  # devices in memory at a time
LISTED = ("device", "state", "msisdn", "changed_at", "reason")


@click.group()
def device() -> None:
    """Register, show and move devices; a running gateway knows within a second."""


device.add_command(add)
device.add_command(rotate_key)


@device.command(name="list")
@click.option("--state", type=click.Choice([state.value for state in DeviceState]))
@click.option("--limit", type=click.IntRange(1), default=None, help="At most so many.  [default: all]")
@output_option
@click.pass_obj
def list_command(config_path: Path, state: str | None, limit: int | None, form: Form) -> None:
    """List devices in the order of their ids.

    \b
    Example: tsm-gateway device list --state suspended
    """
    wanted = None if state is None else DeviceState(state)
    with open_store(read_settings(config_path)) as store:
        show_rows((row_of(each) for each in _devices(store.registry, wanted, limit)), LISTED, form)


def _devices(registry: RegistryStore, state: DeviceState | None, limit: int | None) -> Iterator[Device]:
    """All of them, a slice at a time."""
    after, left = "", limit
    while left is None or left > 0:
        found = registry.devices(state=state, after=after, limit=SLICE if left is None else min(SLICE, left))
        if not found:
            return
        yield from found
        after, left = found[-1].device_id, None if left is None else left - len(found)


@device.command()
@click.argument("device_id", metavar="ID")
@output_option
@click.pass_obj
def show(config_path: Path, device_id: str, form: Form) -> None:
    """Show a device and the numbers of its keys; a key itself is never shown.

    \b
    Example: tsm-gateway device show d:0011223344556677
    """
    with open_store(read_settings(config_path)) as store:
        found, keys = store.registry.device(device_id), store.registry.keys(device_id)
        windows = {key.kid: store.registry.window_of(key.kid) for key in keys}
    if found is None:
        raise NotKnown(what="device", name=device_id)
    rows = [{**key_row(key), "highest_piv": (windows[key.kid] or (None,))[0]} for key in keys]
    if form == "table":
        show_record(row_of(found), form)
        click.echo()
        show_rows(rows, ("kid", "epoch", "state", "master_version", "highest_piv", "created_at"), form)
    else:
        show_record({**row_of(found), "keys": rows}, form)


def row_of(found: Device) -> dict[str, object]:
    """A device as it may be shown."""
    return {
        "device": found.device_id,
        "state": found.state.value,
        "msisdn": number_in_part(found.msisdn),
        "created_at": when(found.created_at),
        "changed_at": when(found.changed_at),
        "reason": found.reason,
    }


def key_row(key: WrappedKey) -> dict[str, object]:
    """A key as it may be shown: which one, never what."""
    return {
        "kid": key.kid.hex(),
        "epoch": key.epoch,
        "state": key.state.value,
        "master_version": key.master_version,
        "created_at": when(key.created_at),
    }


def _mover(move: DeviceMove, does: str, why: str) -> Callable[..., None]:
    """The command of one row of the state table; `why` is an example of a reason."""

    @device.command(
        name=move.value,
        help=f"{does}\n\nAllowed for a device that is "
        f"{', '.join(sorted(state.value for state in DEVICE_MOVES[move][0]))}.\n\n"
        f"\b\nExample: tsm-gateway device {move.value} d:0011223344556677 --reason '{why}'",
    )
    @click.argument("device_ids", metavar="ID...", nargs=-1, required=True)
    @click.option("--reason", default="", help="Why; kept with the device.")
    @output_option
    @click.pass_obj
    def command(config_path: Path, device_ids: tuple[str, ...], reason: str, form: Form) -> None:
        at, noted = int(time.time()), reason or f"{move.value} by an operator"
        with open_store(read_settings(config_path)) as store:
            moved = [store.registry.move_device(each, move, reason=noted, at=at) for each in device_ids]
        show_rows(map(row_of, moved), LISTED, form)

    return command


for each, sentence, example in (
    (DeviceMove.SUSPEND, "Refuse a device's payments until it is resumed.", "reported stolen"),
    (DeviceMove.RESUME, "Take a suspended device's payments again.", "found again"),
    (DeviceMove.TERMINATE, "Refuse a device's payments for good; its keys are retired.", "card replaced"),
):
    _mover(each, sentence, example)
