"""`tsm-gateway virtual`: a handset, a provider and an SMSC of their own, for demo, tests and integrators."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {  # verb -> "module:attribute" below tsm_gateway.cli
    "issuer": "virtual_issuer:issuer_command",
    "enrol": "virtual_enrol:enrol_command",
    "deliver": "virtual_deliver:deliver_command",
    "rekey": "virtual_rekey:rekey_command",
    "receive": "virtual_receive:receive_command",
    "pay": "virtual_pay:pay",
    "open": "virtual_open:open_command",
    "card": "virtual_card:card_command",
    "cap": "virtual_cap:cap_command",
    "smsc": "virtual_smsc:smsc_command",
}


class _VirtualGroup(click.Group):
    """Imports a verb's module when it is called: a handset that pays need not wait for the store's."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All verbs, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a verb's module and take its command; None when there is no such verb."""
        module, _, attribute = COMMANDS.get(cmd_name, "").partition(":")
        if not module:
            return None
        command = getattr(importlib.import_module(f"tsm_gateway.cli.{module}"), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - our own table
        return command


@click.group(cls=_VirtualGroup)
def virtual() -> None:
    """Virtual handset, provider and SMSC: for tests only."""
