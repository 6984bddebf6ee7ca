"""`tsm-gateway virtual enrol`: virtual handsets enrol through channel 1, their provider in the store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tsm_gateway.cli.errors import InputInvalid, VirtualPartyRefused
from tsm_gateway.cli.parameter_types import SERVICE_URL
from tsm_gateway.cli.virtual_cards import CardMakers, card_of, import_card, with_agent
from tsm_gateway.cli.virtual_enrolment import (
    Service,
    activate,
    enrol_through_channel_1,
    opened_store,
    url_of,
)
from tsm_gateway.cli.virtual_handsets import Makers, finished, handsets_to_enrol
from tsm_gateway.cli.virtual_parties import VirtualProviderUnfiled, new_provider, register_provider
from tsm_gateway.daemon.settings import load_settings
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.registry.address import normalise_address
from tsm_gateway.virtual.card_files import read_card, write_card
from tsm_gateway.virtual.element_record import der_of
from tsm_gateway.virtual.errors import PartyFileInvalid
from tsm_gateway.virtual.identity import Kind
from tsm_gateway.virtual.issuer_files import read_issuer
from tsm_gateway.virtual.party_files import card_path, keep_handset, read_handset, read_provider, write_party
from tsm_gateway.virtual.personalised import Subscription, Tsm

if TYPE_CHECKING:
    from tsm_gateway.daemon.settings import Settings
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
    "--url",
    type=SERVICE_URL,
    default="",
    help="https://tsm.example:8443 of channel 1; by default from [provisioning].",
)
@click.option(
    "--tsm-root",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="root.pem of `pki init`: what the elements pin.",
)
@click.option(
    "--issuer",
    "issuer_folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of `virtual issuer`: who makes the elements.",
)
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in Kind]),
    default=Kind.P256.value,
    show_default=True,
    help="Which keys the elements have.",
)
@click.option(
    "--provider", "address", required=True, help='Its address: "+4930…", a short code or "sp:name".'
)
@click.option("--provider-msisdn", required=True, help="Number its packets are sent to.")
@click.option("--provider-name", default="", help="By default made from the address.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of files."
)
@click.option(
    "--pki",
    "pki_folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of `pki init`, which certifies agents of channel 2; by default that of --tsm-root.",
)
@click.option("--count", type=click.IntRange(1, 100_000), default=1, show_default=True, help="Handsets.")
@click.pass_obj
def enrol_command(default_config: Path, /, **given: Any) -> None:  # noqa: ANN401 - one keyword an option
    """Enrol virtual handsets through channel 1, register a provider, and write their files.

    `tsm-gateway provisioning` has to run. Handsets in --out whose enrolment was cut off are finished first.
    With [provisioning.delivery] each gets a card for an app element, which the store is told of; it may pay
    when `virtual deliver` has brought it its application. Without, it may pay at once.

    The files hold keys in clear, so they are for tests only: a configuration with a bind to another machine
    has to say that it is one of those ([gateway] test_parties = true).

    \b
    Example: tsm-gateway virtual enrol --config gateway.toml --tsm-root pki/root.pem --issuer issuer \\
               --provider sp:shop --provider-msisdn +4930999000 --out parties --count 3
    """
    settings = load_settings(given["config_path"] or default_config, to_run=False)
    if not settings.takes_test_parties:
        raise VirtualPartyRefused
    url, out = given["url"] or _url(settings), given["out"]
    makers = Makers(
        read_issuer(given["issuer_folder"]), Kind(given["kind"]), _tsm(settings, given["tsm_root"])
    )
    provider = _registered_provider(settings, given)
    owner_of = Subscription("", settings.gateway.application_port, (provider.address,))
    cards = _card_makers(settings, given["pki_folder"] or given["tsm_root"].parent)
    for path in handsets_to_enrol(out, provider, makers, owner_of, given["count"]):
        if cards is not None:
            _give_card(settings, cards, path)
        _enrol(settings, Service(url, _tell), path)
        provider = finished(provider, read_handset(path))
        write_party(out / PROVIDER_FILE, provider)
        click.echo(path)
    click.echo(out / PROVIDER_FILE)


def _enrol(settings: Settings, service: Service, path: Path) -> None:
    """One handset, from its first word on channel 1 until it may pay, or until its card is next."""
    record = read_handset(path)
    enrol_through_channel_1(service, record, lambda kept: keep_handset(path, kept))
    if record.app_agent is None:
        activate(settings, [record.device_id], int(time.time()))
        _tell(record.device_id, "active", "payments are accepted")
    else:
        _tell(record.device_id, "card", f"{card_path(path).name}, empty: `virtual deliver` is next")


def _card_makers(settings: Settings, folder: Path) -> CardMakers | None:
    """Who makes cards; None when nothing is delivered to them."""
    delivery = settings.provisioning.delivery if settings.provisioning else None
    return CardMakers.of(folder, settings.gateway.id, delivery.signing_certificate) if delivery else None


def _give_card(settings: Settings, makers: CardMakers, path: Path) -> None:
    """A card for the handset at `path`, on the disk and in the store before the handset's file names it.

    One that was enrolled without keeps the application of its makers.
    """
    record, at = read_handset(path), card_path(path)
    if record.app_agent is not None or record.is_keyed:
        return
    if not at.exists():
        write_card(at, card_of(record, makers))
    state = read_card(at)
    with opened_store(settings) as store:
        import_card(store.delivery, read_master(settings.keys.master), state, int(time.time()))
        store.flush()
    write_party(path, with_agent(record, state, makers))


def _tell(device_id: str, step: str, what: str) -> None:
    click.echo(f"{device_id}  {step:<10} {what}", err=True)


def _url(settings: Settings) -> str:
    if settings.provisioning is None:
        raise InputInvalid(what="--url", problem="give it: the configuration has no [provisioning]")
    return url_of(settings.provisioning.address)


def _tsm(settings: Settings, root: Path) -> Tsm:
    try:
        return Tsm(settings.gateway.id, der_of(root.read_text("ascii")))
    except ValueError:
        raise InputInvalid(what="--tsm-root", problem="no certificate in PEM: give root.pem") from None


def _registered_provider(settings: Settings, given: dict[str, Any]) -> ProviderRecord:
    """The provider, in its file and in the store."""
    path, masters = given["out"] / PROVIDER_FILE, read_master(settings.keys.master)
    with opened_store(settings) as store:
        provider = _provider(
            store.registry, path, given["address"], given["provider_msisdn"], given["provider_name"]
        )
        register_provider(store.registry, masters, provider, int(time.time()))
    write_party(path, provider)
    return provider


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
    known = registry.provider_named(wanted.name) or registry.provider_for(wanted.address)
    if known:
        raise VirtualProviderUnfiled(provider=known.provider.name, address=wanted.address)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # not before: a refusal leaves no folder
    write_party(path, wanted)
    return wanted
