"""`tsm-gateway virtual receive`: a handset takes a key package from short messages and confirms it by one."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from tsm_gateway.virtual.errors import VirtualError
from tsm_gateway.virtual.handset import GATEWAY_NUMBER
from tsm_gateway.virtual.part import parts_from_line
from tsm_gateway.virtual.party_files import keep_handset, read_handset
from tsm_gateway.virtual.security_domain import SecurityDomain
from tsm_gateway.virtual.sms_keying import SmsKeying


@click.command(name="receive")
@click.option(
    "--handset",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="handset.json of `virtual enrol`.",
)
@click.option("--gateway-number", default=GATEWAY_NUMBER, show_default=True, help="Number to confirm to.")
@click.pass_context
def receive_command(ctx: click.Context, path: Path, gateway_number: str) -> None:
    """Take the parts on stdin (JSON lines, in any order); print the parts of each confirmation as an array.

    The new key is in use, and in the file, before its confirmation is printed. What is no package for this
    handset is named on stderr; the exit code is then 1.

    \b
    Example: tsm-gateway virtual receive --handset parties/handset.json < parts.jsonl
    """
    keying = SmsKeying(
        SecurityDomain(read_handset(path)),
        gateway=gateway_number,
        keep=lambda kept: keep_handset(path, kept),
    )
    at, bad = int(time.time()), 0
    for line in sys.stdin:
        try:
            parts = parts_from_line(line)
        except VirtualError as error:
            click.echo(str(error), err=True)
            bad += 1
            continue
        for part in parts:
            answer = keying.receive(part, at)
            if answer:
                click.echo(json.dumps([each.as_json() for each in answer]))
    for refusal in keying.refusals:
        click.echo(str(refusal), err=True)
    if bad or keying.refusals:
        ctx.exit(1)
