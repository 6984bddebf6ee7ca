"""The payment application on a virtual card: what it can be told, and nothing of it is secret.

One data grouping, `0101`, holds a TLV list:

| tag | value |
|---|---|
| 80 | provider's address, text |
| 81 | gateway's number, text |
| 82 | gateway's application port, 2 octets |
| 83 | highest amount of one payment in minor units, 8 octets; 0: any amount |
| 84 | currency of that amount, ISO 4217 numeric, 2 octets |

There is no place for a key, an instrument or a template: the element that holds those is another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.virtual.card_apdu import Refusal, Status
from tsm_gateway.virtual.card_state import Parameters
from tsm_gateway.virtual.card_tlv import as_table

if TYPE_CHECKING:
    from collections.abc import Iterator

PARAMETERS = 0x0101
_LONG_LENGTH = b"\xff"
_ADDRESS, _GATEWAY, _PORT, _LIMIT, _CURRENCY = 0x80, 0x81, 0x82, 0x83, 0x84
_NUMBERS = {_PORT: 2, _LIMIT: 8, _CURRENCY: 2}  # octets
_LONGEST_TEXT = 64


def personalise(octets: bytes) -> Parameters:
    """The parameters in the data groupings `octets`. Raises Refusal (6A88, 6A80)."""
    groupings = list(_groupings(octets))
    if [number for number, _ in groupings] != [PARAMETERS]:
        raise Refusal(Status.NOT_REFERENCED, "the application takes the data grouping 0101 and nothing else")
    table = as_table(groupings[0][1])
    if not set(table) <= {_ADDRESS, _GATEWAY, *_NUMBERS}:
        raise Refusal(Status.WRONG_DATA, "a parameter the application does not have")
    for tag, length in _NUMBERS.items():
        if len(table.get(tag, bytes(length))) != length:
            raise Refusal(Status.WRONG_DATA, f"parameter {tag:02X} of another length")
    if (_LIMIT in table) is not (_CURRENCY in table):
        raise Refusal(Status.WRONG_DATA, "a limit goes with its currency")
    return Parameters(
        provider_address=_text(table.get(_ADDRESS, b"")),
        gateway_number=_text(table.get(_GATEWAY, b"")),
        port=int.from_bytes(table.get(_PORT, b""), "big"),
        amount_limit=int.from_bytes(table[_LIMIT], "big") if _LIMIT in table else None,
        currency=int.from_bytes(table[_CURRENCY], "big") if _CURRENCY in table else None,
    )


def _groupings(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Number (2 octets), length (1 octet, or FF and 2), value: of each data grouping."""
    at = 0
    while at < len(octets):
        is_long = octets[at + 2 : at + 3] == _LONG_LENGTH
        length_at, start = (at + 3, at + 5) if is_long else (at + 2, at + 3)
        end = start + int.from_bytes(octets[length_at:start], "big")
        if max(start, end) > len(octets):
            raise Refusal(Status.WRONG_DATA, "a data grouping that is cut off")
        yield int.from_bytes(octets[at : at + 2], "big"), octets[start:end]
        at = end


def _text(octets: bytes) -> str:
    if len(octets) > _LONGEST_TEXT or not all(0x20 < each < 0x7F for each in octets):  # noqa: PLR2004 - ASCII
        raise Refusal(Status.WRONG_DATA, "text of other characters, or too long")
    return octets.decode("ascii")
