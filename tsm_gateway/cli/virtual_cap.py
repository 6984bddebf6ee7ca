"""`tsm-gateway virtual cap`: a CAP file of a payment application, to be published and delivered."""

from __future__ import annotations

from pathlib import Path

import click

from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.key_files import FileExists
from tsm_gateway.virtual.cap_components import RELEASES
from tsm_gateway.virtual.cap_writer import LARGEST, payment_cap

SIZE = 24_000
VERSIONS = click.IntRange(0, 0xFF)


@click.command(name="cap")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@click.option(
    "--size",
    type=click.IntRange(1, LARGEST),
    default=SIZE,
    show_default=True,
    help="Octets of its load file.",
)
@click.option(
    "--package-version",
    "version",
    type=(VERSIONS, VERSIONS),
    default=(1, 0),
    show_default=True,
    help="MAJOR MINOR of the package; another one is another load file.",
)
@click.option(
    "--java-card",
    type=click.Choice(sorted(RELEASES)),
    default="3.0.5",
    show_default=True,
    help="Platform.",
)
def cap_command(out: Path, size: int, version: tuple[int, int], java_card: str) -> None:
    """Write a CAP file of the payment application that virtual handsets run.

    Virtual cards check and keep what is in it, and run a program of their own.

    \b
    Example: tsm-gateway virtual cap --out pay.cap && tsm-gateway application publish pay.cap --name pay \\
               --version 1.0.0
    """
    try:
        octets = payment_cap(size, version, java_card=java_card)
    except ValueError as error:
        raise InputInvalid(what="--size", problem=str(error)) from None
    try:
        with out.open("xb") as file:
            file.write(octets)
    except FileExistsError:
        raise FileExists(file=out.name) from None
    click.echo(out)
