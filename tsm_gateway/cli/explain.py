"""`tsm-gateway explain`: what a code means and what to do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.errors import NotFound
from tsm_gateway.cli.explanations import errors, find, others
from tsm_gateway.cli.output import output_option, show_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tsm_gateway.cli.explanations import Explanation
    from tsm_gateway.cli.output import Form, Row


@click.command()
@click.argument("code", nargs=-1)
@output_option
def explain(code: tuple[str, ...], form: Form) -> None:
    """Tell what CODE means and what to do; without one, list everything.

    CODE is what a message shows in brackets, what channel 1 answers (TSM-CHALLENGE-STALE), a refusal
    reason, a log event, an SMPP status by name or number (ESME_RTHROTTLED, 0x58), or an exit code (11,
    "exit 11").

    \b
    Examples: tsm-gateway explain store-rolled-back
              tsm-gateway explain 0x58
    """
    wanted = " ".join(code)
    if not wanted:
        show_rows(map(_row, (*errors(), *others())), ("kind", "code", "meaning"), form)
        return
    found = find(wanted)
    if not found:
        close = get_close_matches(wanted.lower(), [each.code for each in (*errors(), *others())], n=3)
        if close:
            click.echo(f"did you mean {', '.join(close)}?", err=True)
        raise NotFound(what="code", name=wanted)
    if form == "table":
        _tell(found)
    else:
        show_rows(map(_row, found), (), form)


def _tell(found: Iterable[Explanation]) -> None:
    for number, each in enumerate(found):
        if number:
            click.echo()
        click.echo(f"{click.style(each.code, bold=True)} ({each.kind})")
        click.echo(f"  {each.meaning}")
        click.echo(f"  What to do: {each.remedy}")


def _row(each: Explanation) -> Row:
    return {"kind": each.kind, "code": each.code, "meaning": each.meaning, "remedy": each.remedy}
