"""A device's refusal as the audit log keeps it: which rule stood against it, and whose claim, if one did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.daemon.provisioning_ledger import ACTOR
from tsm_gateway.registry.audit import REFUSED, AuditEntry

if TYPE_CHECKING:
    from tsm_gateway.errors import TsmError

TOLD: Final = ("elements", "holder")  # facts of an error that an auditor cannot do without


def refusal(at: int, action: str, device_id: str, error: TsmError, **known: str) -> AuditEntry:
    """The entry about `action` being refused to a device at Unix second `at`; `known` are more facts."""
    told = {name: str(error.facts[name]) for name in TOLD if name in error.facts}
    return AuditEntry(
        at, ACTOR, action, device_id, REFUSED, error.code, tuple(sorted((told | known).items()))
    )
