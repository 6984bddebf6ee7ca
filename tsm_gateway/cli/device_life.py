"""What operators do to devices, one after the other: what was done stays done, what was refused is told.

Each device is a transaction of its own with its audit entry. A refusal is audited as well: who wanted
what, and the error code that stood against it.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from tsm_gateway.cli.audited import STORE_TROUBLE, audited, note_refused
from tsm_gateway.cli.errors import exit_code_of
from tsm_gateway.cli.explain_errors import REMEDIES
from tsm_gateway.cli.output import number_in_part, when
from tsm_gateway.errors import TsmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tsm_gateway.registry.device import Device
    from tsm_gateway.store.sqlite_store import SqliteStore

T = TypeVar("T")
DEVICE_ID = re.compile(r"d:[0-9a-f]{16}")
LISTED = ("device", "state", "msisdn", "changed_at", "reason")
NO_ID = "not a device id"  # in place of what was typed: it may be a person's number
WAYS_OUT = ("proof-wanted", "number-wanted")  # refusals that say at once what to do instead


class Done(NamedTuple):
    """What became of one call over several devices."""

    devices: tuple[Device, ...]
    refusals: tuple[TsmError, ...]

    def tell(self) -> int:
        """Say each refusal on stderr; the exit code, that of the first one."""
        for error in self.refusals:
            click.echo(f"tsm-gateway: {error}", err=True)
        for code in dict.fromkeys(error.code for error in self.refusals):
            if code in WAYS_OUT:
                click.echo(f"way out: {REMEDIES[code]}", err=True)
        return exit_code_of(self.refusals[0]) or 0 if self.refusals else 0


def noted(reason: str, verb: str) -> str:
    """The reason kept with a device and in the audit log."""
    return reason or f"{verb} by an operator"


def each_device(
    store: SqliteStore, action: str, device_ids: Iterable[str], act: Callable[[str], Device]
) -> Done:
    """Do `act` to each device once, durably; `action` is what the audit log calls it."""
    devices: list[Device] = []
    refusals: list[TsmError] = []
    for device_id in dict.fromkeys(device_ids):
        try:
            devices.append(carried_out(store, action, device_id, partial(act, device_id)))
        except STORE_TROUBLE as error:  # the next one would fare no better
            return Done(tuple(devices), (*refusals, error))
        except TsmError as error:
            refusals.append(error)
    return Done(tuple(devices), tuple(refusals))


def carried_out(store: SqliteStore, action: str, subject: str, act: Callable[[], T]) -> T:
    """Do `act` to a device and make it durable. A refusal is audited, then raised."""
    return audited(store, action, _shown(subject), act)


def note_refusal(store: SqliteStore, action: str, subject: str, error: TsmError) -> None:
    """Write down who was refused what on a device."""
    note_refused(store, action, _shown(subject), error)


def _shown(subject: str) -> str:
    return subject if DEVICE_ID.fullmatch(subject) else NO_ID


def row_of(found: Device) -> dict[str, object]:
    """A device as it may be shown."""
    return {
        "device": found.device_id,
        "state": found.state.value,
        "msisdn": number_in_part(found.msisdn),
        "created_at": when(found.created_at),
        "changed_at": when(found.changed_at),
        "reason": found.reason,
    }
