"""`tsm-gateway status`: a running gateway at one instant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tsm_gateway.cli.context import read_settings
from tsm_gateway.cli.output import output_option, show_record, show_rows
from tsm_gateway.cli.status_page import fetch_status
from tsm_gateway.daemon.exits import Exit

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.cli.output import Form

LINK = ("link", "state", "host", "port", "window_used", "window", "unanswered", "pause_s")
MIB = 1 << 20


@click.command()
@output_option
@click.pass_obj
def status(config_path: Path, form: Form) -> int:
    """Show links, queue and version of the running gateway.

    Exit code 0 when all is well, 3 when something is degraded, 7 when no gateway answers.

    \b
    Example: tsm-gateway status -o json
    """
    page = fetch_status(read_settings(config_path))
    if form != "table":
        show_record(page, form)
    else:
        _show(page)
    return Exit.DEGRADED if page["degraded"] else Exit.DONE


def _show(page: dict[str, Any]) -> None:
    controls = page.get("controls", {})  # a gateway from before an upgrade does not tell
    show_record(
        {
            "gateway": page["gateway"],
            "version": page["version"],
            "up": _span(page["uptime_s"]),
            "ready": page["ready"],
            "store": page["store"]["path"],
            "free": f"{page['store']['free_bytes'] // MIB} MiB",
            "messages": [f"{state}={count}" for state, count in page["messages"].items() if count],
            "under_way": page["under_way"],
            "controls": [f"{what}={count}" for what, count in controls.items() if count],
            "waiting_parts": page["segments_waiting"],
            "unanswered": page["unanswered"],
        },
        "table",
    )
    click.echo()
    show_rows([{"link": link["name"], **link} for link in page["links"]], LINK, "table")
    for trouble in page["degraded"]:
        click.secho(f"degraded: {trouble}", fg="yellow")


def _span(seconds: float) -> str:
    """`3d 04:05:06`."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{f'{days}d ' if days else ''}{hours:02}:{minutes:02}:{left:02}"
