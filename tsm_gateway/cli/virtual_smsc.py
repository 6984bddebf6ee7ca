"""`tsm-gateway virtual smsc`: the virtual SMSC alone, its options and its exit code."""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tsm_gateway.cli.virtual_desk import Desk, Run
from tsm_gateway.virtual.air import Weather
from tsm_gateway.virtual.smsc import VirtualSmsc
from tsm_gateway.virtual.smsc_carriage import CARRIAGES
from tsm_gateway.virtual.smsc_faults import Faults, read_faults
from tsm_gateway.virtual.smsc_options import Account, SmscOptions
from tsm_gateway.virtual.smsc_receipt import FINAL, ReceiptStyle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.virtual.smsc_options import SmscEvent

CHANCE = click.FloatRange(0, 1)
BASES = {"decimal": 10, "hex": 16}
FAULTS = ", ".join(field.name for field in fields(Faults))


@click.command(name="smsc")
@click.option("--listen", default="127.0.0.1:2775", show_default=True, help="HOST:PORT; port 0 = a free one.")
@click.option("--system-id", default="tsm", show_default=True, help="Account of the ESME.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="File with the account's password, at most 8 characters.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    help=f"Script of faults, as throttle=5,drop=100: every so many submits. One of {FAULTS}; repeat it.",
)
@click.option(
    "--window", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Of deliver_sm."
)
@click.option(
    "--response-timeout", type=click.FloatRange(0.01), default=10.0, show_default=True, help="Seconds."
)
@click.option("--carriage", type=click.Choice(sorted(CARRIAGES)), default="udh", show_default=True)
@click.option("--receipts", type=click.Choice([*FINAL, "none"]), default="DELIVRD", show_default=True)
@click.option("--receipt-id", type=click.Choice(sorted(BASES)), default="decimal", show_default=True)
@click.option("--response-id", type=click.Choice(sorted(BASES)), default="decimal", show_default=True)
@click.option("--receipt-first", is_flag=True, help="Receipts overtake the responses.")
@click.option("--loss", type=CHANCE, default=0.0, help="Chance of a part to be lost.")
@click.option("--doubling", type=CHANCE, default=0.0, help="Chance of a part to come twice.")
@click.option("--reordering", type=CHANCE, default=0.0, help="Chance of a part to be overtaken.")
@click.option("--delay", type=click.FloatRange(0), default=0.0, help="Longest delay of a part, in seconds.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the weather and sequence numbers.")
@click.option("--once", is_flag=True, help="End when stdin ended and everything is answered.")
@click.option("--expect", type=click.IntRange(0), default=0, help="With --once: wait for so many parts, too.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.01),
    default=60.0,
    show_default=True,
    help="With --once: seconds after the end of stdin; then exit code 1 with what came so far.",
)
@click.option("--events", is_flag=True, help="Every event as a JSON line on stderr.")
@click.pass_context
def smsc_command(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - one keyword an option
    """Run the virtual SMSC: deliver the parts on stdin, print the parts submitted, one JSON line each.

    \b
    Example: tsm-gateway virtual pay --handset parties/handset-0001.json --to sp:shop --amount 9 --json |
               tsm-gateway virtual smsc --password-file carrier-a.password --once --expect 2 |
               tsm-gateway virtual open --provider parties/provider.json
    """
    host, _, port = str(given["listen"]).rpartition(":")
    if not port.isdigit():
        message = "HOST:PORT, such as 127.0.0.1:2775"
        raise click.BadParameter(message, param_hint="--listen")
    options = _options(given)
    smsc = VirtualSmsc(
        {given["system_id"]: Account(given["password_file"].read_text().rstrip("\n"))},
        host=host.strip("[]"),
        port=int(port),
        options=options,
        faults=read_faults(",".join(given["faults"])),
        observer=_event_line if given["events"] else None,
    )
    desk = Desk(smsc, _run(given), options.capacity)
    asyncio.run(desk.serve())
    if desk.bad or desk.late:
        ctx.exit(1)


def _options(given: Mapping[str, Any]) -> SmscOptions:
    style = ReceiptStyle(
        state=given["receipts"] if given["receipts"] != "none" else FINAL[0],
        id_base=BASES[given["receipt_id"]],
        response_id_base=BASES[given["response_id"]],
        before_response=given["receipt_first"],
    )
    return SmscOptions(
        window=given["window"],
        response_s=given["response_timeout"],
        carriage=given["carriage"],
        receipts=style if given["receipts"] != "none" else None,
        seed=given["seed"],
    )


def _run(given: Mapping[str, Any]) -> Run:
    weather = Weather(
        delay_s=(0.0, given["delay"]),
        loss=given["loss"],
        doubling=given["doubling"],
        reordering=given["reordering"],
    )
    return Run(given["once"], given["expect"], weather, given["seed"], given["timeout"])


def _event_line(event: SmscEvent) -> None:
    fields: dict[str, object] = {"event": event.name, "account": event.account, "status": event.status}
    click.echo(json.dumps(fields | (event.part.as_json() if event.part else {})), err=True)
