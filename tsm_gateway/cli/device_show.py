"""`tsm-gateway device show`: all that is known of one device; a key itself is never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tsm_gateway.cli import application_status
from tsm_gateway.cli.context import open_store, read_settings
from tsm_gateway.cli.device_life import row_of
from tsm_gateway.cli.output import output_option, show_record, show_rows, when
from tsm_gateway.registry.device import KeyState
from tsm_gateway.registry.errors import NotKnown
from tsm_gateway.registry.job import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.registry.control import ControlMessage
    from tsm_gateway.registry.device import WrappedKey
    from tsm_gateway.registry.key_package import StoredPackage
    from tsm_gateway.registry.registration import AuthMethod
    from tsm_gateway.registry.standing import Standing

    Row = dict[str, object]

KEYS = ("kid", "epoch", "state", "package", "delivery", "master_version", "highest_piv", "created_at")
METHODS = ("method", "handle_hash", "enrolled_at")
CONTROLS = ("kid", "state", "attempts", "due_at", "changed_at", "reason")
WAITING, CONFIRMED, REPLACED = "waiting", "confirmed", "replaced"  # what became of a key package
BY_HAND = "by hand"
SHOWN = frozenset({JobState.QUEUED, JobState.ACTIVE, JobState.FAILED})  # jobs; the store keeps the newest


@click.command()
@click.argument("device_id", metavar="ID")
@output_option
@click.pass_obj
def show(config_path: Path, device_id: str, form: Form) -> None:
    """Show a device: who vouches for it, its elements and methods, its keys, what it has and waits for.

    `app se` is the id of its app SE: `card show` tells of that. Jobs are those that are open,
    and among the newest 20 those that failed.

    A key has a package when it was made over channel 1: `waiting` until the crypto SE has confirmed it.
    Neither a key nor a template is ever shown; a handle's hash names the template and tells nothing of it.

    \b
    Example: tsm-gateway device show d:0011223344556677
    """
    with open_store(read_settings(config_path)) as store:
        standing = store.provisioning.standing(device_id)
        if standing is None:
            raise NotKnown(what="device", name=device_id)
        windows = {key.kid: store.registry.window_of(key.kid) for key in standing.keys}
        controls = store.provisioning.controls(device_id)
        applications = store.delivery.on_device(device_id)
        jobs = [each for each in store.delivery.jobs(device_id) if each.state in SHOWN]
    record: Row = {**row_of(standing.device), **_enrolled(standing), **_registered(standing)}
    record |= _suspended(standing)
    tables = {
        "methods": (METHODS, [_method_row(each) for each in _methods(standing)]),
        "keys": (KEYS, _key_rows(standing, windows)),
        "control_messages": (CONTROLS, [_control_row(each) for each in controls]),
        "applications": (
            application_status.APPLICATIONS,
            [application_status.installed_row(each) for each in applications],
        ),
        "jobs": (application_status.JOBS, [application_status.job_row(each) for each in jobs]),
    }
    if form != "table":
        show_record({**record, **{name: rows for name, (_, rows) in tables.items()}}, form)
        return
    show_record(record, form)
    for columns, rows in tables.values():
        if rows:
            click.echo()
            show_rows(rows, columns, form)


def key_row(key: WrappedKey) -> Row:
    """A key as it may be shown: which one, never what."""
    return {
        "kid": key.kid.hex(),
        "epoch": key.epoch,
        "state": key.state.value,
        "master_version": key.master_version,
        "created_at": when(key.created_at),
    }


def _enrolled(standing: Standing) -> Row:
    found = standing.enrolment
    if found is None:
        return {"issuer": BY_HAND, "enrolled_at": None, "sealed_to": None}
    sealed_to = "key certificate" if found.key_certificate else "signing certificate"
    return {
        "issuer": found.issuer or BY_HAND,
        "enrolled_at": when(found.enrolled_at),
        "sealed_to": f"{sealed_to} and X-Wing key" if found.hybrid_key else sealed_to,
    }


def _registered(standing: Standing) -> Row:
    found = standing.registration
    return {
        "registered_at": None if found is None else when(found.registered_at),
        "crypto_se": None if found is None else found.crypto_se.hex(),
        "app_se": None if found is None else found.app_se.hex(),
    }


def _suspended(standing: Standing) -> Row:
    found = standing.suspension
    return {
        "suspended_as": None if found is None else found.kind.value,
        "suspended_since": None if found is None else when(found.since),
        "resumes_to": None if found is None else found.resumes_to.value,
        "proof_wanted": None if found is None else found.proof_wanted,
    }


def _methods(standing: Standing) -> Sequence[AuthMethod]:
    return () if standing.registration is None else standing.registration.methods


def _method_row(method: AuthMethod) -> Row:
    return {
        "method": method.method,
        "handle_hash": method.handle_hash.hex(),
        "enrolled_at": when(method.enrolled_at),
    }


def _key_rows(standing: Standing, windows: Mapping[bytes, tuple[int, int] | None]) -> list[Row]:
    packages = {package.kid: package for package in standing.packages}
    return [
        {
            **key_row(key),
            "highest_piv": (windows[key.kid] or (None,))[0],
            **_package_row(key, packages.get(key.kid)),
        }
        for key in standing.keys
    ]


def _package_row(key: WrappedKey, package: StoredPackage | None) -> Row:
    """How the key reached the device, if it was not brought there by hand."""
    if package is None:
        return {"package": None, "delivery": None, "confirmed_at": None}
    waits = key.state is KeyState.PENDING
    state = CONFIRMED if package.confirmed_at else WAITING if waits else REPLACED
    return {
        "package": state,
        "delivery": package.delivery.value,
        "confirmed_at": when(package.confirmed_at or None),
    }


def _control_row(message: ControlMessage) -> Row:
    return {
        "message_id": message.message_id.hex(),
        "kid": message.kid.hex(),
        "state": message.state.value,
        "attempts": message.attempts,
        "due_at": when(message.due_at),
        "changed_at": when(message.changed_at),
        "reason": message.reason,
    }
