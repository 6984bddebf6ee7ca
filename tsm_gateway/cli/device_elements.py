"""`tsm-gateway device elements`: which secure elements a device claims, and how its claim ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.device_life import carried_out, noted
from tsm_gateway.cli.output import output_option, show_record
from tsm_gateway.registry.errors import NotKnown
from tsm_gateway.store.acts import FORGET_ELEMENTS

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.store.sqlite_store import SqliteStore

FREED = (
    "whoever proves these elements next has them. A device that was active by what was delivered to its "
    "app SE is registered from now on, until that was delivered anew; any other keeps its state: if it "
    "never had these elements, suspend or terminate it"
)


@click.command()
@click.argument("device_id", metavar="ID")
@click.option("--forget", is_flag=True, help="End its claim, so that another device can register with them.")
@click.option("--reason", default="", help="Why; kept in the audit log. Only with --forget.")
@output_option
@click.pass_obj
def elements(config_path: Path, device_id: str, reason: str, *, forget: bool, form: Form) -> None:
    """Show the secure elements a device registered with; with --forget, free them.

    A device tells its elements' ids itself, once: it is refused with others later, and so is another
    device with these. Where an element was replaced, or claimed by a device that does not have it, an
    operator ends the claim here. `[[provisioning.issuer]] element_id = "serial_number"` leaves no room for
    false claims of a crypto SE. Applications that were delivered stay behind on the app SE: a device that
    is active by them is registered again, and active when they were delivered anew.

    \b
    Example: tsm-gateway device elements d:0011223344556677 --forget --reason 'new card'
    """
    at, why = int(time.time()), noted(reason, "elements freed")
    with existing_store(read_settings(config_path)) as store:
        if forget:
            carried_out(
                store,
                FORGET_ELEMENTS,
                device_id,
                lambda: store.provisioning.forget_elements(device_id, reason=why, at=at),
            )
        show_record(_row(store, device_id), form)
    if forget:
        click.echo(FREED, err=True)


def _row(store: SqliteStore, device_id: str) -> dict[str, object]:
    """Raises NotKnown."""
    standing = store.provisioning.standing(device_id)
    if standing is None:
        raise NotKnown(what="device", name=device_id)
    found = standing.registration
    return {
        "device": device_id,
        "state": standing.device.state.value,
        "crypto_se": None if found is None else found.crypto_se.hex(),
        "app_se": None if found is None else found.app_se.hex(),
        "claimed": found is not None and store.provisioning.claims_elements(found),
    }
