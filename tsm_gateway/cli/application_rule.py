"""`tsm-gateway application assign`, `unassign`, `rules`, `remove`: who is to have what.

A rule is one row, whatever it is about: daemon and device work it out when the device's agent comes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from tsm_gateway.cli.application_scope import check_issuer, subject_of, subject_options
from tsm_gateway.cli.application_words import (
    NOT_CONFIGURED,
    REMOVAL,
    UPGRADE,
    rule_row,
    when_devices_get_it,
    whom,
)
from tsm_gateway.cli.audited import audited
from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.device_life import noted
from tsm_gateway.cli.output import output_option, show_record, show_rows, when
from tsm_gateway.cli.parameter_types import NAME, VERSION
from tsm_gateway.registry.application import ApplicationState, Rule, Scope

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.registry.application import Version
    from tsm_gateway.store.sqlite_store import SqliteStore

COLUMNS = ("application", "scope", "subject", "version", "wanted", "made_at")
REASON = "Why; kept in the audit log."
FORGOTTEN = "what devices have stays on them; none of them is given another version by this rule any more"
NOTHING_PUBLISHED = "every version is retired: nothing is delivered before another one is published"
reason_option = click.option("--reason", default="", help=REASON)


@click.command()
@click.argument("name", type=NAME)
@click.option("--version", type=VERSION, help="This one, even if it is lower.  [default: always the newest]")
@subject_options
@reason_option
@output_option
@click.pass_obj
def assign(
    config_path: Path,
    /,
    name: str,
    version: Version | None,
    reason: str,
    form: Form,
    **subject: Any,  # noqa: ANN401
) -> None:
    """Say who is to have an application; a rule for the same devices is replaced.

    For one device the rule for it decides, else that for its issuer, else that for all. Without --version
    devices follow the newest version that is not retired, and never go back to a lower one.

    \b
    Examples: tsm-gateway application assign pay --all
              tsm-gateway application assign pay --version 1.3.0 --device d:0011223344556677
    """
    settings, at = read_settings(config_path), int(time.time())
    scope, named = whose = subject_of(**subject)
    check_issuer(settings, whose)
    rule = Rule(name, scope, named, version, wanted=True, made_at=at)
    with existing_store(settings) as store:
        _put(store, rule, noted(reason, "assigned"))
        costs = _costs(store, rule)
    show_record({**rule_row(rule), "made_at": when(at)}, form)
    for each in (*costs, f"next: {when_devices_get_it(settings)}"):
        click.echo(each, err=True)


@click.command()
@click.argument("name", type=NAME)
@subject_options
@reason_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
@click.pass_obj
def remove(
    config_path: Path,
    /,
    name: str,
    reason: str,
    form: Form,
    *,
    yes: bool,
    **subject: Any,  # noqa: ANN401
) -> None:
    """Take an application from devices: all its versions, and what they keep on the card.

    It is a rule like those of `assign`, and replaces one for the same devices. A device that has no
    application left by it is registered, and no longer active.

    \b
    Example: tsm-gateway application remove pay --device d:0011223344556677 --reason 'contract ended'
    """
    settings, at = read_settings(config_path), int(time.time())
    scope, named = whose = subject_of(**subject)
    check_issuer(settings, whose)
    rule = Rule(name, scope, named, None, wanted=False, made_at=at)
    with existing_store(settings) as store:
        if yes:
            click.echo(f"{name}: {REMOVAL}", err=True)
        else:
            question = f"{name} goes from {whom(scope, named)}: {REMOVAL}. Remove it?"
            click.confirm(question, abort=True, err=True)
        _put(store, rule, noted(reason, "removed"))
    show_record({**rule_row(rule), "made_at": when(at)}, form)
    click.echo(f"next: {_when_it_goes(settings)}", err=True)


@click.command()
@click.argument("name", type=NAME)
@subject_options
@reason_option
@click.pass_obj
def unassign(config_path: Path, /, name: str, reason: str, **subject: Any) -> None:  # noqa: ANN401
    """Forget a rule; what devices have by it stays on them, and the next wider rule decides.

    \b
    Example: tsm-gateway application unassign pay --issuer maker
    """
    at, (scope, named) = int(time.time()), subject_of(**subject)
    with existing_store(read_settings(config_path)) as store:
        audited(
            store,
            "application.unassign",
            name,
            lambda: store.delivery.unassign(name, scope, named, reason=noted(reason, "unassigned"), at=at),
        )
    click.echo(FORGOTTEN, err=True)


@click.command()
@click.option("--application", "name", type=NAME, help="Only those about it.")
@output_option
@click.pass_obj
def rules(config_path: Path, name: str | None, form: Form) -> None:
    """List the rules; for one device the most specific one decides.

    \b
    Example: tsm-gateway application rules
    """
    with existing_store(read_settings(config_path)) as store:
        found = [each for each in store.delivery.rules() if name in {None, each.application}]
    order = list(Scope)
    found.sort(key=lambda rule: (rule.application, order.index(rule.scope), rule.subject))
    show_rows(({**rule_row(each), "made_at": when(each.made_at)} for each in found), COLUMNS, form)


def _put(store: SqliteStore, rule: Rule, reason: str) -> None:
    audited(store, "application.assign", rule.application, lambda: store.delivery.assign(rule, reason=reason))


def _costs(store: SqliteStore, rule: Rule) -> list[str]:
    """What it means for devices that have another version."""
    versions = [
        each.version
        for each in store.delivery.applications()
        if each.name == rule.application and each.state is ApplicationState.PUBLISHED
    ]
    target = rule.version or max(versions, default=None)
    if target is None:
        return [NOTHING_PUBLISHED]
    installed = store.delivery.installed_counts().items()
    others = sum(
        count
        for (name, version), count in installed
        if (name, version != str(target)) == (rule.application, True)
    )
    return [f"{UPGRADE}; {others} devices in all have one"] if others else []


def _when_it_goes(settings: Settings) -> str:
    told = when_devices_get_it(settings)
    return (
        told
        if told == NOT_CONFIGURED
        else told.replace("devices get it", "it goes", 1).replace("their", "devices'", 1)
    )
