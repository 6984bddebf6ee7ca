"""`tsm-gateway config`: say all that is wrong with a configuration file, or show what is in effect."""

from __future__ import annotations

import json
import os
import tomllib
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import read_settings
from tsm_gateway.cli.output import output_option
from tsm_gateway.cli.toml_text import settings_text
from tsm_gateway.daemon.exits import Exit
from tsm_gateway.daemon.process import Process
from tsm_gateway.daemon.settings import SettingsErrors, load_settings
from tsm_gateway.daemon.settings_words import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.daemon.settings import Problem


@click.group()
def config() -> None:
    """Check and show the configuration."""


@config.command()
@output_option
@click.pass_obj
def check(config_path: Path, form: Form) -> int:
    """List everything that is wrong with the configuration file, at once.

    One line per problem: file:line: key: problem - suggestion. Exit code 2 when there is one. Secrets and
    certificates are read as well; credentials only inside the service, so elsewhere they are left out.

    \b
    Example: tsm-gateway --config ./gateway.toml config check
    """
    problems = tuple(_problems(config_path))
    unseen = dict(_credentials_elsewhere(config_path))
    left_out = [
        f"{key} = {unseen[key]}" for key in dict.fromkeys(each.key for each in problems) if key in unseen
    ]
    problems = tuple(each for each in problems if each.key not in unseen)
    _show(problems, form)
    if left_out:
        click.echo(f"not checked, as only the service sees them: {', '.join(left_out)}", err=True)
    if not problems:
        click.echo(f"{config_path}: keys, values, secrets, certificates: nothing is wrong", err=True)
    return Exit.USAGE if problems else Exit.DONE


def _problems(path: Path) -> list[Problem]:
    """What stands in the way of each process that the file is for, in its order, nothing twice."""
    found: dict[Problem, None] = {}
    for process in Process:
        if process is Process.PROVISIONING and "provisioning" not in _document(path):
            continue
        try:
            load_settings(path, process=process, thorough=True)
        except SettingsErrors as errors:
            found |= dict.fromkeys(errors.problems)
    return sorted(found, key=lambda problem: problem.line)


def _show(problems: tuple[Problem, ...], form: Form) -> None:
    if form == "json":
        click.echo(json.dumps([each._asdict() for each in problems], indent=2))
        return
    for each in problems:
        click.echo(json.dumps(each._asdict()) if form == "jsonl" else str(each))


def _credentials_elsewhere(path: Path) -> Iterator[tuple[str, str]]:
    """(key, reference) of well-formed references to credentials, when there are none to see here."""
    if os.environ.get("CREDENTIALS_DIRECTORY"):
        return
    document = _document(path)
    places: list[tuple[str | int, ...]] = [("keys", "master"), ("log", "number_key")]
    places += [("provisioning", key) for key in ("key", "key_delivery_key")]
    places += [("provisioning", "delivery", key) for key in ("key", "token_key")]
    links = document.get("smpp")
    count = len(links) if isinstance(links, list) else 0
    for place in (*places, *(("smpp", at, "password") for at in range(count))):
        value: object = document
        for step in place:
            value = _inside(value, step)
        if isinstance(value, str) and value.startswith("credential:") and "/" not in value:
            yield dotted(place), value


def _document(path: Path) -> dict[str, object]:
    """What the file holds; {} when it cannot be read, which `load_settings` says better."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}


def _inside(value: object, step: str | int) -> object:
    if isinstance(value, dict):
        return value.get(step)
    return value[step] if isinstance(value, list) and isinstance(step, int) else None


@config.command()
@output_option
@click.pass_obj
def show(config_path: Path, form: Form) -> None:
    """Show the configuration in effect, with every default, as TOML (or JSON with -o).

    Secrets appear as the references they are.

    \b
    Example: tsm-gateway config show
    """
    settings = read_settings(config_path)
    if form == "table":
        click.echo(settings_text(settings), nl=False)
    else:
        document = settings.model_dump(mode="json")
        document["store"]["epoch_mark"] = str(settings.epoch_mark)
        click.echo(json.dumps(document, indent=2 if form == "json" else None))
