"""`tsm-gateway device`: show devices, move them through their life, order keys; register some by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tsm_gateway.cli import device_loss, device_move
from tsm_gateway.cli.context import open_store, read_settings
from tsm_gateway.cli.device_add import add
from tsm_gateway.cli.device_elements import elements
from tsm_gateway.cli.device_key import rotate_key
from tsm_gateway.cli.device_life import LISTED, row_of
from tsm_gateway.cli.device_number import number, replace
from tsm_gateway.cli.device_rekey import rekey
from tsm_gateway.cli.device_show import show
from tsm_gateway.cli.in_order import InOrder
from tsm_gateway.cli.output import output_option, show_rows
from tsm_gateway.registry.device import Device, DeviceState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.store.registry_store import RegistryStore

SLICE = 1000  # devices in memory at a time


@click.group(cls=InOrder)
def device() -> None:
    """Show and move devices and order their keys; a running gateway knows within a second.

    Devices enrol and register by themselves over channel 1; `add` and `rotate-key` serve laboratories.
    Every change, and every refused one, stands in the audit log: `tsm-gateway audit list`.
    """


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


for each in (
    show,
    *device_move.COMMANDS,
    *device_loss.COMMANDS,
    number,
    replace,
    elements,
    rekey,
    add,
    rotate_key,
):
    device.add_command(each)
