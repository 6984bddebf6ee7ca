"""`tsm-gateway run`: the relay daemon in the foreground, for a terminal or a service manager."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from tsm_gateway.daemon.hardening import harden
from tsm_gateway.daemon.logs import configure
from tsm_gateway.daemon.relay_daemon import RelayDaemon
from tsm_gateway.daemon.settings import load_settings, secret_value

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.pass_obj
def run(config_path: Path) -> int:
    """Run the relay daemon until SIGTERM or Ctrl-C.

    Logs go to stdout, one line per event; SIGHUP reads the configuration again.

    \b
    Example: tsm-gateway --config /etc/tsm-gateway/gateway.toml run
    """
    harden()
    settings = load_settings(config_path)
    number_key = secret_value(settings.log.number_key) if settings.log.number_key else None
    log = configure(settings.log.format, settings.log.level, number_key=number_key)
    return int(asyncio.run(RelayDaemon(config_path, settings, log).run()))
