"""Which folder `tsm-gateway pki` works in, and in whose name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tsm_gateway.cli.context import read_settings
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.daemon.settings import SettingsErrors

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.settings import Settings

Command = TypeVar("Command", bound="Callable[..., Any]")
BESIDE = "pki"  # the folder beside the configuration when that names no certificate


def dir_option(command: Command) -> Command:
    """Give `command` the option `--dir`, as its argument `folder`."""
    option = click.option(
        "--dir",
        "folder",
        type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
        help="Folder of keys and certificates.  [default: where the configuration has channel 1's]",
    )
    return option(command)


def owner_option(command: Command) -> Command:
    """Give `command` the option `--owner`."""
    return click.option("--owner", help="Organisation in new certificates.  [default: gateway.id]")(command)


def folder_of(config_path: Path, given: Path | None) -> Path:
    """`--dir`, or the folder of `provisioning.certificate`, or `pki` beside the configuration.

    A configuration that is not there, or not whole yet, is no obstacle: its certificates come first.
    """
    if given is not None:
        return given
    settings = settings_if_whole(config_path)
    if settings is None or settings.provisioning is None:
        return config_path.absolute().parent / BESIDE
    return Path(settings.provisioning.certificate).parent


def owner_of(config_path: Path, given: str | None) -> str:
    """`--owner`, or the gateway's id. Raises InputInvalid when neither says it."""
    if given:
        return given
    settings = settings_if_whole(config_path)
    if settings is None:
        problem = "is needed, as there is no configuration with gateway.id"
        raise InputInvalid(what="--owner", problem=problem)
    return settings.gateway.id


def settings_if_whole(config_path: Path) -> Settings | None:
    """The settings; None when they cannot be read."""
    try:
        return read_settings(config_path)
    except SettingsErrors:
        return None


def nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there: who owns that owns what is made."""
    return next(each for each in (folder, *folder.parents) if each.exists())
