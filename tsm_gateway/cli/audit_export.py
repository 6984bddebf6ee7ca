"""`tsm-gateway audit export`: the audit log as lines of JSON, to keep where the gateway cannot write."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.audit_lines import Witnessed, head_line, plain
from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.registry.audit import START

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.store.sqlite_store import SqliteStore

SLICE = 1000  # entries in memory at a time
TELL_EVERY = 100_000  # entries


@click.command()
@click.option("--after", type=click.IntRange(0), default=0, help="Begin behind this number, the last head's.")
@click.pass_obj
def export(config_path: Path, after: int) -> None:
    """Write the audit log to stdout, one JSON object a line; the last line is its head.

    Keep it, or its head alone, where nobody who can write the store can write: `audit verify --against`
    then finds what was cut off or rewritten since.

    \b
    Examples: tsm-gateway audit export > audit-2026-11.jsonl
              tsm-gateway audit export --after 81230 | ssh keeper 'cat > audit-next.jsonl'
    """
    settings = read_settings(config_path)
    with existing_store(settings) as store:
        head = _export(store, after)
    click.echo(json.dumps(head_line(head, settings.gateway.id, int(time.time()))))


def _export(store: SqliteStore, after: int) -> Witnessed:
    """Write entries up to the head of now; what is added meanwhile is for the next export."""
    end, octets = store.provisioning.audit_head()
    if after > end:
        raise InputInvalid(what="--after", problem=f"the log ends with entry {end}")
    head = Witnessed(end, octets if end else START)
    written = 0
    while after < end:
        entries = store.provisioning.audit(after, min(SLICE, end - after))
        if not entries:
            break  # cut off: the head, which says how many there were, makes `verify` find it
        for each in entries:
            click.echo(json.dumps(plain(each)))
        written, after = written + len(entries), entries[-1].sequence
        if written % TELL_EVERY < SLICE <= written:
            click.echo(f"{written} entries", err=True)
    return head
