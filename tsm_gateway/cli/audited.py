"""What operators do is on record, and so is what they were refused.

What was done, the store writes down in the same transaction. A refusal changes nothing, so it is written
down here: who wanted what, and the error code that stood against it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from tsm_gateway.cli.actor import operator
from tsm_gateway.errors import TsmError
from tsm_gateway.registry.audit import REFUSED, AuditEntry
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.store.sqlite_store import SqliteStore

T = TypeVar("T")
STORE_TROUBLE: Final = (StoreBusy, StoreFull, StoreBroken)  # nothing can be written down either


def audited(store: SqliteStore, action: str, subject: str, act: Callable[[], T]) -> T:
    """Do `act` and make it durable. A refusal is audited as `action` on `subject`, then raised.

    `subject` is nothing that may be a person's number: an id, or a name of ours.
    """
    try:
        done = act()
        store.flush()
    except STORE_TROUBLE:
        raise
    except TsmError as error:
        note_refused(store, action, subject, error)
        raise
    return done


def note_refused(store: SqliteStore, action: str, subject: str, error: TsmError) -> None:
    """Write down who was refused what; trouble of the store must not hide the refusal itself."""
    entry = AuditEntry(
        at=int(time.time()),
        actor=operator(),
        action=action,
        subject=subject,
        outcome=REFUSED,
        reason=error.code,
        facts=(),
    )
    with suppress(TsmError):
        store.provisioning.note(entry)
        store.flush()
