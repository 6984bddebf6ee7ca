"""`tsm-gateway virtual enrol`: makes virtual handsets and their provider known to the configured store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.errors import VirtualPartyRefused
from tsm_gateway.cli.virtual_parties import VirtualProviderUnfiled, enrol, new_provider
from tsm_gateway.daemon.settings import load_settings
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.registry.address import normalise_address
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.errors import PartyFileInvalid
from tsm_gateway.virtual.party_files import read_provider, write_party

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.store.registry_store import RegistryStore
    from tsm_gateway.virtual.party_records import ProviderRecord

PROVIDER_FILE = "provider.json"


@click.command(name="enrol")
@click.option(
    "--config",
    "config_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Configuration file (TOML); by default that of the command line's front.",
)
@click.option(
    "--provider", "address", required=True, help='Its address: "+4930…", a short code or "sp:name".'
)
@click.option("--provider-msisdn", required=True, help="Number its packets are sent to.")
@click.option("--provider-name", default="", help="By default made from the address.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of files."
)
@click.option("--count", type=click.IntRange(1, 100_000), default=1, show_default=True, help="Handsets.")
@click.pass_obj
def enrol_command(
    default_config: Path,
    config_path: Path | None,
    address: str,
    provider_msisdn: str,
    provider_name: str,
    out: Path,
    count: int,
) -> None:
    """Register virtual handsets and a provider in the store and write their files.

    The files hold keys in clear, so they are for tests only: a configuration with a bind to another machine
    has to say that it is one of those ([gateway] test_parties = true).

    \b
    Example: tsm-gateway virtual enrol --config gateway.toml --provider sp:shop \\
               --provider-msisdn +4930999000 --out parties --count 3
    """
    settings = load_settings(config_path or default_config, to_run=False)
    if not settings.takes_test_parties:
        raise VirtualPartyRefused
    masters = read_master(settings.keys.master)
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    at = int(time.time())
    store = SqliteStore.open(settings.store.path, mark=settings.epoch_mark, exclusive=False)
    try:
        provider = _provider(store.registry, out / PROVIDER_FILE, address, provider_msisdn, provider_name)
        port = settings.gateway.application_port
        provider, handsets = enrol(store.registry, masters, provider, count=count, port=port, at=at)
    finally:
        store.close()
    write_party(out / PROVIDER_FILE, provider)
    for path, handset in zip(_free_names(out, count), handsets, strict=False):
        write_party(path, handset)
        click.echo(path)
    click.echo(out / PROVIDER_FILE)


def _provider(registry: RegistryStore, path: Path, address: str, msisdn: str, name: str) -> ProviderRecord:
    """The provider in the file at `path`, or a new one written there before the store hears of it.

    A crash in between leaves a file whose provider the next run registers.
    """
    wanted = new_provider(address, msisdn, name)
    if path.exists():
        filed = read_provider(path)
        if filed.address != normalise_address(address) or filed.msisdn != msisdn:
            raise PartyFileInvalid(what="another provider's file lies there already", file=path.name)
        return filed
    if registry.provider_named(wanted.name) or registry.provider_for(wanted.address):
        raise VirtualProviderUnfiled(provider=wanted.name)
    write_party(path, wanted)
    return wanted


def _free_names(out: Path, count: int) -> Iterator[Path]:
    """`count` names no handset's file has yet: handset.json for one alone, numbered ones for many."""
    alone = out / "handset.json"
    if count == 1 and not alone.exists():
        yield alone
        return
    number = 0
    while count:
        number += 1
        path = out / f"handset-{number:04d}.json"
        if not path.exists():
            count -= 1
            yield path
