"""Rows of the second channel's tables to records and back, their checksums kept and compared.

A row is given in the order of its table's columns (store/schema_delivery.py). Reading a damaged row raises
`RowDamaged`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tsm_gateway.registry.application import (
    Application,
    ApplicationSignature,
    ApplicationState,
    DeviceApplication,
    InstallState,
    Rule,
    Scope,
    Version,
)
from tsm_gateway.registry.card import Card, CardContent, CardKeySet, CardKeyState, Inventory
from tsm_gateway.registry.job import Job, JobKind, JobState
from tsm_gateway.store.provisioning_rows import formed, opened, sealed

if TYPE_CHECKING:
    from collections.abc import Sequence

    Row = Sequence[Any]


def version_column(version: Version | None) -> str:
    """A version as one column; "" = the newest."""
    return "" if version is None else str(version)


def read_version(column: str) -> Version:
    """The version of a column that names one."""
    return Version(*map(int, column.split(".")))


# --- applications ---


def load_file_row(digest: bytes, octets: bytes) -> tuple[Any, ...]:
    """Columns of schema_delivery.load_file."""
    return sealed(digest, octets)


def read_load_file(row: Row) -> bytes:
    """The load file data block of a row. Raises RowDamaged."""
    _, octets = opened("load_file", row)
    return bytes(octets)


def application_row(application: Application) -> tuple[Any, ...]:
    """Columns of schema_delivery.application."""
    name, version, digest, provider, package_aid, *_ = application
    return sealed(
        *(name, *version, digest, provider, package_aid),
        ".".join(map(str, application.package_version)),
        json.dumps([aid.hex() for aid in application.applet_aids]),
        *(application.java_card, application.size, application.state.value, application.published_at),
    )


def read_application(row: Row) -> Application:
    """The application of a row. Raises RowDamaged."""
    name, major, minor, patch, digest, provider, package_aid, *behind = opened("application", row)
    package_version, applets, java_card, size, state, published_at = behind
    with formed("application"):
        first, second = map(int, package_version.split("."))
        return Application(
            *(name, Version(major, minor, patch), digest, provider, package_aid),
            (first, second),
            tuple(map(bytes.fromhex, json.loads(applets))),
            *(java_card, size, ApplicationState(state), published_at),
        )


def signature_row(signature: ApplicationSignature) -> tuple[Any, ...]:
    """Columns of schema_delivery.application_signature."""
    return sealed(*signature)


def read_signature(row: Row) -> ApplicationSignature:
    """The signature of a row. Raises RowDamaged."""
    return ApplicationSignature(*opened("application_signature", row))


def rule_row(rule: Rule) -> tuple[Any, ...]:
    """Columns of schema_delivery.rule."""
    version = version_column(rule.version)
    return sealed(rule.scope.value, rule.subject, rule.application, version, int(rule.wanted), rule.made_at)


def read_rule(row: Row) -> Rule:
    """The rule of a row. Raises RowDamaged."""
    scope, subject, application, version, wanted, made_at = opened("rule", row)
    with formed("rule"):
        which = read_version(version) if version else None
        return Rule(application, Scope(scope), subject, which, bool(wanted), made_at)


def installed_row(installed: DeviceApplication) -> tuple[Any, ...]:
    """Columns of schema_delivery.device_application."""
    device_id, application, version, digest, state, changed_at, reason = installed
    return sealed(device_id, application, str(version), digest, state.value, changed_at, reason)


def read_installed(row: Row) -> DeviceApplication:
    """The application on a device of a row. Raises RowDamaged."""
    known = DeviceApplication(*opened("device_application", row))
    with formed("device_application"):
        return known._replace(version=read_version(str(known.version)), state=InstallState(known.state))


# --- cards ---


def card_row(card: Card) -> tuple[Any, ...]:
    """Columns of schema_delivery.card."""
    return sealed(*card)


def read_card(row: Row) -> Card:
    """The card of a row. Raises RowDamaged."""
    return Card(*opened("card", row))


def card_keys_row(keys: CardKeySet) -> tuple[Any, ...]:
    """Columns of schema_delivery.card_key."""
    app_se, kvn, state, wrapped, master_version, created_at = keys
    return sealed(app_se, kvn, state.value, wrapped, master_version, created_at)


def read_card_keys(row: Row) -> CardKeySet:
    """The key set of a row. Raises RowDamaged."""
    keys = CardKeySet(*opened("card_key", row))
    return keys._replace(state=CardKeyState(keys.state))


def inventory_row(inventory: Inventory) -> tuple[Any, ...]:
    """Columns of schema_delivery.card_inventory."""
    entries = [
        [each.kind, each.aid.hex(), each.life_cycle, each.privileges.hex()] for each in inventory.contents
    ]
    contents = json.dumps({"entries": entries, "silent": inventory.silent})
    return sealed(inventory.app_se, contents, inventory.free_memory, inventory.taken_at)


def read_inventory(row: Row) -> Inventory:
    """What the card of a row holds. Raises RowDamaged."""
    app_se, contents, free_memory, taken_at = opened("card_inventory", row)
    with formed("card_inventory"):
        told = json.loads(contents)
        found = tuple(
            CardContent(kind, bytes.fromhex(aid), life_cycle, bytes.fromhex(privileges))
            for kind, aid, life_cycle, privileges in told["entries"]
        )
        return Inventory(app_se, found, free_memory, taken_at, tuple(told["silent"]))


# --- jobs ---


def job_row(job: Job) -> tuple[Any, ...]:
    """Columns of schema_delivery.job."""
    return sealed(
        *(job.job_id, job.device_id, job.kind.value, job.application, job.digest),
        *(job.state.value, job.attempts, *job.progress),
        *(job.due_at, job.created_at, job.changed_at, job.reason),
    )


def read_job(row: Row) -> Job:
    """The job of a row. Raises RowDamaged."""
    *ahead, state, attempts, done, total, due_at, created_at, changed_at, reason = opened("job", row)
    job_id, device_id, kind, application, digest = ahead
    return Job(
        *(job_id, device_id, JobKind(kind), application, digest, JobState(state), attempts),
        *((done, total), due_at, created_at, changed_at, reason),
    )
