"""`tsm-gateway provider`: register service providers, show them, suspend and resume them, rotate keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import open_store, read_settings
from tsm_gateway.cli.device_show import key_row
from tsm_gateway.cli.output import output_option, show_record, show_rows, when
from tsm_gateway.cli.provider_add import add
from tsm_gateway.cli.provider_key import rotate_key
from tsm_gateway.registry.errors import NotKnown
from tsm_gateway.registry.provider import PROVIDER_MOVES, ProviderMove

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.registry.provider import Provider

LISTED = ("provider", "state", "addresses", "msisdn", "routes", "verify", "reason")


@click.group()
def provider() -> None:
    """Register, show and move service providers; a running gateway knows within a second."""


provider.add_command(add)
provider.add_command(rotate_key)


@provider.command(name="list")
@output_option
@click.pass_obj
def list_command(config_path: Path, form: Form) -> None:
    """List all providers.

    \b
    Example: tsm-gateway provider list -o jsonl
    """
    with open_store(read_settings(config_path)) as store:
        show_rows(map(row_of, store.registry.providers()), LISTED, form)


@provider.command()
@click.argument("name")
@output_option
@click.pass_obj
def show(config_path: Path, name: str, form: Form) -> None:
    """Show a provider and the numbers of its keys; a key itself is never shown.

    \b
    Example: tsm-gateway provider show coffee-shop
    """
    with open_store(read_settings(config_path)) as store:
        found = next((each for each in store.registry.providers() if each.name == name), None)
        keys = [_version(key_row(key)) for key in store.registry.keys(name)]
    if found is None:
        raise NotKnown(what="provider", name=name)
    if form == "table":
        show_record(row_of(found), form)
        click.echo()
        show_rows(keys, ("kid", "version", "state", "master_version", "created_at"), form)
    else:
        show_record({**row_of(found), "keys": keys}, form)


def _version(row: dict[str, object]) -> dict[str, object]:
    """A provider's keys have versions where a device's have epochs."""
    return {"version" if name == "epoch" else name: value for name, value in row.items()}


def row_of(found: Provider) -> dict[str, object]:
    """A provider as it may be shown."""
    return {
        "provider": found.name,
        "state": found.state.value,
        "addresses": list(found.addresses),
        "msisdn": found.msisdn,
        "routes": list(found.routes),
        "verify": found.verify.value,
        "amount_limit": found.amount_limit,
        "biometric_above": found.biometric_above,
        "receipt": found.receipt,
        "validity_s": found.validity_s,
        "created_at": when(found.created_at),
        "changed_at": when(found.changed_at),
        "reason": found.reason,
    }


def _mover(move: ProviderMove, does: str, why: str) -> Callable[..., None]:
    """The command of one row of the state table; `why` is an example of a reason."""

    @provider.command(
        name=move.value,
        help=f"{does}\n\nAllowed for a provider that is "
        f"{', '.join(sorted(state.value for state in PROVIDER_MOVES[move][0]))}.\n\n"
        f"\b\nExample: tsm-gateway provider {move.value} coffee-shop --reason '{why}'",
    )
    @click.argument("name")
    @click.option("--reason", default="", help="Why; kept with the provider.")
    @output_option
    @click.pass_obj
    def command(config_path: Path, name: str, reason: str, form: Form) -> None:
        at, noted = int(time.time()), reason or f"{move.value} by an operator"
        with open_store(read_settings(config_path)) as store:
            moved = store.registry.move_provider(name, move, reason=noted, at=at)
        show_rows([row_of(moved)], LISTED, form)

    return command


SUSPENDED = "Refuse payments for a provider until it is resumed; accepted ones still go out."
for each, sentence, example in (
    (ProviderMove.SUSPEND, SUSPENDED, "does not answer its line"),
    (ProviderMove.RESUME, "Take payments for a suspended provider again.", "line repaired"),
    (ProviderMove.RETIRE, "Refuse payments for a provider for good; its keys are retired.", "contract ended"),
):
    _mover(each, sentence, example)
