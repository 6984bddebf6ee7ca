"""`--all | --issuer NAME | --device ID`: whom a rule is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.parameter_types import DEVICE
from tsm_gateway.registry.application import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.settings import Settings

Command = TypeVar("Command", bound="Callable[..., Any]")
WHOM = "--all, --issuer or --device"


class Subject(NamedTuple):
    """Whom a rule is for."""

    scope: Scope
    name: str  # device id, issuer's name, or ""


def subject_options(command: Command) -> Command:
    """Give `command` the three options, as its arguments `every`, `issuer` and `device`."""
    for option in (
        click.option("--device", type=DEVICE, metavar="ID", help="One device; it goes ahead of the others."),
        click.option(
            "--issuer", metavar="NAME", help="Devices whose crypto SE is of this [[provisioning.issuer]]."
        ),
        click.option("--all", "every", is_flag=True, help="All devices that no other rule is for."),
    ):
        command = option(command)
    return command


def subject_of(*, every: bool, issuer: str | None, device: str | None) -> Subject:
    """The one that was given. Raises InputInvalid."""
    given = [
        subject
        for subject in (
            Subject(Scope.ALL, "") if every else None,
            Subject(Scope.ISSUER, issuer) if issuer is not None else None,
            Subject(Scope.DEVICE, device) if device is not None else None,
        )
        if subject is not None
    ]
    if len(given) != 1:
        raise InputInvalid(what=WHOM, problem="give exactly one of them")
    return given[0]


def check_issuer(settings: Settings, subject: Subject) -> None:
    """A rule for an issuer nobody trusts would never apply. Raises InputInvalid."""
    if subject.scope is not Scope.ISSUER:
        return
    known = [each.name for each in settings.provisioning.issuer] if settings.provisioning else []
    if subject.name not in known:
        named = f"those are {', '.join(known)}" if known else "there is none"
        problem = f"is no [[provisioning.issuer]] of the configuration; {named}"
        raise InputInvalid(what="--issuer", problem=problem)
