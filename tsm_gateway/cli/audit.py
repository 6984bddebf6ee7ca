"""`tsm-gateway audit`: who did what to whom; whether the log is whole; a copy to keep elsewhere."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.audit_export import export
from tsm_gateway.cli.audit_lines import plain
from tsm_gateway.cli.audit_verify import verify
from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.output import output_option, show_rows
from tsm_gateway.registry.audit import DONE, REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.registry.audit import ChainedEntry
    from tsm_gateway.store.sqlite_store import SqliteStore

LISTED = ("number", "at", "actor", "action", "subject", "outcome", "reason")
SLICE = 1000  # entries in memory at a time


@click.group()
def audit() -> None:
    """The audit log: append-only, each entry chained to the one before by its hash.

    Devices, keys, providers and orders are changed by nobody without an entry in the same transaction;
    a lifecycle command that was refused leaves one as well.
    """


@audit.command(name="list")
@click.option("--after", type=click.IntRange(0), default=None, help="Begin behind this number.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True)
@click.option("--subject", help="Only of this device id or provider.")
@click.option("--action", help='Only this one, "device.suspend" say, or all of a noun: "device".')
@click.option("--outcome", type=click.Choice([DONE, REFUSED]))
@output_option
@click.pass_obj
def list_command(
    config_path: Path, /, after: int | None, limit: int, form: Form, **wanted: str | None
) -> None:
    """List entries in order, by default the last ones.

    \b
    Examples: tsm-gateway audit list
              tsm-gateway audit list --subject d:0011223344556677 --limit 1000
    """
    with existing_store(read_settings(config_path)) as store:
        if after is None:
            shown: Iterable[ChainedEntry] = _last(store, limit, wanted)
        else:
            shown = islice(_picked(_entries(store, after), wanted), limit)
        show_rows(map(plain, shown), LISTED, form)


def _entries(store: SqliteStore, after: int) -> Iterator[ChainedEntry]:
    """All behind number `after`, a slice at a time."""
    while found := store.provisioning.audit(after, SLICE):
        yield from found
        after = found[-1].sequence


def _last(store: SqliteStore, limit: int, wanted: dict[str, str | None]) -> Iterable[ChainedEntry]:
    """The last `limit` of those wanted, looked for from the end, in order."""
    found: list[ChainedEntry] = []
    end, _ = store.provisioning.audit_head()
    while end > 0 and len(found) < limit:
        begin = max(0, end - SLICE)
        slice_ = store.provisioning.audit(begin, end - begin)
        found = [*_picked((each for each in slice_ if each.sequence <= end), wanted), *found]
        end = begin
    return found[-limit:]


def _picked(entries: Iterable[ChainedEntry], wanted: dict[str, str | None]) -> Iterator[ChainedEntry]:
    subject, action, outcome = wanted["subject"], wanted["action"], wanted["outcome"]
    for each in entries:
        entry = each.entry
        if (
            (subject is None or entry.subject == subject)
            and (action is None or entry.action == action or entry.action.startswith(f"{action}."))
            and (outcome is None or entry.outcome == outcome)
        ):
            yield each


audit.add_command(verify)
audit.add_command(export)
