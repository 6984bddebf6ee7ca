"""TP-Status: what became of a message we submitted (3GPP TS 23.040 §9.2.3.15).

| octet | class |
|---|---|
| 00 | delivered |
| 01, 10 to 1F | unconfirmed: passed on, nobody knows whether it arrived |
| 02 | permanent: another message replaced it |
| 20 to 25, 30 to 3F | still trying: the service centre goes on |
| 40 to 49, 50 to 5F | permanent: never |
| 60 to 65, 70 to 7F | temporary: the service centre gave up, a new attempt may arrive |
| the rest, reserved | temporary: the standard has them read as 63, service rejected |

10 to 1F, 30 to 3F, 50 to 5F and 70 to 7F are the service centre's own.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class StatusClass(Enum):
    """What a status means for the message."""

    DELIVERED = "delivered"
    UNCONFIRMED = "unconfirmed"
    STILL_TRYING = "still-trying"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"

    @property
    def final(self) -> bool:
        """Whether no other status report follows."""
        return self is not StatusClass.STILL_TRYING


_RANGES: Final = (
    (range(0x01), StatusClass.DELIVERED),
    (range(0x01, 0x02), StatusClass.UNCONFIRMED),
    (range(0x02, 0x03), StatusClass.PERMANENT),
    (range(0x10, 0x20), StatusClass.UNCONFIRMED),
    (range(0x20, 0x26), StatusClass.STILL_TRYING),
    (range(0x30, 0x40), StatusClass.STILL_TRYING),
    (range(0x40, 0x4A), StatusClass.PERMANENT),
    (range(0x50, 0x60), StatusClass.PERMANENT),
)
_CLASSES: Final[Mapping[int, StatusClass]] = MappingProxyType(
    {status: verdict for statuses, verdict in _RANGES for status in statuses}
)

_ATTEMPTS: Final = (  # 20 to 25 while the centre goes on, 60 to 65 when it gave up
    "congestion",
    "recipient busy",
    "no answer from the recipient",
    "service rejected",
    "quality of service not available",
    "error in the recipient's equipment",
)
_OTHERS: Final = {
    0x00: "delivered",
    0x01: "forwarded, delivery not confirmed",
    0x02: "replaced by the service centre",
    0x40: "remote procedure error",
    0x41: "incompatible destination",
    0x42: "connection rejected by the recipient",
    0x43: "not obtainable",
    0x44: "quality of service not available",
    0x45: "no interworking available",
    0x46: "validity period expired",
    0x47: "deleted by the sender",
    0x48: "deleted by the service centre",
    0x49: "message does not exist",
}
_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    _OTHERS | {base + at: name for base in (0x20, 0x60) for at, name in enumerate(_ATTEMPTS)}
)
_OWN: Final = 0x10  # of the values below 80, those with this bit are the service centre's own
_RESERVED_START: Final = 0x80


def status_class(status: int) -> StatusClass:
    """The class of a TP-Status, 0..255."""
    return _CLASSES.get(status, StatusClass.TEMPORARY)


def status_name(status: int) -> str:
    """What an operator reads for a TP-Status, 0..255."""
    if status in _NAMES:
        return _NAMES[status]
    is_own = status < _RESERVED_START and status & _OWN
    return f"{'service centre' if is_own else 'reserved'} 0x{status:02x}"
