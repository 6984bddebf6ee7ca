"""`tsm-gateway application`: the catalogue of payment applications, and who is to have which."""

from __future__ import annotations

import click

from tsm_gateway.cli import application_rule, application_show, application_status
from tsm_gateway.cli.application_personalise import personalise
from tsm_gateway.cli.application_publish import publish
from tsm_gateway.cli.application_sign import sign
from tsm_gateway.cli.in_order import InOrder


@click.group(cls=InOrder)
def application() -> None:
    """Publish payment applications, sign them, and say which devices are to have them.

    Devices get theirs over channel 2, on their app SE, when their agents come. Every change, and every
    refused one, stands in the audit log.
    """


for each in (
    publish,
    application_show.list_command,
    application_show.show,
    application_show.retire,
    sign,
    application_rule.assign,
    application_rule.unassign,
    application_rule.rules,
    application_rule.remove,
    personalise,
    application_status.retry,
    application_status.status,
):
    application.add_command(each)
