"""`tsm-gateway virtual deliver`: a handset's card gets the applications that are assigned to its device."""

from __future__ import annotations

from pathlib import Path

import click

from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.parameter_types import SERVICE_URL
from tsm_gateway.cli.virtual_delivery import deliver_through_channel_2
from tsm_gateway.cli.virtual_enrolment import Service, url_of
from tsm_gateway.daemon.settings import load_settings
from tsm_gateway.virtual.card_files import open_card
from tsm_gateway.virtual.party_files import card_path, read_handset


@click.command(name="deliver")
@click.option(
    "--handset",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="handset.json of `virtual enrol`; its card lies beside it.",
)
@click.option(
    "--url",
    type=SERVICE_URL,
    default="",
    help="https://tsm.example:8444; by default from [provisioning.delivery].",
)
@click.option(
    "--wait",
    "patience_s",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Come again within so many seconds, when the gateway says so.",
)
@click.pass_obj
def deliver_command(config: Path, path: Path, url: str, patience_s: float) -> None:
    """Fetch and install what is assigned to the device, and print what is on its card then.

    `tsm-gateway provisioning` has to run, and to know an application for this device (`application assign`).
    Whatever cuts it off, run it again: the gateway heals the card first.

    \b
    Example: tsm-gateway virtual deliver --handset parties/handset.json --url https://127.0.0.1:8444
    """
    record = read_handset(path)
    if record.app_agent is None:
        problem = "this handset has no card: its makers installed the application"
        raise InputInvalid(what="--handset", problem=problem)
    service = Service(url or _configured_url(config), _tell)
    with open_card(card_path(path)) as card:
        delivered = deliver_through_channel_2(service, record, card, patience_s=patience_s)
    for name, version, state in delivered.applications:
        click.echo(f"{name} {version} {state}")
    click.echo(f"device {delivered.device_state}, {delivered.scripts} scripts, {delivered.commands} commands")


def _configured_url(config: Path) -> str:
    provisioning = load_settings(config, to_run=False).provisioning
    if provisioning is None or provisioning.delivery is None:
        problem = "give it: the configuration has no [provisioning.delivery]"
        raise InputInvalid(what="--url", problem=problem)
    return url_of(provisioning.delivery.address)


def _tell(device_id: str, step: str, what: str) -> None:
    click.echo(f"{device_id}  {step:<10} {what}", err=True)
