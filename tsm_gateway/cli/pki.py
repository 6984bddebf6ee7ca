"""`tsm-gateway pki`: the gateway's own keys and certificates, and whom it trusts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import acting_as_owner_of
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.output import output_option, show_record, show_rows
from tsm_gateway.cli.pki_folder import dir_option, folder_of, nearest, owner_of, owner_option
from tsm_gateway.cli.pki_status import made_row, status
from tsm_gateway.provisioning.agent_trust import ELEMENT_OCTETS
from tsm_gateway.provisioning.pki import CHANNELS, Use, host_names
from tsm_gateway.provisioning.pki_errors import PkiFileMissing
from tsm_gateway.provisioning.pki_file_store import read_file
from tsm_gateway.provisioning.pki_store import PkiStore, write_certificate
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import GeneralName

    from tsm_gateway.cli.output import Form, Row

COLUMNS = ("use", "path", "subject", "expires", "days")
FILE = click.Path(dir_okay=False, path_type=Path)
USE = click.Choice([use.value for use in Use])
NAMES_NEXT = (
    "next: name channel-1 and key-delivery (.pem, .key) in [provisioning], channel-2 and the certificate of "
    "application-signing in [provisioning.delivery]; give root.pem and the public key of application-signing "
    "to the issuer of your secure elements, which pin them; keep a copy of root.key, agents.key and "
    "application-signing.key in a safe place, away from here: only `pki init`, `renew`, `agent` and "
    "`application publish` need them"
)
NEXT_AFTER_RENEWAL = {
    Use.ROOT: "next: its key and name stayed, so all it issued stays good. Secure elements that pin the "
    "certificate and not its key need the new root.pem from their issuer before the old one expires",
    Use.KEY_DELIVERY: "next: reload provisioning. Devices need nothing: they pin the root, and are given "
    "this certificate with every key package",
    Use.APPLICATION_SIGNING: "next: reload provisioning. With a new key: have the issuer of your secure "
    "elements load its public half onto them, and sign what is published again with `application sign --all` "
    "before you renew it once more: that believes what this key and the one before have signed",
    Use.AGENTS: "next: reload; what it issued stays good, as its key and name stayed",
}
NEW_DELIVERY_KEY = (
    "packages that wait were signed by the old key: order them anew with `device rekey`, or put the .old "
    "files back until they were fetched"
)


@click.group()
def pki() -> None:
    """Make, show and renew the gateway's own keys and certificates."""


@pki.command()
@click.option("--name", "names", multiple=True, help="Host name or address that devices reach; repeatable.")
@dir_option
@owner_option
@output_option
@click.pass_obj
def init(config_path: Path, names: Sequence[str], folder: Path | None, owner: str | None, form: Form) -> None:
    """Make every key and certificate that is missing.

    root (pinned by secure elements), key-delivery (signs key packages), application-signing (signs payment
    applications), channel-1 and channel-2 (TLS servers of the --names), agents (authority for client
    certificates of agents). What is there, also imported, stays. Private keys are mode 0600.

    \b
    Example: tsm-gateway pki init --name tsm.example.org --name 192.0.2.7
    """
    at, store = int(time.time()), PkiStore(folder_of(config_path, folder))
    missing = [use for use in Use if not store.has(use)]
    hosts = _hosts(names)
    if not hosts and set(missing) & set(CHANNELS):
        raise InputInvalid(what="--name", problem="is needed: channels are TLS servers, and have names")
    owned = owner_of(config_path, owner)
    rows: list[Row] = []
    with acting_as_owner_of(nearest(store.folder)):
        for use in missing:
            certificate = store.make(use, owner=owned, names=hosts if use in CHANNELS else (), at=at)
            rows.append(made_row(use.value, store.certificate_path(use), certificate, at))
    show_rows(rows, COLUMNS, form)
    click.echo(NAMES_NEXT if rows else "nothing to do: everything is there", err=True)


