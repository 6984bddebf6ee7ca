"""`tsm-gateway application sign`: sign anew what is published, after the key was renewed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from tsm_gateway.cli.application_key import KEY_HELP, signing_with
from tsm_gateway.cli.application_show import version_of
from tsm_gateway.cli.audited import audited
from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.output import output_option, show_rows
from tsm_gateway.cli.parameter_types import NAME, VERSION
from tsm_gateway.provisioning.application_errors import ApplicationNotAuthentic
from tsm_gateway.provisioning.load_file import LoadFile
from tsm_gateway.registry.application import ApplicationState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tsm_gateway.cli.application_key import Signing
    from tsm_gateway.cli.output import Form
    from tsm_gateway.registry.application import Application, Version
    from tsm_gateway.store.sqlite_store import SqliteStore

COLUMNS: Final = ("application", "version", "digest", "key_id", "signed")
NEXT: Final = (
    "next: cards verify with the key their issuer put there; where that is an earlier one still, have it "
    "replaced. Signatures by earlier keys are kept"
)


@click.command()
@click.argument("name", type=NAME, required=False)
@click.option("--version", type=VERSION, help="[default: the newest that is not retired]")
@click.option("--all", "every", is_flag=True, help="Every version that is not retired.")
@click.option("--key", help=KEY_HELP)
@output_option
@click.pass_obj
def sign(
    config_path: Path,
    /,
    name: str | None,
    version: Version | None,
    key: str | None,
    *,
    every: bool,
    form: Form,
) -> None:
    """Sign load files that are published, by the present application-signing key.

    After `pki renew application-signing --new-key` nothing is sent before it is signed anew. What the present
    key has signed is left as it is.

    \b
    Examples: tsm-gateway application sign --all
              tsm-gateway application sign pay --version 1.0.0 --key /media/key/application-signing.key
    """
    if every == (name is not None) or (every and version is not None):
        raise InputInvalid(what="NAME or --all", problem="give one of them; --version goes with NAME")
    settings, at = read_settings(config_path), int(time.time())
    signing = signing_with(config_path, key)
    with existing_store(settings) as store:
        chosen = [version_of(store, name, version)] if name is not None else _published(store)
        rows = [_signed(store, each, signing, at) for each in _told(chosen)]
    show_rows(rows, COLUMNS, form)
    click.echo(NEXT if any(row["signed"] for row in rows) else "nothing to do: all is signed", err=True)


def _published(store: SqliteStore) -> list[Application]:
    return [each for each in store.delivery.applications() if each.state is ApplicationState.PUBLISHED]


def _told(chosen: Sequence[Application]) -> Iterator[Application]:
    """With progress on stderr, where there are several."""
    for count, each in enumerate(chosen, start=1):
        if len(chosen) > 1:
            click.echo(f"{count} of {len(chosen)}: {each.name} {each.version}", err=True)
        yield each


def _signed(store: SqliteStore, found: Application, signing: Signing, at: int) -> dict[str, object]:
    """Sign one, durably, unless it is. Raises ApplicationNotAuthentic for octets not those published."""
    known = {each.key_id for each in store.delivery.signatures(found.digest)}
    anew = signing.signer.key_id not in known
    if anew:
        audited(store, "application.sign", found.name, lambda: sign_anew(store, found, signing, at=at))
    return {
        "application": found.name,
        "version": str(found.version),
        "digest": found.digest.hex(),
        "key_id": signing.signer.key_id.hex(),
        "signed": anew,
    }


def sign_anew(store: SqliteStore, found: Application, signing: Signing, *, at: int) -> None:
    """Sign one published version, staged. Raises ApplicationNotAuthentic when its octets are not its own."""
    load_file = LoadFile(store.delivery.load_file(found.digest), found.package_aid)
    if load_file.digest != found.digest:
        raise ApplicationNotAuthentic
    store.delivery.sign(signing.over(load_file, at))
