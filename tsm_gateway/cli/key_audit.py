"""Acts on the master key's file in the audit log of the store, where there is one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.actor import operator
from tsm_gateway.cli.context import existing_store
from tsm_gateway.errors import TsmError
from tsm_gateway.registry.audit import DONE, AuditEntry

if TYPE_CHECKING:
    from tsm_gateway.daemon.settings import Settings

SUBJECT = "master key"


def key_act(action: str, reason: str, **facts: object) -> AuditEntry:
    """An entry about the master key itself; `facts` are versions and check values, never a key."""
    return AuditEntry(
        at=int(time.time()),
        actor=operator(),
        action=action,
        subject=SUBJECT,
        outcome=DONE,
        reason=reason,
        facts=tuple(sorted((name, str(value)) for name, value in facts.items())),
    )


def note_key_act(settings: Settings, entry: AuditEntry) -> None:
    """Write down what was done to the file. It is done already: trouble of the store is told, not raised."""
    if not settings.store.path.exists():
        return
    try:
        with existing_store(settings) as store:
            store.provisioning.note(entry)
            store.flush()
    except TsmError as error:
        click.echo(f"not in the audit log: {entry.action}: {error}", err=True)
