"""`tsm-gateway provider add`: make a service provider known and hand it its key."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import click

from tsm_gateway.cli.context import held_masters, master_option, open_store, read_settings
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.new_keys import first_piv
from tsm_gateway.cli.output import output_option, show_record
from tsm_gateway.cli.provider_key import CERTIFICATE_HELP, FILE, KEY_OUT_HELP, key_handed_out
from tsm_gateway.registry.address import INTERNATIONAL, SHORT_CODE, normalise_address
from tsm_gateway.registry.provider import Provider, ProviderState, Verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.daemon.settings import Settings

NAME = re.compile(r"[a-z0-9._-]{1,32}")
LONGEST_VALIDITY_S = 63 * 7 * 86_400  # the longest relative validity of a short message: 63 weeks


@click.command()
@click.argument("name")
@click.option(
    "--address",
    "addresses",
    multiple=True,
    required=True,
    help='"+49…", a short code or "sp:name"; repeat it.',
)
@click.option("--msisdn", required=True, help='Where its packets are sent: "+49…" or a short code.')
@click.option("--route", "routes", multiple=True, help="Link to send over, best first.  [default: any]")
@click.option(
    "--verify",
    type=click.Choice([each.value for each in Verify]),
    default=Verify.GATEWAY.value,
    show_default=True,
    help="Who checks the payment certificate's signature.",
)
@click.option(
    "--amount-limit", type=click.IntRange(0), default=0, help="Refuse above, in minor units; 0 = no limit."
)
@click.option(
    "--biometric-above", type=click.IntRange(0), default=0, help="Demand a biometric above; 0 = never."
)
@click.option("--receipt/--no-receipt", default=False, help="Ask the network for delivery receipts.")
@click.option(
    "--validity",
    type=click.IntRange(0, LONGEST_VALIDITY_S),
    default=0,
    help="Seconds the network tries; 0 = its default.",
)
@click.option("--certificate", type=FILE, required=True, help=CERTIFICATE_HELP)
@click.option("--key-out", type=FILE, required=True, help=KEY_OUT_HELP)
@click.option("--reason", default="registered by hand", show_default=True, help="Kept with the provider.")
@master_option
@output_option
@click.pass_obj
def add(
    config_path: Path,
    /,
    name: str,
    certificate: Path,
    key_out: Path,
    *,
    master: Path | None,
    form: Form,
    **given: Any,  # noqa: ANN401 - click's values, one per option
) -> None:
    """Register a provider and write its key to --key-out, sealed to its certificate.

    The file holds nothing in clear and is not made a second time: give it to the provider. Amounts are in
    the minor unit of the payment's currency.

    \b
    Example: tsm-gateway provider add coffee-shop --address +4930123456 --address sp:coffee \\
               --msisdn +4930999000 --certificate shop.pem --key-out shop.json
    """
    settings, at = read_settings(config_path), int(time.time())
    found = _provider(settings, name, given, at)
    with (
        held_masters(settings, master) as masters,
        key_handed_out(
            masters,
            tsm_id=settings.gateway.id,
            name=name,
            version=1,
            certificate=certificate,
            out=key_out,
            at=at,
        ) as key,
        open_store(settings) as store,
    ):
        store.registry.add_provider(found, key, next_piv=first_piv())
    show_record(
        {
            "provider": name,
            "addresses": list(found.addresses),
            "kid": key.kid.hex(),
            "version": key.epoch,
            "key_out": str(key_out),
        },
        form,
    )


def _provider(settings: Settings, name: str, given: dict[str, Any], at: int) -> Provider:
    """The record. Raises InputInvalid, AddressInvalid."""
    if not NAME.fullmatch(name):
        raise InputInvalid(what="NAME", problem="is not 1 to 32 of a-z 0-9 . - _")
    msisdn = given["msisdn"]
    if not INTERNATIONAL.fullmatch(msisdn) and not SHORT_CODE.fullmatch(msisdn):
        raise InputInvalid(
            what="--msisdn", problem='is neither "+" and 7 to 15 digits nor a short code of 3 to 8'
        )
    return Provider(
        name=name,
        state=ProviderState.ACTIVE,
        addresses=tuple(dict.fromkeys(map(normalise_address, given["addresses"]))),
        msisdn=msisdn,
        routes=_routes(settings, given["routes"]),
        verify=Verify(given["verify"]),
        amount_limit=given["amount_limit"],
        biometric_above=given["biometric_above"],
        receipt=given["receipt"],
        validity_s=given["validity"],
        created_at=at,
        changed_at=at,
        reason=given["reason"],
    )


def _routes(settings: Settings, routes: Sequence[str]) -> tuple[str, ...]:
    """Links that exist and can send: over a misspelt one nothing would ever go out. Raises InputInvalid."""
    able = [link.name for link in settings.smpp if link.can_send]
    for route in routes:
        if route not in able:
            raise InputInvalid(
                what="--route",
                problem=f"{route} is no link that sends; those are {', '.join(able) or 'none'}",
            )
    return tuple(dict.fromkeys(routes))
