"""`tsm-gateway card`: app SEs as cards, and the key sets that open them."""

from __future__ import annotations

import click

from tsm_gateway.cli import card_job, card_show
from tsm_gateway.cli.card_dap_key import dap_key
from tsm_gateway.cli.card_import import import_command
from tsm_gateway.cli.in_order import InOrder


@click.group(cls=InOrder)
def card() -> None:
    """Import the key sets of app SEs from their issuers, show them, order jobs on them.

    Keys rest wrapped under the master key, and no command shows one.
    """


for each in (
    import_command,
    card_show.list_command,
    card_show.show,
    *card_job.COMMANDS,
    dap_key,
    card_show.forget,
):
    card.add_command(each)
