"""`tsm-gateway doctor`: look at everything between the master key and the bind, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.doctor_checks import Verdict, examine
from tsm_gateway.cli.output import output_option, show_rows
from tsm_gateway.daemon.exits import Exit

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.cli.doctor_checks import Finding
    from tsm_gateway.cli.output import Form

COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


@click.command()
@click.option("--timeout", "within_s", type=click.FloatRange(0.1, 60), default=5.0, show_default=True)
@output_option
@click.pass_obj
def doctor(config_path: Path, within_s: float, form: Form) -> int:
    """Check configuration, keys, store, disk, links, clock, certificates and what runs; say how to mend it.

    Changes nothing and shows no secret. A link is connected and its TLS handshake made, but nothing is
    bound. Exit code 0 when all is well, 3 with warnings, 1 with failures.

    \b
    Example: tsm-gateway --config ./gateway.toml doctor
    """
    found: list[Finding] = []
    for finding in examine(config_path, within_s):
        found.append(finding)
        if form == "table":
            _tell(finding)
    if form != "table":
        rows = [{**each._asdict(), "verdict": each.verdict.value} for each in found]
        show_rows(rows, (), form)
    verdicts = {each.verdict for each in found}
    if Verdict.FAIL in verdicts:
        return Exit.FAILED
    return Exit.DEGRADED if Verdict.WARN in verdicts else Exit.DONE


def _tell(finding: Finding) -> None:
    mark = click.style(f"{finding.verdict.value:4}", fg=COLOURS[finding.verdict], bold=True)
    click.echo(f"{mark}  {finding.check}: {finding.text}")
    if finding.fix:
        click.echo(f"      {finding.fix}")
