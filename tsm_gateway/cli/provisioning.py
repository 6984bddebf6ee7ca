"""`tsm-gateway provisioning`: the provisioning daemon in the foreground."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from tsm_gateway.daemon import channel1_routes, channel2_routes
from tsm_gateway.daemon.channel_openapi import openapi_text
from tsm_gateway.daemon.hardening import harden
from tsm_gateway.daemon.logs import configure
from tsm_gateway.daemon.process import Process
from tsm_gateway.daemon.provisioning_daemon import ProvisioningDaemon
from tsm_gateway.daemon.settings import load_settings, secret_value

if TYPE_CHECKING:
    from pathlib import Path

SERVICES = {"1": channel1_routes.SERVICE, "2": channel2_routes.SERVICE}


@click.command()
@click.option("--openapi", "describe", is_flag=True, help="Print the description of a channel, and end.")
@click.option(
    "--channel",
    type=click.Choice(list(SERVICES)),
    default="1",
    show_default=True,
    help="With --openapi: 1 = crypto SEs, 2 = agents of app SEs.",
)
@click.pass_obj
def provisioning(config_path: Path, *, describe: bool, channel: str) -> int:
    """Run the provisioning daemon until SIGTERM or Ctrl-C.

    It enrols crypto SEs over channel 1 and gives them their keys; with [provisioning.delivery] it brings
    payment applications to app SEs over channel 2. Logs go to stdout, one line per event; SIGHUP reads
    configuration, certificates and revocation lists again.

    \b
    Examples: tsm-gateway --config /etc/tsm-gateway/gateway.toml provisioning
              tsm-gateway provisioning --openapi --channel 2
    """
    if describe:
        click.echo(openapi_text(SERVICES[channel]))
        return 0
    harden()
    settings = load_settings(config_path, process=Process.PROVISIONING)
    number_key = secret_value(settings.log.number_key) if settings.log.number_key else None
    log = configure(settings.log.format, settings.log.level, number_key=number_key)
    return int(asyncio.run(ProvisioningDaemon(config_path, settings, log).run()))
