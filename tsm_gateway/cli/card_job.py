"""`tsm-gateway card inventory` and `renew-keys`: jobs on a card itself."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

import click

from tsm_gateway.cli.application_status import JOBS, job_row
from tsm_gateway.cli.application_words import NOT_CONFIGURED, when_devices_get_it
from tsm_gateway.cli.audited import audited
from tsm_gateway.cli.card_show import known_card
from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.device_life import noted
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.output import output_option, show_rows
from tsm_gateway.cli.parameter_types import DEVICE, ELEMENT
from tsm_gateway.registry.errors import NotKnown
from tsm_gateway.registry.job import JOB_OCTETS, Job, JobKind, JobState

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.store.sqlite_store import SqliteStore

WHICH = "APP-SE or --device"
EXAMPLE = "00112233445566778899aabbccddeeff"


class Order(NamedTuple):
    """A command that queues a job."""

    name: str
    kind: JobKind
    does: str
    reason: str  # an example of one
    next: str


ORDERS = (
    Order(
        "inventory",
        JobKind.INVENTORY,
        "Ask a card what it holds, and how much memory it has left; `card show` tells what it said.",
        "before the upgrade",
        "the card is asked",
    ),
    Order(
        "renew-keys",
        JobKind.RENEW_KEYS,
        "Give a card a fresh key set in place of the one it has. Its issuer's are replaced by themselves.",
        "yearly change",
        "the card is given its keys",
    ),
)


def new_job(device_id: str, kind: JobKind, *, reason: str, at: int) -> Job:
    """A job on the card itself, due at once."""
    job_id = secrets.token_bytes(JOB_OCTETS)
    return Job(
        *(job_id, device_id, kind, "", b"", JobState.QUEUED),
        attempts=0,
        progress=(0, 0),
        due_at=at,
        created_at=at,
        changed_at=at,
        reason=reason,
    )


def command_of(order: Order) -> click.Command:
    """The command of one row."""

    @click.argument("app_se", metavar="APP-SE", type=ELEMENT, required=False)
    @click.option("--device", "device_id", type=DEVICE, metavar="ID", help="The card of this device.")
    @click.option("--reason", default="", help="Why; kept with the job and in the audit log.")
    @output_option
    @click.pass_obj
    def command(
        config_path: Path, app_se: bytes | None, device_id: str | None, reason: str, form: Form
    ) -> None:
        if (app_se is None) == (device_id is None):
            raise InputInvalid(what=WHICH, problem="give exactly one of them")
        settings, at, why = read_settings(config_path), int(time.time()), noted(reason, order.name)
        subject = device_id or (app_se or b"").hex()

        def queue() -> Job:
            owner = device_id or _owner(store, app_se or b"")
            return _queued(store, new_job(owner, order.kind, reason=why, at=at))

        with existing_store(settings) as store:
            job = audited(store, "job.queue", subject, queue)
        show_rows([job_row(job)], JOBS, form)
        click.echo(f"next: {order.next} {_when(settings)}", err=True)

    example = f"\b\nExample: tsm-gateway card {order.name} {EXAMPLE} --reason '{order.reason}'"
    return click.command(name=order.name, help=f"{order.does}\n\n{example}")(command)


def _owner(store: SqliteStore, app_se: bytes) -> str:
    """The device that has the card. Raises NotKnown for a card that is unknown, or nobody's."""
    known_card(store, app_se)
    owner = store.delivery.owner_of(app_se)
    if owner is None:
        raise NotKnown(what="device registered with the card", app_se=app_se.hex())
    return owner


def _queued(store: SqliteStore, job: Job) -> Job:
    """Stage it. Raises NotKnown for a device that is unknown, or has no card that is known; AlreadyKnown."""
    app_se = store.delivery.app_se_of(job.device_id)
    if app_se is None:
        raise NotKnown(what="app SE of the device", name=job.device_id)
    known_card(store, app_se)
    store.delivery.queue([job], [], at=job.created_at)
    return job


def _when(settings: Settings) -> str:
    told = when_devices_get_it(settings)
    return f"when its agent comes; {told}" if told == NOT_CONFIGURED else "when its agent comes next"


COMMANDS = tuple(map(command_of, ORDERS))