@pki.command()
@click.argument("use", type=USE)
@click.option("--name", "names", multiple=True, help="New host names of a channel.  [default: as before]")
@click.option(
    "--new-key/--keep-key",
    default=None,
    help="Whether the key is replaced too.  [default: only that of a channel]",
)
@dir_option
@owner_option
@output_option
@click.pass_obj
def renew(
    config_path: Path,
    use: str,
    names: Sequence[str],
    *,
    new_key: bool | None,
    folder: Path | None,
    owner: str | None,
    form: Form,
) -> None:
    """Replace a certificate by a new one; the old files stay beside as .old.

    An authority (root, agents) always keeps its key: else all it issued were void.

    \b
    Examples: tsm-gateway pki renew channel-1
              tsm-gateway pki renew key-delivery
    """
    wanted, at, store = Use(use), int(time.time()), PkiStore(folder_of(config_path, folder))
    if names and wanted not in CHANNELS:
        raise InputInvalid(what="--name", problem="is for channels only")
    if new_key and wanted in {Use.ROOT, Use.AGENTS}:
        raise InputInvalid(what="--new-key", problem="would void all it issued: `pki init` in another --dir")
    replaced = wanted in CHANNELS if new_key is None else new_key
    owned, hosts = owner_of(config_path, owner), _hosts(names)
    with acting_as_owner_of(nearest(store.folder)):
        certificate = store.renew(wanted, owner=owned, new_key=replaced, names=hosts, at=at)
    show_record(made_row(use, store.certificate_path(wanted), certificate, at), form)
    click.echo(NEXT_AFTER_RENEWAL.get(wanted, "next: reload (or restart) what listens with it"), err=True)
    if wanted is Use.KEY_DELIVERY and replaced:
        click.echo(NEW_DELIVERY_KEY, err=True)


@pki.command(name="import")
@click.argument("use", type=USE)
@click.option("--certificate", type=FILE, required=True, help="PEM, issued elsewhere.")
@click.option("--key", type=FILE, help="PEM, unencrypted, mode 0600; only a root's may stay elsewhere.")
@dir_option
@output_option
@click.pass_obj
def import_command(
    config_path: Path, use: str, certificate: Path, key: Path | None, folder: Path | None, form: Form
) -> None:
    """Take over a certificate of your own authority, with its key; what was there stays as .old.

    It is refused if it could not serve this use. Import the root first: then the others have to be issued
    by it, as secure elements see it.

    \b
    Example: tsm-gateway pki import channel-1 --certificate tsm.pem --key tsm.key
    """
    wanted, at, store = Use(use), int(time.time()), PkiStore(folder_of(config_path, folder))
    secret = Secret(read_file(key, private=True)) if key is not None else None
    octets = read_file(certificate)
    with acting_as_owner_of(nearest(store.folder)):
        taken = store.take(wanted, octets, secret, at)
    show_record(made_row(use, store.certificate_path(wanted), taken, at), form)


@pki.command()
@click.option("--csr", type=FILE, required=True, help="The agent's request (PKCS #10), PEM or DER.")
@click.option("--app-se", required=True, help="Id of the app SE it stands in front of, in hexadecimal.")
@click.option("--out", type=FILE, help="Where its certificate goes.  [default: beside the request, .pem]")
@dir_option
@owner_option
@output_option
@click.pass_obj
def agent(
    config_path: Path,
    *,
    csr: Path,
    app_se: str,
    out: Path | None,
    folder: Path | None,
    owner: str | None,
    form: Form,
) -> None:
    """Issue a TLS client certificate to the agent of one app SE, from its request.

    The agent makes key and request, and its key never leaves it; the common name it asks for is its name
    here. Compare who asks before you sign: on channel 2 it speaks for the app SE, and for no other.

    \b
    Example: tsm-gateway pki agent --csr agent-7.csr --app-se 00112233445566778899aabbccddeeff
    """
    at, store = int(time.time()), PkiStore(folder_of(config_path, folder))
    path, request = out or csr.with_suffix(".pem"), _request(csr)
    owned, element = owner_of(config_path, owner), _element(app_se)
    with acting_as_owner_of(nearest(store.folder)):
        certificate = store.sign_agent(request, owner=owned, app_se=element, at=at)
    write_certificate(path, certificate)
    show_record(made_row("agent", path, certificate, at), form)


def _request(path: Path) -> bytes:
    """The octets of an agent's request. Raises InputInvalid when there is none, and as `read_file`."""
    try:
        return read_file(path)
    except PkiFileMissing:
        problem = f"{path} is not there: the agent makes it, with its key (`openssl req -new`)"
        raise InputInvalid(what="--csr", problem=problem) from None


def _element(text: str) -> bytes:
    """The id of an app SE. Raises InputInvalid."""
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        octets = b""
    if len(octets) not in ELEMENT_OCTETS:
        raise InputInvalid(what="--app-se", problem="is 8 to 32 octets in hexadecimal")
    return octets


def _hosts(names: Sequence[str]) -> list[GeneralName]:
    try:
        return host_names(names)
    except ValueError as error:
        raise InputInvalid(what="--name", problem=str(error)) from None


pki.add_command(status)
