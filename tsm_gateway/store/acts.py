"""What a write did, in the words of the audit log, before it is told by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.registry.audit import DONE, AuditEntry
from tsm_gateway.registry.device import DeviceState

if TYPE_CHECKING:
    from tsm_gateway.registry.device import Device

STORE: Final = "store"  # the subject of an act on no single device or provider
FORGET_ELEMENTS: Final = "device.forget-elements"  # explains a registration without its elements
SHOWN_DIGITS: Final = 2  # of a telephone number


class Act(NamedTuple):
    """One act."""

    at: int  # Unix seconds
    action: str  # noun.verb
    subject: str  # device id, provider name, or STORE
    reason: str = ""
    facts: tuple[tuple[str, str], ...] = ()  # sorted by name

    def by(self, actor: str) -> AuditEntry:
        """The entry of the audit log."""
        return AuditEntry(self.at, actor, self.action, self.subject, DONE, self.reason, self.facts)


class Changed(NamedTuple):
    """A device as it is stored now, and how it came to that."""

    device: Device
    act: Act
    relay_concerned: bool  # it changes what the relay may have cached: only active devices are


def facts(**named: int | str | bytes) -> tuple[tuple[str, str], ...]:
    """Facts in order of their names; octets in hexadecimal."""
    texts = {name: value.hex() if isinstance(value, bytes) else str(value) for name, value in named.items()}
    return tuple(sorted(texts.items()))


def number_fact(msisdn: str) -> str:
    """What the audit log keeps of a telephone number."""
    return f"…{msisdn[-SHOWN_DIGITS:]}" if msisdn else ""


def is_active(device: Device) -> bool:
    """Whether the relay may have it cached."""
    return device.state is DeviceState.ACTIVE
