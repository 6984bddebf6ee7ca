"""`tsm-gateway card list`, `show`, `forget`: what is known of cards; a key itself is never shown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from tsm_gateway.cli.audited import audited
from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.device_life import noted
from tsm_gateway.cli.output import output_option, show_record, show_rows, when
from tsm_gateway.cli.parameter_types import ELEMENT
from tsm_gateway.registry.card import CardKeyState
from tsm_gateway.registry.errors import NotKnown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.registry.card import Card, CardContent, CardKeySet
    from tsm_gateway.store.sqlite_store import SqliteStore

    Row = dict[str, object]

SLICE: Final = 1000  # cards in memory at a time
LISTED: Final = ("app_se", "issuer", "protocol", "sd_aid", "imported_at")
KEYS: Final = ("kvn", "state", "master_version", "created_at")
CONTENTS: Final = ("kind", "aid", "life_cycle", "privileges")
OURS: Final = frozenset({CardKeyState.CURRENT, CardKeyState.PENDING})
ASK: Final = (
    "The key set of card {} is deleted: nothing reaches it before its manifest is imported again. Go on?"
)
ASK_OURS: Final = (
    "Card {} holds keys that this gateway made, and nobody else has: once forgotten, it can never be loaded, "
    "emptied or opened again, by anybody. Go on?"
)


@click.command(name="list")
@click.option("--issuer", metavar="NAME", help="Only those it handed over.")
@click.option("--limit", type=click.IntRange(1), default=None, help="At most so many.  [default: all]")
@output_option
@click.pass_obj
def list_command(config_path: Path, issuer: str | None, limit: int | None, form: Form) -> None:
    """List cards in the order of their app SE ids.

    \b
    Example: tsm-gateway card list --issuer maker -o jsonl
    """
    with existing_store(read_settings(config_path)) as store:
        found = (each for cards in slices_of_cards(store) for each in cards if issuer in {None, each.issuer})
        shown = found if limit is None else (each for each, _ in zip(found, range(limit), strict=False))
        show_rows(map(card_row, shown), LISTED, form)


def slices_of_cards(store: SqliteStore) -> Iterator[list[Card]]:
    """All of them, a slice at a time."""
    after = b""
    while found := store.delivery.cards(after=after, limit=SLICE):
        yield found
        after = found[-1].app_se


@click.command()
@click.argument("app_se", metavar="APP-SE", type=ELEMENT)
@output_option
@click.pass_obj
def show(config_path: Path, app_se: bytes, form: Form) -> None:
    """Show a card: its security domain, the numbers of its key sets, whose it is, what it said it holds.

    \b
    Example: tsm-gateway card show 00112233445566778899aabbccddeeff
    """
    with existing_store(read_settings(config_path)) as store:
        card = known_card(store, app_se)
        device, inventory = store.delivery.owner_of(app_se), store.delivery.inventory(app_se)
        keys = [_key_row(each) for each in store.delivery.card_keys(app_se)]
    contents = [] if inventory is None else [_content_row(each) for each in inventory.contents]
    record: Row = {
        **card_row(card),
        "dap_key": card.dap_key.hex() or None,
        "device": device,
        "free_memory": None if inventory is None else inventory.free_memory,
        "inventory_at": None if inventory is None else when(inventory.taken_at),
        "not_vouched_for": None if inventory is None else ", ".join(inventory.silent) or None,
    }
    if form != "table":
        show_record({**record, "keys": keys, "contents": contents}, form)
        return
    show_record(record, form)
    for columns, rows in ((KEYS, keys), (CONTENTS, contents)):
        if rows:
            click.echo()
            show_rows(rows, columns, form)


@click.command()
@click.argument("app_se", metavar="APP-SE", type=ELEMENT)
@click.option("--reason", default="", help="Why; kept in the audit log.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def forget(config_path: Path, app_se: bytes, reason: str, *, yes: bool) -> None:
    """Delete a card with its key sets; open jobs of its device are cancelled.

    For cards that were destroyed, or imported with the wrong keys. Once this gateway has given a card keys of
    its own, nobody else has them.

    \b
    Example: tsm-gateway card forget 00112233445566778899aabbccddeeff --reason 'card destroyed'
    """
    at, named = int(time.time()), app_se.hex()
    with existing_store(read_settings(config_path)) as store:
        if not yes:
            ours = any(keys.state in OURS for keys in store.delivery.card_keys(app_se))
            click.confirm((ASK_OURS if ours else ASK).format(named), abort=True, err=True)
        why = noted(reason, "forgotten")
        audited(store, "card.forget", named, lambda: store.delivery.forget_card(app_se, reason=why, at=at))


def known_card(store: SqliteStore, app_se: bytes) -> Card:
    """One card. Raises NotKnown."""
    card = store.delivery.card(app_se)
    if card is None:
        raise NotKnown(what="card", app_se=app_se.hex())
    return card


def card_row(card: Card) -> Row:
    """A card as it may be shown."""
    return {
        "app_se": card.app_se.hex(),
        "issuer": card.issuer,
        "protocol": f"{card.protocol:02x}",
        "sd_aid": card.sd_aid.hex().upper(),
        "imported_at": when(card.imported_at),
    }


def _key_row(keys: CardKeySet) -> Row:
    """Which key set, never what; one that is retired is wrapped by no master key."""
    return {
        "kvn": keys.kvn,
        "state": keys.state.value,
        "master_version": keys.master_version or None,
        "created_at": when(keys.created_at),
    }


def _content_row(content: CardContent) -> Row:
    return {
        "kind": content.kind,
        "aid": content.aid.hex().upper(),
        "life_cycle": f"{content.life_cycle:02x}",
        "privileges": content.privileges.hex() or None,
    }
