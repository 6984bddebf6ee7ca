"""`tsm-gateway tail`: follow the log and show what matters of it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from tsm_gateway.cli.log_lines import follow_file, follow_journal, follow_stdin
from tsm_gateway.daemon.events import Event, Level
from tsm_gateway.daemon.log_lines import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVELS = tuple(level.name.lower() for level in Level)
STDIN = "-"
EVENTS = frozenset(event.label for event in Event)


@click.command()
@click.argument("source", metavar="[FILE|-]", required=False)
@click.option("--message", help="Only lines about this message id, or the beginning of it.")
@click.option(
    "--event", "events", multiple=True, help="Only this event, or all of a noun: payment; repeat it."
)
@click.option("--level", type=click.Choice(LEVELS), default="debug", help="At least so loud.")
@click.option(
    "--unit", default="tsm-gateway", show_default=True, help="systemd unit whose journal to follow."
)
@click.option("--no-follow", is_flag=True, help="End at the end of FILE or of what the journal holds now.")
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "jsonl"]), default="text", show_default=True
)
def tail(
    source: str | None,
    message: str | None,
    events: tuple[str, ...],
    level: str,
    *,
    unit: str,
    no_follow: bool,
    form: str,
) -> int:
    """Follow the log: of the journal, of FILE (also when it is rotated), or from stdin ("-").

    Ctrl-C ends it.

    \b
    Examples: tsm-gateway tail --event payment --level warning
              tsm-gateway tail /var/log/tsm-gateway.log --message 0192f3a8
    """
    unknown = [each for each in events if not any(_is_of(label, each) for label in EVENTS)]
    if unknown:
        text = f"no event is called {unknown[0]}: `tsm-gateway explain` lists them"
        raise click.BadParameter(text, param_hint="--event")
    lines = _lines(source, unit, follow=not no_follow)
    render = as_text(colours=sys.stdout.isatty())
    try:
        for line in lines:
            record = _record(line)
            if record is None:
                click.echo(line, err=True)  # a traceback, or another program's line: people want to see it
            elif _matches(record, message, events, Level[level.upper()]):
                click.echo(line if form == "jsonl" else render(None, "", record).decode("utf-8"))
                sys.stdout.flush()
    except KeyboardInterrupt:
        return 0
    return 0


def _lines(source: str | None, unit: str, *, follow: bool) -> Iterator[str]:
    if source is None:
        return follow_journal(unit, follow=follow)
    return follow_stdin() if source == STDIN else follow_file(source, follow=follow)


def _record(line: str) -> dict[str, Any] | None:
    """A line of our log; None for anything else."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not {"at", "level", "event"} <= record.keys():
        return None
    return {"at": str(record["at"]), "level": str(record["level"]), "event": str(record["event"]), **record}


def _matches(record: dict[str, Any], message: str | None, events: tuple[str, ...], level: Level) -> bool:
    loud = Level.__members__.get(str(record["level"]).upper(), Level.ERROR)
    return (
        loud >= level
        and (message is None or str(record.get("message_id", "")).startswith(message.lower()))
        and (not events or any(_is_of(str(record["event"]), each) for each in events))
    )


def _is_of(label: str, wanted: str) -> bool:
    """Whether an event is the one wanted, or one of its noun."""
    return label == wanted or label.startswith(f"{wanted}.")
