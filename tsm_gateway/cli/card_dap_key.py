"""`tsm-gateway card dap-key`: say with which key cards verify load files, once their issuer replaced it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tsm_gateway.cli.application_key import earlier_certificate
from tsm_gateway.cli.audited import audited
from tsm_gateway.cli.card_show import known_card, slices_of_cards
from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.device_life import noted
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.parameter_types import ELEMENT
from tsm_gateway.provisioning.signing import KEY_ID_OCTETS, application_key, key_id_of
from tsm_gateway.registry.errors import NotKnown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tsm_gateway.store.sqlite_store import SqliteStore

FILE = click.Path(dir_okay=False, path_type=Path)
ACTION: Final = "card.dap-key"


@click.command(name="dap-key")
@click.argument("app_ses", metavar="[APP-SE]...", type=ELEMENT, nargs=-1)
@click.option("--issuer", metavar="NAME", help="All cards that this issuer handed over.")
@click.option("--key-id", metavar="HEX", help="The key, by its id of 8 octets: see `application show`.")
@click.option("--certificate", type=FILE, metavar="CERT.pem", help="The key, by its certificate.")
@click.option("--reason", default="", help="Why; kept in the audit log.")
@click.pass_obj
def dap_key(
    config_path: Path,
    /,
    app_ses: tuple[bytes, ...],
    issuer: str | None,
    key_id: str | None,
    certificate: Path | None,
    reason: str,
) -> None:
    """Say with which application-signing key cards verify what is loaded (DAP).

    It changes nothing on a card: its issuer does, and this tells the gateway. From then on such cards are
    sent that key's signature; `application sign` makes it.

    \b
    Examples: tsm-gateway card dap-key --issuer maker --certificate pki/application-signing.pem
              tsm-gateway card dap-key 00112233445566778899aabbccddeeff --key-id 0123456789abcdef
    """
    if bool(app_ses) == (issuer is not None):
        raise InputInvalid(what="APP-SE or --issuer", problem="give one of them")
    key = _key_id(key_id, certificate)
    why, at = noted(reason, "replaced by the issuer"), int(time.time())
    with existing_store(read_settings(config_path)) as store:
        for each in app_ses:
            known_card(store, each)
        subject = issuer or app_ses[0].hex()
        looked_at = changed = 0
        for slice_ in _slices(store, app_ses, issuer):
            looked_at += len(slice_)
            changed += audited(
                store,
                ACTION,
                subject,
                lambda: store.delivery.set_dap_key(slice_, key, reason=why, at=at),  # noqa: B023 - at once
            )
            click.echo(f"{looked_at} cards looked at, {changed} changed", err=True)
        if not looked_at:
            raise NotKnown(what="card", issuer=subject)
    click.echo(f"{changed} of {looked_at} cards verify with key {key.hex()} from now on")
    click.echo(
        "next: `doctor` names what this key has not signed; `application retry` where it failed", err=True
    )


def _slices(store: SqliteStore, app_ses: Sequence[bytes], issuer: str | None) -> Iterable[Sequence[bytes]]:
    """The cards meant, so many at a time as one transaction may hold."""
    if issuer is None:
        return [app_ses]  # of a command line: few
    chosen = ([each.app_se for each in cards if each.issuer == issuer] for cards in slices_of_cards(store))
    return filter(None, chosen)


def _key_id(key_id: str | None, certificate: Path | None) -> bytes:
    """Raises InputInvalid; what `earlier_certificate` raises."""
    if (key_id is None) == (certificate is None):
        raise InputInvalid(what="--key-id or --certificate", problem="give one of them")
    if certificate is not None:
        return key_id_of(application_key(earlier_certificate(certificate).public_key()))
    try:
        octets = bytes.fromhex(key_id or "")
    except ValueError:
        octets = b""
    if len(octets) != KEY_ID_OCTETS:
        raise InputInvalid(what="--key-id", problem=f"it is {KEY_ID_OCTETS} octets in hexadecimal")
    return octets
