"""`tsm-gateway virtual pay`: one payment, or many, of a virtual handset."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tsm_gateway.virtual.biometric import Finger
from tsm_gateway.virtual.card import Card
from tsm_gateway.virtual.card_files import read_card
from tsm_gateway.virtual.handset import GATEWAY_NUMBER, VALIDITY_S, Handset, app_element
from tsm_gateway.virtual.party_files import card_path, read_handset, take_piv

if TYPE_CHECKING:
    from tsm_gateway.virtual.part import Part


@click.command()
@click.option(
    "--handset",
    "handset_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="handset.json of `virtual enrol`.",
)
@click.option(
    "--to", "address", default="", help="Address of the service provider; by default the application's own."
)
@click.option("--amount", required=True, help="As people write it: 12.99.")
@click.option("--currency", default="EUR", show_default=True, help="ISO 4217 code.")
@click.option("--count", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="Payments.")
@click.option("--gateway-number", default=GATEWAY_NUMBER, show_default=True, help="Number to send to.")
@click.option("--valid-for", type=click.IntRange(1), default=VALIDITY_S, show_default=True, help="Seconds.")
@click.option("--wide-reference", is_flag=True, help="16-bit concatenation references.")
@click.option("--finger", help="Whose finger lies on the sensor; by default the owner's.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array of parts a payment.")
def pay(**given: Any) -> None:  # noqa: ANN401 - one keyword an option
    """Approve a payment with a virtual handset and print its short messages.

    The handset's counter moves on in its file before they are printed. A handset with a card pays when its
    application is installed (`virtual deliver`), and sends where that was told to.

    \b
    Example: tsm-gateway virtual pay --handset parties/handset-0001.json --to sp:shop --amount 12.99 --json
    """
    path, amount, currency, count = (given[name] for name in ("handset_file", "amount", "currency", "count"))
    card = _card(path)
    app = app_element(read_handset(path), card)
    address = given["address"] or app.own_provider
    if not address:
        message = "give it: the application was not told of a provider"
        raise click.BadParameter(message, param_hint="--to")
    app.order(address, amount, currency)  # what is refused costs no counter
    record = take_piv(path, count)  # on the disk before anything is printed
    handset = Handset(
        record, card=card, gateway=given["gateway_number"], wide_reference=given["wide_reference"]
    )
    finger = Finger(given["finger"]) if given["finger"] is not None else None
    now = int(time.time())
    for _ in range(count):
        parts = handset.pay(address, amount, currency, at=now, validity_s=given["valid_for"], finger=finger)
        click.echo(_as_array(parts) if given["as_json"] else _as_text(parts))


def _card(path: Path) -> Card | None:
    """The card beside the handset's file, if its app element is one."""
    return Card(read_card(card_path(path))) if read_handset(path).app_agent is not None else None


def _as_array(parts: list[Part]) -> str:
    return json.dumps([part.as_json() for part in parts])


def _as_text(parts: list[Part]) -> str:
    return "\n".join(
        f"{part.source} -> {part.destination}  udh {part.udh.hex()}  data {part.data.hex()}" for part in parts
    )
