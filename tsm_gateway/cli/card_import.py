"""`tsm-gateway card import`: cards and their key sets from an issuer's manifest.

The file is read twice, a line at a time: once to see that every line is right, once to keep the cards, a
thousand in one transaction. What was kept stays kept, wherever it breaks off.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tsm_gateway.cli.audited import audited
from tsm_gateway.cli.card_taking import CardImport
from tsm_gateway.cli.context import held_masters, master_option, open_store, read_settings
from tsm_gateway.cli.device_life import noted
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.output import output_option, show_record
from tsm_gateway.cli.private_file import private_file
from tsm_gateway.provisioning.card_manifest import LONGEST_LINE, CardManifest
from tsm_gateway.store.acts import STORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from tsm_gateway.cli.output import Form
    from tsm_gateway.provisioning.card_manifest import ManifestCard
    from tsm_gateway.store.sqlite_store import SqliteStore

FILE = click.Path(dir_okay=False, path_type=Path)
ISSUER: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,31}", re.ASCII)
CHECKED: Final = 50_000  # cards between two lines of progress, when nothing is kept yet
ACTION: Final = "card.import"
NEXT: Final = (
    "next: destroy the manifest. The keys are wrapped in the store, and each card is given keys of its own "
    "when its agent comes first"
)
AGAIN: Final = "kept are {} cards; with --skip-known another run passes over them, and over any known before"
NOTHING_KEPT: Final = "no card was kept; --skip-known passes over cards that are known"
CONFLICTS: Final = (
    "{} cards are on record otherwise than the manifest says: see `card show` of each. The record stays; "
    "`card forget` and another import replace it, where the manifest is right"
)


def cards_of(file: BinaryIO) -> Iterator[ManifestCard]:
    """The cards of a manifest, from where `file` stands, one line at a time. Raises ManifestMalformed."""
    manifest = CardManifest()
    while line := file.readline(LONGEST_LINE + 2):
        card = manifest.read(line.rstrip(b"\r\n"))
        if card is not None:
            yield card


@click.command(name="import")
@click.argument("manifest", type=FILE)
@click.option("--issuer", required=True, metavar="NAME", help="Who handed the cards over; kept with each.")
@click.option(
    "--skip-known",
    is_flag=True,
    help="Pass over cards that are known; they stay as they are, and conflicts are told.",
)
@click.option("--reason", default="", help="Why; kept in the audit log.")
@master_option
@output_option
@click.pass_obj
def import_command(
    config_path: Path,
    /,
    manifest: Path,
    issuer: str,
    reason: str,
    *,
    skip_known: bool,
    master: Path | None,
    form: Form,
) -> None:
    """Make cards known: the app SEs of an issuer, with the key sets that open them.

    MANIFEST (mode 0600) holds a JSON object a line, either a card with its keys, or first a master key and
    then a card with its diversification data:

    \b
    {"app_se":"…","sd_aid":"a000000151000000","kvn":48,"i":"70","enc":"…","mac":"…","dek":"…"}
    or
    {"master":{"kvn":48,"key":"…"},"kdf":"sp800-108","i":"70","sd_aid":"a000000151000000"}
    {"app_se":"…","diversification":"…"}

    "receipt" (the card's receipt key) and "dap_key" (id of the key it verifies applications with, if that is
    not the present one) may stand in a card's line.

    Every line is checked before the first card is kept. Then a thousand cards are kept at a time, and one
    that is known already ends it there: the thousands ahead stay kept. With --skip-known it does not; a card
    of another issuer, or with other data or keys than on record, is told and counted apart (conflicts).

    \b
    Example: tsm-gateway card import maker-2026-07.jsonl --issuer maker
    """
    if not ISSUER.fullmatch(issuer):
        raise InputInvalid(what="--issuer", problem="is not 1 to 32 of letters, digits, . - _")
    settings, at = read_settings(config_path), int(time.time())
    with private_file(manifest) as file:
        count = _counted(file)
        if not count:
            raise InputInvalid(what=str(manifest), problem="holds no card")
        file.seek(0)
        with held_masters(settings, master) as masters, open_store(settings) as store:
            taking = CardImport(
                store, masters, issuer=issuer, reason=noted(reason, "imported"), at=at, skip_known=skip_known
            )
            _keep(store, taking, cards_of(file), count)
    counts = {"imported": taking.imported, "already_known": taking.known, "conflicts": taking.conflicts}
    show_record({"issuer": issuer, **counts}, form)
    click.echo(NEXT, err=True)


def _counted(file: BinaryIO) -> int:
    """How many cards there are, every line being right; with progress. Raises ManifestMalformed."""
    count = 0
    for count, _ in enumerate(cards_of(file), start=1):
        if count % CHECKED == 0:
            click.echo(f"{count} cards checked", err=True)
    return count


def _keep(store: SqliteStore, taking: CardImport, cards: Iterable[ManifestCard], count: int) -> None:
    """With progress; what broke off is told with what was kept."""
    whole = False
    try:
        audited(store, ACTION, STORE, lambda: taking.keep(cards, lambda so_far: _tell(so_far, count)))
        whole = True
    finally:
        _tell_conflicts(taking)
        if not whole:
            click.echo(AGAIN.format(taking.imported) if taking.imported else NOTHING_KEPT, err=True)


def _tell_conflicts(taking: CardImport) -> None:
    for sentence in taking.named:
        click.echo(sentence, err=True)
    if taking.conflicts:
        click.echo(CONFLICTS.format(taking.conflicts), err=True)


def _tell(so_far: int, count: int) -> None:
    click.echo(f"{so_far} of {count} cards", err=True)
