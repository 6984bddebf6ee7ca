"""`tsm-gateway virtual open`: what a service provider sees in the parts it received."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from tsm_gateway.virtual.errors import VirtualError
from tsm_gateway.virtual.part import parts_from_line
from tsm_gateway.virtual.party_files import read_provider
from tsm_gateway.virtual.provider import Provider


@click.command(name="open")
@click.option(
    "--provider",
    "provider_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="provider.json.",
)
@click.option("--show-duplicates", is_flag=True, help="Print what comes again too, marked as a duplicate.")
@click.pass_context
def open_command(ctx: click.Context, provider_file: Path, *, show_duplicates: bool) -> None:
    """Open the parts on stdin (JSON lines) and print each verified payment as a JSON line.

    What is bad is named on stderr; the exit code is then 1.

    \b
    Example: tsm-gateway virtual open --provider parties/provider.json < parts.jsonl
    """
    provider = Provider(read_provider(provider_file))
    bad = sum(_open_line(provider, line, show_duplicates=show_duplicates) for line in sys.stdin)
    for gap in provider.gaps():
        bad += 1
        missing = ", ".join(map(str, gap.missing))
        click.echo(f"reference {gap.reference}: parts {missing} of {gap.total} are missing", err=True)
    if bad:
        ctx.exit(1)


def _open_line(provider: Provider, line: str, *, show_duplicates: bool) -> int:
    """Work off one line of parts; how many of them were bad."""
    bad = 0
    try:
        parts = parts_from_line(line)
    except VirtualError as error:
        click.echo(str(error), err=True)
        return 1
    for part in parts:
        try:
            opened = provider.receive(part)
        except VirtualError as error:
            bad += 1
            click.echo(str(error), err=True)
            continue
        if opened is not None and (show_duplicates or not opened.duplicate):
            click.echo(json.dumps(opened.as_json()))
    return bad
