"""What a card says it holds: the answers to GET STATUS and to GET DATA FF21.

```
E3 <len> { 4F AID  9F70 life cycle (1)  C5 privileges (1 or 3)  [C4, CE, 84, CC …] }   one an entry
FF21 <len> { 81 applications (1..4)  82 free non-volatile (1..4)  83 free volatile (1..4) }
```

A card that has more to say than fits answers 6310, and goes on when asked for what follows; it may cut
anywhere, so the pages are put together before they are read.

References: GlobalPlatform Card Specification 2.3 §11.4.3; ETSI TS 102 226, extended card resources
information.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.provisioning.app_command import StatusKind
from tsm_gateway.provisioning.card_errors import CardAnswerMalformed
from tsm_gateway.provisioning.load_file import AID_OCTETS
from tsm_gateway.provisioning.tlv import read_tlvs
from tsm_gateway.registry.card import CardContent

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_PAGES: Final = 64
MOST_ENTRIES: Final = 512

DOMAIN: Final = "domain"
APPLICATION: Final = "application"
LOAD_FILE: Final = "load-file"

_ENTRY: Final = 0xE3
_AID: Final = 0x4F
_LIFE_CYCLE: Final = 0x9F70
_PRIVILEGES: Final = 0xC5
_IS_DOMAIN: Final = 0x80  # in the first octet of privileges
_RESOURCES: Final = 0xFF21
_NUMBERS: Final = range(1, 4 + 1)  # octets of a resource


class FreeMemory(NamedTuple):
    """What a card has left."""

    applications: int  # how many are installed
    persistent: int  # octets
    transient: int  # octets


def read_status(kind: StatusKind, pages: Sequence[bytes]) -> tuple[CardContent, ...]:
    """The entries in the answers to GET STATUS of one `kind`, in the card's order.

    `pages` are the data of each answer, at most 64; none or empty ones where the card holds nothing (6A88).
    A supplementary security domain, listed among applications, is told by its privileges. Raises
    CardAnswerMalformed.
    """
    octets = b"".join(pages[: MOST_PAGES + 1])
    try:
        entries = [dict(read_tlvs(value)) for tag, value in read_tlvs(octets) if _is(tag, _ENTRY)]
        contents = tuple(_content(kind, entry) for entry in entries)
    except (ValueError, KeyError):
        raise CardAnswerMalformed(length=len(octets)) from None
    if len(contents) > MOST_ENTRIES or len(pages) > MOST_PAGES:
        raise CardAnswerMalformed(length=len(octets), entries=len(contents))
    return contents


def read_free_memory(data: bytes) -> FreeMemory:
    """The data of the answer to GET DATA FF21. Raises CardAnswerMalformed."""
    try:
        ((tag, value),) = read_tlvs(data)
        numbers = dict(read_tlvs(value)) if _is(tag, _RESOURCES) else {}
        found = (numbers[0x81], numbers[0x82], numbers[0x83])
    except (ValueError, KeyError):
        raise CardAnswerMalformed(length=len(data)) from None
    if any(len(each) not in _NUMBERS for each in found):
        raise CardAnswerMalformed(length=len(data))
    return FreeMemory(*(int.from_bytes(each, "big") for each in found))


def _content(kind: StatusKind, entry: dict[int, bytes]) -> CardContent:
    aid, life_cycle = entry[_AID], entry[_LIFE_CYCLE]
    privileges = entry.get(_PRIVILEGES, b"")
    if len(aid) not in AID_OCTETS or len(life_cycle) != 1 or len(privileges) not in {0, 1, 3}:
        message = "an entry has an AID, one octet of life cycle, and privileges of 1 or 3"
        raise ValueError(message)
    return CardContent(_named(kind, privileges), aid, life_cycle[0], privileges)


def _named(kind: StatusKind, privileges: bytes) -> str:
    if kind in {StatusKind.LOAD_FILES, StatusKind.LOAD_FILES_AND_MODULES}:
        return LOAD_FILE
    supplementary = privileges[:1] and privileges[0] & _IS_DOMAIN
    return DOMAIN if kind is StatusKind.DOMAIN or supplementary else APPLICATION


def _is(tag: int, wanted: int) -> bool:
    if tag != wanted:
        message = "another data object was expected"
        raise ValueError(message)
    return True
