"""`tsm-gateway virtual rekey`: a handset fetches its next key, or proves that it still has this one."""

from __future__ import annotations

from pathlib import Path

import click

from tsm_gateway.cli.parameter_types import SERVICE_URL
from tsm_gateway.virtual.agent import Agent
from tsm_gateway.virtual.channel import Channel
from tsm_gateway.virtual.party_files import keep_handset, read_handset
from tsm_gateway.virtual.personalised import context_of
from tsm_gateway.virtual.security_domain import SecurityDomain


@click.command(name="rekey")
@click.option(
    "--handset",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="handset.json of `virtual enrol`.",
)
@click.option("--url", type=SERVICE_URL, required=True, help="https://tsm.example:8443 of channel 1.")
@click.option("--prove", is_flag=True, help="Fetch nothing: prove the key in use, as a suspension may want.")
def rekey_command(path: Path, url: str, *, prove: bool) -> None:
    """Fetch the key package that waits, confirm it, and print the device's state.

    The key before it stays in use until the gateway took the confirmation; without a package nothing changes.

    \b
    Example: tsm-gateway virtual rekey --handset parties/handset.json --url https://127.0.0.1:8443
    """
    domain = SecurityDomain(read_handset(path))
    device_id = domain.record.device_id
    with Channel(url, context_of(domain.record, domain.element)) as channel:
        agent = Agent(
            domain,
            channel,
            keep=lambda kept: keep_handset(path, kept),
            tell=lambda step, what: click.echo(f"{device_id}  {step:<10} {what}", err=True),
        )
        click.echo(agent.prove_again() if prove else agent.rekey())
