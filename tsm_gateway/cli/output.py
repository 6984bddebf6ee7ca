"""`-o table|json|jsonl`: what a command found, for people or for programs; stdout and nothing else.

Rows are flat mappings of plain values. Times are RFC 3339 in UTC, octets hexadecimal digits, telephone
numbers their first three and last two characters; a key never gets here.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Row = Mapping[str, object]

Form = Literal["table", "json", "jsonl"]
Command = TypeVar("Command", bound="Callable[..., Any]")
FEWEST_HIDDEN = 7  # characters of a number from which on its middle is left out


def output_option(command: Command) -> Command:
    """Give `command` the option `-o`, as its argument `form`."""
    option = click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(["table", "json", "jsonl"]),
        default="table",
        show_default=True,
        help="A table for people; one JSON document; or one JSON object per line.",
    )
    return option(command)


def show_rows(rows: Iterable[Row], columns: Sequence[str], form: Form) -> None:
    """Write rows: all of them as JSON, their `columns` as a table."""
    if form == "jsonl":
        for row in rows:
            click.echo(json.dumps(row))
    elif form == "json":
        click.echo(json.dumps(list(rows), indent=2))
    else:
        _table([[_cell(row.get(name)) for name in columns] for row in rows], columns)


def show_record(record: Row, form: Form) -> None:
    """Write one thing: a line per field as a table, otherwise one object."""
    if form != "table":
        click.echo(json.dumps(record, indent=2 if form == "json" else None))
        return
    width = max(map(len, record), default=0)
    for name, value in record.items():
        click.echo(f"{_title(name):{width}}  {_cell(value)}".rstrip())


def _table(cells: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    """Columns as wide as their widest cell; nothing at all for no rows, as there is nothing to count."""
    if not cells:
        return
    heads = [_title(name).upper() for name in columns]
    widths = [max(len(row[at]) for row in (heads, *cells)) for at in range(len(columns))]
    click.secho(_line(heads, widths), bold=True)
    for row in cells:
        click.echo(_line(row, widths))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _title(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: object) -> str:
    """A value as people read it; what could move the cursor is spelled out."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(map(_cell, value))
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in str(value))


def when(seconds: int | None) -> str | None:
    """`2026-11-24T11:30:11Z` for Unix seconds."""
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def number_in_part(number: str) -> str:
    """`+49…67`: enough to recognise a telephone number one knows; short codes are public."""
    return f"{number[:3]}…{number[-2:]}" if len(number) >= FEWEST_HIDDEN else number
