"""`tsm-gateway application status` and `retry`: where deliveries stand, and another try."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from tsm_gateway.cli.application_words import when_devices_get_it
from tsm_gateway.cli.audited import audited
from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.device_life import noted
from tsm_gateway.cli.output import output_option, show_record, show_rows, when
from tsm_gateway.cli.parameter_types import DEVICE, NAME
from tsm_gateway.registry.application import InstallState
from tsm_gateway.registry.errors import NotKnown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.registry.application import DeviceApplication
    from tsm_gateway.registry.job import Job
    from tsm_gateway.store.sqlite_store import SqliteStore

    Row = dict[str, object]

COUNTS: Final = ("application", "version", *(state.value for state in InstallState))
APPLICATIONS: Final = ("application", "version", "state", "changed_at", "reason")
JOBS: Final = ("job", "kind", "application", "state", "blocks", "attempts", "due_at", "reason")


@click.command()
@click.option("--device", "device_id", type=DEVICE, metavar="ID", help="What this one has, and its jobs.")
@output_option
@click.pass_obj
def status(config_path: Path, device_id: str | None, form: Form) -> None:
    """Show on how many devices each version stands where, and how many jobs are open; or all of one device.

    \b
    Examples: tsm-gateway application status
              tsm-gateway application status --device d:0011223344556677
    """
    with existing_store(read_settings(config_path)) as store:
        if device_id is None:
            _show_all(store, form)
        else:
            _show_device(store, device_id, form)


@click.command()
@click.argument("name", type=NAME)
@click.option("--device", "device_id", type=DEVICE, required=True, metavar="ID")
@click.option("--reason", default="", help="Why; kept in the audit log.")
@output_option
@click.pass_obj
def retry(config_path: Path, name: str, device_id: str, reason: str, form: Form) -> None:
    """Try an application again that failed on a device.

    \b
    Example: tsm-gateway application retry pay --device d:0011223344556677 --reason 'memory was freed'
    """
    settings, at, why = read_settings(config_path), int(time.time()), noted(reason, "retried")
    with existing_store(settings) as store:
        assigned = audited(
            store,
            "application.retry",
            device_id,
            lambda: store.delivery.retry(device_id, name, reason=why, at=at),
        )
    show_rows([installed_row(assigned)], APPLICATIONS, form)
    click.echo(f"next: {when_devices_get_it(settings)}", err=True)


def installed_row(found: DeviceApplication) -> Row:
    """An application on a device as it may be shown."""
    return {
        "application": found.application,
        "version": str(found.version),
        "state": found.state.value,
        "changed_at": when(found.changed_at),
        "reason": found.reason,
    }


def job_row(job: Job) -> Row:
    """A job as it may be shown."""
    done, total = job.progress
    return {
        "job": job.job_id.hex(),
        "kind": job.kind.value,
        "application": job.application or None,
        "state": job.state.value,
        "blocks": f"{done} of {total}" if total else None,
        "attempts": job.attempts,
        "due_at": when(job.due_at),
        "reason": job.reason,
    }


def _show_all(store: SqliteStore, form: Form) -> None:
    rows = _counted(store.delivery.standing_counts())
    queued, active = store.delivery.count_jobs()
    if form != "table":
        show_record({"applications": rows, "jobs_queued": queued, "jobs_active": active}, form)
        return
    show_rows(rows, COUNTS, form)
    click.echo(
        f"{queued} jobs are queued, {active} are in a session" if rows else "nothing was delivered yet",
        err=True,
    )


def _counted(counts: Mapping[tuple[str, str, InstallState], int]) -> list[Row]:
    """A row a version, with a column a state."""
    rows: dict[tuple[str, str], Row] = {}
    for (name, version, state), count in sorted(counts.items(), key=lambda item: item[0][:2]):
        empty: Row = {"application": name, "version": version, **dict.fromkeys(COUNTS[2:], 0)}
        rows.setdefault((name, version), empty)[state.value] = count
    return list(rows.values())


def _show_device(store: SqliteStore, device_id: str, form: Form) -> None:
    found = store.registry.device(device_id)
    if found is None:
        raise NotKnown(what="device", name=device_id)
    app_se = store.delivery.app_se_of(device_id)
    record = {
        "device": device_id,
        "state": found.state.value,
        "app_se": None if app_se is None else app_se.hex(),
        "card_known": app_se is not None and store.delivery.card(app_se) is not None,
    }
    tables = {
        "applications": (APPLICATIONS, [installed_row(each) for each in store.delivery.on_device(device_id)]),
        "jobs": (JOBS, [job_row(each) for each in store.delivery.jobs(device_id)]),
    }
    if form != "table":
        show_record({**record, **{name: rows for name, (_, rows) in tables.items()}}, form)
        return
    show_record(record, form)
    for columns, rows in tables.values():
        if rows:
            click.echo()
            show_rows(rows, columns, form)
