"""`tsm-gateway application list`, `show`, `retire`: the catalogue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from tsm_gateway.cli.application_key import present_key_id
from tsm_gateway.cli.application_words import rule_row
from tsm_gateway.cli.audited import audited
from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.device_life import noted
from tsm_gateway.cli.output import output_option, show_record, show_rows, when
from tsm_gateway.cli.parameter_types import NAME, VERSION
from tsm_gateway.registry.application import ApplicationState, InstallState
from tsm_gateway.registry.errors import NotKnown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.registry.application import Application, ApplicationSignature, Version
    from tsm_gateway.store.sqlite_store import SqliteStore

LISTED: Final = (
    *("application", "version", "state", "provider", "size", "java_card", "installed", "published_at"),
)
SIGNATURES: Final = ("key_id", "scheme", "signed_at", "by_present_key")
RULES: Final = ("scope", "subject", "version", "wanted")
STAYS: Final = "it is not loaded any more; {} devices have it, and keep it until it is replaced or removed"
HALF: Final = (
    "it is being loaded to {} devices: the newest version that is not retired takes its place there, and if "
    "there is none, or the rules name none, it is removed"
)
STUCK: Final = "{} rules name this very version: their devices keep what they have, until the rules change"


@click.command(name="list")
@click.option("--provider", help="Only those of this provider.")
@output_option
@click.pass_obj
def list_command(config_path: Path, provider: str | None, form: Form) -> None:
    """List every version of every application, and on how many devices it is installed.

    \b
    Example: tsm-gateway application list -o jsonl
    """
    with existing_store(read_settings(config_path)) as store:
        counts = store.delivery.installed_counts()
        found = [each for each in store.delivery.applications() if provider in {None, each.provider}]
    show_rows((row_of(each, counts) for each in found), LISTED, form)


@click.command()
@click.argument("name", type=NAME)
@click.option("--version", type=VERSION, help="[default: the newest that is not retired]")
@output_option
@click.pass_obj
def show(config_path: Path, name: str, version: Version | None, form: Form) -> None:
    """Show a version of an application: what it is made of, who signed it, who is to have it.

    \b
    Example: tsm-gateway application show pay --version 1.0.0
    """
    present = present_key_id(config_path)
    with existing_store(read_settings(config_path)) as store:
        found = version_of(store, name, version)
        counts = store.delivery.installed_counts()
        signatures = [_signature_row(each, present) for each in store.delivery.signatures(found.digest)]
        rules = [rule_row(each) for each in store.delivery.rules() if each.application == name]
    record = {
        **row_of(found, counts),
        "package_aid": found.package_aid.hex().upper(),
        "package_version": ".".join(map(str, found.package_version)),
        "applet_aids": [aid.hex().upper() for aid in found.applet_aids],
        "digest": found.digest.hex(),
    }
    if form != "table":
        show_record({**record, "signatures": signatures, "rules": rules}, form)
        return
    show_record(record, form)
    for columns, rows in ((SIGNATURES, signatures), (RULES, rules)):
        if rows:
            click.echo()
            show_rows(rows, columns, form)


@click.command()
@click.argument("name", type=NAME)
@click.option("--version", type=VERSION, required=True)
@click.option("--reason", default="", help="Why; kept in the audit log.")
@output_option
@click.pass_obj
def retire(config_path: Path, name: str, version: Version, reason: str, form: Form) -> None:
    """Let a version not be loaded any more; it cannot be published again.

    \b
    Example: tsm-gateway application retire pay --version 1.0.0 --reason 'miscounts refunds'
    """
    at, why = int(time.time()), noted(reason, "retired")
    with existing_store(read_settings(config_path)) as store:
        retired = audited(
            store,
            "application.retire",
            name,
            lambda: store.delivery.retire(name, version, reason=why, at=at),
        )
        counts = store.delivery.installed_counts()
        loading = store.delivery.standing_counts().get((name, str(version), InstallState.LOADING), 0)
        rules = [each for each in store.delivery.rules() if each.application == name]
    show_rows([row_of(retired, counts)], LISTED, form)
    click.echo(STAYS.format(counts.get((name, str(version)), 0)), err=True)
    if loading:
        click.echo(HALF.format(loading), err=True)
    naming = sum(rule.version == version for rule in rules)
    if naming:
        click.echo(STUCK.format(naming), err=True)


def version_of(store: SqliteStore, name: str, version: Version | None) -> Application:
    """That version; without one, the newest that is not retired, else the newest. Raises NotKnown."""
    if version is not None:
        found = store.delivery.application(name, version)
        if found is None:
            raise NotKnown(what="application", name=name, version=str(version))
        return found
    every = [each for each in store.delivery.applications() if each.name == name]
    if not every:
        raise NotKnown(what="application", name=name)
    return max(every, key=lambda each: (each.state is ApplicationState.PUBLISHED, each.version))


def row_of(found: Application, counts: Mapping[tuple[str, str], int]) -> dict[str, object]:
    """A version as it may be shown."""
    return {
        "application": found.name,
        "version": str(found.version),
        "state": found.state.value,
        "provider": found.provider or None,
        "size": found.size,
        "java_card": found.java_card,
        "installed": counts.get((found.name, str(found.version)), 0),
        "published_at": when(found.published_at),
    }


def _signature_row(signature: ApplicationSignature, present: bytes | None) -> dict[str, object]:
    """`by_present_key` is None when no certificate says which key that is."""
    return {
        "key_id": signature.key_id.hex(),
        "scheme": signature.scheme,
        "signed_at": when(signature.signed_at),
        "by_present_key": None if present is None else signature.key_id == present,
    }
