"""`tsm-gateway application personalise`: the parameters of an application written anew."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

import click

from tsm_gateway.cli.application_status import JOBS, job_row
from tsm_gateway.cli.application_words import NOT_CONFIGURED, number_told, when_devices_get_it
from tsm_gateway.cli.audited import audited
from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.device_life import noted
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.output import output_option, show_rows
from tsm_gateway.cli.parameter_types import DEVICE, NAME
from tsm_gateway.registry.application import InstallState
from tsm_gateway.registry.errors import MoveNotAllowed, NotKnown
from tsm_gateway.registry.job import JOB_OCTETS, Job, JobKind, JobState

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.registry.application import DeviceApplication
    from tsm_gateway.store.sqlite_store import SqliteStore

MOVE: Final = "personalise"
NO_NUMBER: Final = "the gateway has no number to tell: set [provisioning.delivery] gateway_number"
NO_PROVIDER: Final = "of no provider: it takes no parameters"


@click.command()
@click.argument("name", type=NAME)
@click.option("--device", "device_id", type=DEVICE, required=True, metavar="ID")
@click.option("--reason", default="", help="Why; kept with the job and in the audit log.")
@output_option
@click.pass_obj
def personalise(config_path: Path, name: str, device_id: str, reason: str, form: Form) -> None:
    """Write the parameters of an installed application anew: provider's address, our number, amount limit.

    An application is told them when it is installed. When one of them has changed since, this tells a device
    the present ones, and nothing else on its card changes.

    \b
    Example: tsm-gateway application personalise pay --device d:0011223344556677 --reason 'new limit'
    """
    settings, at, why = read_settings(config_path), int(time.time()), noted(reason, "parameters changed")
    if not number_told(settings):
        raise InputInvalid(what="the gateway's number", problem=NO_NUMBER)
    with existing_store(settings) as store:
        job = audited(store, "job.queue", device_id, lambda: _queued(store, name, device_id, why, at))
    show_rows([job_row(job)], JOBS, form)
    click.echo(f"next: {_when(settings)}", err=True)


def _queued(store: SqliteStore, name: str, device_id: str, reason: str, at: int) -> Job:
    """Stage it. Raises NotKnown, MoveNotAllowed, AlreadyKnown while one is open."""
    if store.registry.device(device_id) is None:
        raise NotKnown(what="device", name=device_id)
    found = _installed(store, name, device_id)
    job = Job(
        *(secrets.token_bytes(JOB_OCTETS), device_id, JobKind.PERSONALISE),
        *(found.application, found.digest, JobState.QUEUED),
        attempts=0,
        progress=(0, 0),
        due_at=at,
        created_at=at,
        changed_at=at,
        reason=reason,
    )
    store.delivery.queue([job], [], at=at)
    return job


def _installed(store: SqliteStore, name: str, device_id: str) -> DeviceApplication:
    """What is to be told. Raises NotKnown, MoveNotAllowed: it is not installed, or takes no parameters."""
    there = {each.application: each for each in store.delivery.on_device(device_id)}
    found = there.get(name)
    if found is None:
        raise NotKnown(what="application", name=name, device=device_id)
    if found.state is not InstallState.INSTALLED:
        state, allowed = found.state.value, InstallState.INSTALLED.value
        raise MoveNotAllowed(name=f"{name} on {device_id}", move=MOVE, state=state, allowed_from=allowed)
    published = store.delivery.by_digest(found.digest)
    if published is None or not published.provider:
        raise MoveNotAllowed(name=name, move=MOVE, state=NO_PROVIDER)
    return found


def _when(settings: Settings) -> str:
    told = when_devices_get_it(settings)
    return told if told == NOT_CONFIGURED else "the device is told them when its agent comes next"
