"""`tsm-gateway virtual issuer`: an issuer of virtual secure elements, and what it revokes."""

from __future__ import annotations

import time
from pathlib import Path

import click

from tsm_gateway.virtual.issuer import Issuer
from tsm_gateway.virtual.issuer_files import ISSUING, ROOT, read_issuer, write_issuer
from tsm_gateway.virtual.party_files import read_handset

TABLE = """\
[[provisioning.issuer]]
name = "{name}"
anchors = "{folder}/{root}.pem"
intermediates = "{folder}/{issuing}.pem"
crls = ["{folder}/{issuing}.crl", "{folder}/{root}.crl"]
"""


@click.command(name="issuer")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Its folder of files."
)
@click.option("--name", default="virtual-maker", show_default=True, help="Its name in the configuration.")
@click.option(
    "--revoke",
    "handset_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="handset.json whose certificate holds no more.",
)
def issuer_command(out: Path, name: str, handset_file: Path | None) -> None:
    """Make an issuer of virtual secure elements and print its table for the configuration.

    One that is there already is kept; its revocation lists are published anew, with the certificate of
    --revoke on them. The provisioning service reads them at its start and on SIGHUP.

    \b
    Example: tsm-gateway virtual issuer --out issuer >> gateway.toml
    """
    at = int(time.time())
    issuer = read_issuer(out) if (out / f"{ROOT}.pem").exists() else Issuer.create(name, at)
    if handset_file is not None:
        issuer.revoke(read_handset(handset_file).certificate)
    write_issuer(out, issuer, at)
    click.echo(TABLE.format(name=name, folder=out.resolve(), root=ROOT, issuing=ISSUING), nl=False)
