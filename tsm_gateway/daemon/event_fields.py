"""Every field a log line may carry, and what makes a value fit for a line.

A field that is not in `FIELDS` cannot be logged at all. Octets are logged only where they are an
identifier; text is cut and escaped, so that one record stays one line whatever a peer sends.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST_TEXT = 256  # characters of one value; more is a peer's attempt to fill the disk
LONGEST_ID = 16  # octets of an identifier: a message id


class Kind(Enum):
    """What a field holds, and so how it is written."""

    TEXT = "text"  # a name or a sentence of ours, or a peer's text: escaped and cut
    COUNT = "count"  # int
    CODE = "code"  # int, written in hex as the standards do: SMPP command_id and command_status
    TIMING = "timing"  # int or float in the unit of its name, to three decimals
    IDENTIFIER = "identifier"  # bytes, at most 16 octets, written in hex
    NUMBER = "number"  # a telephone number: keyed hash and last two digits


_OF_KIND: Mapping[Kind, str] = {
    Kind.TEXT: (
        "device provider bearer reason fate link host bind error where version config path file key "
        "problem suggestion loop signal changed state logger text smsc_ids issuer delivery certificate "
        "route serial subject agent application kind"
    ),
    Kind.COUNT: (
        "piv parts number total reference port octets attempts pid line unanswered unknown "
        "exit_code messages segments devices providers links rows schema epoch free_bytes registry_version "
        "queue_version waiting count days http_status channel blocks scripts"
    ),
    Kind.CODE: "command status",
    Kind.TIMING: ("seconds answer_ms handover_ms delivery_ms retry_in_s pause_s age_s"),
    Kind.IDENTIFIER: "message_id kid provider_kid",
    Kind.NUMBER: "sender provider_number",
}
FIELDS: Mapping[str, Kind] = {name: kind for kind, names in _OF_KIND.items() for name in names.split()}


def text_of(value: object) -> str:
    """`value` escaped and cut. Raises TypeError for anything but text."""
    if not isinstance(value, str):
        raise TypeError(_refusal("text", value))
    if value.isascii() and value.isprintable() and len(value) <= LONGEST_TEXT:
        return value
    cut = value[:LONGEST_TEXT]
    shown = "".join(each if each.isprintable() else escape(each) for each in cut)
    return shown if len(value) <= LONGEST_TEXT else f"{shown}…"


def escape(character: str) -> str:
    """A character that could move a cursor, turn the writing direction or end a line, spelled out."""
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def count_of(value: object) -> int:
    """`value` itself. Raises TypeError for anything but a whole number."""
    if not isinstance(value, int):
        raise TypeError(_refusal("a whole number", value))
    return value


def code_of(value: object) -> str:
    """`0x58`. Raises TypeError for anything but a whole number."""
    return f"{count_of(value):#x}"


def timing_of(value: object) -> float:
    """`value` to three decimals. Raises TypeError for anything but a number."""
    if not isinstance(value, float | int):
        raise TypeError(_refusal("a number", value))
    return round(value, 3)


def identifier_of(value: object) -> str:
    """`value` in hex. Raises TypeError for anything but at most 16 octets: longer ones may be a payload."""
    if not isinstance(value, bytes) or len(value) > LONGEST_ID:
        raise TypeError(_refusal(f"at most {LONGEST_ID} octets", value))
    return value.hex()


SHAPES: Mapping[Kind, Callable[[object], object]] = {  # telephone numbers need the log's own key
    Kind.TEXT: text_of,
    Kind.COUNT: count_of,
    Kind.CODE: code_of,
    Kind.TIMING: timing_of,
    Kind.IDENTIFIER: identifier_of,
}


def _refusal(wanted: str, value: object) -> str:
    """The value itself stays out of the text."""
    return f"a log field of {wanted} was given {type(value).__name__}"
