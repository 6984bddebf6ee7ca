"""`tsm-gateway application sign`: sign anew what is published, after the key was renewed.

Only what is known to be an operator's is signed: see application_origin.py.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tsm_gateway.cli.application_key import KEY_HELP, signing_with
from tsm_gateway.cli.application_origin import by_cap, by_certificates, published_load_file
from tsm_gateway.cli.application_show import version_of
from tsm_gateway.cli.audited import audited
from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.output import output_option, show_rows
from tsm_gateway.cli.parameter_types import NAME, VERSION
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.signing import is_signed
from tsm_gateway.registry.application import ApplicationState
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreFull

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tsm_gateway.cli.application_key import Signing
    from tsm_gateway.cli.application_origin import Origin
    from tsm_gateway.cli.output import Form
    from tsm_gateway.registry.application import Application, Version
    from tsm_gateway.store.sqlite_store import SqliteStore

COLUMNS: Final = ("application", "version", "digest", "key_id", "signed", "refused")
STORE: Final = (StoreBroken, StoreBusy, StoreFull)
FILE = click.Path(dir_okay=False, path_type=Path)
NEXT: Final = (
    "next: cards verify with the key their issuer put there; where that is an earlier one still, have it "
    "replaced. Signatures by earlier keys are kept"
)

NEXT_ALSO: Final = (
    "next: cards that verify with this earlier key are sent its signature; `application retry` where an "
    "application failed for want of it"
)


@click.command()
@click.argument("name", type=NAME, required=False)
@click.option("--version", type=VERSION, help="[default: the newest that is not retired]")
@click.option("--all", "every", is_flag=True, help="Every version that is not retired.")
@click.option("--key", help=KEY_HELP)
@click.option(
    "--also-for",
    type=FILE,
    metavar="CERT.pem",
    help="The earlier certificate of --key: add its signature, for cards that verify with it still.",
)
@click.option(
    "--signed-by",
    type=FILE,
    multiple=True,
    metavar="CERT.pem",
    help="Believe what was signed under this earlier application-signing certificate, too; repeatable.",
)
@click.option("--cap", type=FILE, help="The CAP file that NAME --version was published from: believe that.")
@output_option
@click.pass_obj
def sign(  # noqa: PLR0913 - click's values, one per option
    config_path: Path,
    /,
    name: str | None,
    version: Version | None,
    key: str | None,
    also_for: Path | None,
    signed_by: tuple[Path, ...],
    cap: Path | None,
    *,
    every: bool,
    form: Form,
) -> None:
    """Sign load files that are published, by the present application-signing key.

    After `pki renew application-signing --new-key` nothing is sent before it is signed anew. What the present
    key has signed is left as it is.

    A card verifies with the key its issuer put there, and that may be an earlier one: with --also-for the
    earlier --key adds a signature for such cards. The present key has to have signed the version as well, or
    nothing is sent. Once the issuer replaced the key on the cards: `card dap-key`.

    The database is not believed: signed anew is what the key of an application-signing certificate has
    signed before, that of the present one, of the one that `pki renew` put aside as .old, or of one you name
    with --signed-by. Where none of them has, give the CAP file again: it is signed if it gives the very load
    file that is stored.

    \b
    Examples: tsm-gateway application sign --all
              tsm-gateway application sign pay --version 1.0.0 --key /media/key/application-signing.key
              tsm-gateway application sign pay --version 1.0.0 --cap pay.cap
              tsm-gateway application sign --all --key application-signing.key.old --also-for \
application-signing.pem.old
    """
    if every == (name is not None) or (every and version is not None):
        raise InputInvalid(what="NAME or --all", problem="give one of them; --version goes with NAME")
    if cap is not None and (version is None or signed_by):
        raise InputInvalid(what="--cap", problem="goes with NAME --version, and without --signed-by")
    if also_for is not None and key is None:
        raise InputInvalid(what="--also-for", problem="goes with --key, the earlier key of that certificate")
    settings, at = read_settings(config_path), int(time.time())
    signing = signing_with(config_path, key, also_for)
    origin = by_cap(cap) if cap is not None else by_certificates(config_path, signed_by)
    with existing_store(settings) as store:
        chosen = [version_of(store, name, version)] if name is not None else _published(store)
        rows, refusals = _signed_all(store, chosen, signing, origin, at)
    if every or not refusals:
        show_rows(rows, COLUMNS, form)
    if refusals:
        raise refusals[0]
    then = NEXT if also_for is None else NEXT_ALSO
    click.echo(then if any(row["signed"] for row in rows) else "nothing to do: all is signed", err=True)


def _published(store: SqliteStore) -> list[Application]:
    return [each for each in store.delivery.applications() if each.state is ApplicationState.PUBLISHED]


def _told(chosen: Sequence[Application]) -> Iterator[Application]:
    """With progress on stderr, where there are several."""
    for count, each in enumerate(chosen, start=1):
        if len(chosen) > 1:
            click.echo(f"{count} of {len(chosen)}: {each.name} {each.version}", err=True)
        yield each


def _signed_all(
    store: SqliteStore, chosen: Sequence[Application], signing: Signing, origin: Origin, at: int
) -> tuple[list[dict[str, object]], list[TsmError]]:
    """Sign each, and go on behind one that is refused: it must not keep the others from being signed."""
    rows, refusals = [], []
    for found in _told(chosen):
        signed, refused = False, None
        try:
            signed = _signed(store, found, signing, origin, at)
        except STORE:
            raise
        except TsmError as error:
            refusals.append(error)
            refused = error.code
        rows.append(_row(found, signing, signed=signed, refused=refused))
    return rows, refusals


def _row(found: Application, signing: Signing, *, signed: bool, refused: str | None) -> dict[str, object]:
    return {
        "application": found.name,
        "version": str(found.version),
        "digest": found.digest.hex(),
        "key_id": signing.signer.key_id.hex(),
        "signed": signed,
        "refused": refused,
    }


def _signed(store: SqliteStore, found: Application, signing: Signing, origin: Origin, at: int) -> bool:
    """Sign one, durably, unless it is; whether it was done. Raises as `sign_anew`."""
    if is_signed(signing.key, found.digest, store.delivery.signatures(found.digest)):
        return False
    audited(store, "application.sign", found.name, lambda: sign_anew(store, found, signing, origin, at=at))
    return True


def sign_anew(store: SqliteStore, found: Application, signing: Signing, origin: Origin, *, at: int) -> None:
    """Sign one published version, staged, when `origin` shows that it is an operator's.

    Raises ApplicationOriginUnknown, CapNotPublished; ApplicationNotAuthentic when its octets are not its own,
    ApplicationMismatch when its AIDs are not.
    """
    load_file = published_load_file(store, found)
    origin.check(store, found)
    store.delivery.sign(signing.over(load_file, at))
