"""Addresses of short messages as SMPP carries them: type of number, numbering plan, digits.

Inside the gateway an address is one text: "+" and digits when the number is international, otherwise
just what the network gave (a national number, a short code, an alphanumeric sender). Nothing is ever cut
or completed: a number shortened or guessed at is another subscriber's.

| type of number (SMPP 3.4 §5.2.5) | in | out |
|---|---|---|
| 1 international | digits, with or without "+" → "+" digits | "+" digits → 1, plan 1 (E.164) |
| 5 alphanumeric | the text as it is | any text that is no number → 5, plan 0, at most 11 characters |
| any other, known or not | as it is; a "+" in front means international all the same | digits → 0, plan 1 |

Short codes and national numbers go out as type 0, unknown: the SMSC knows its own numbering plan best.
"""

from __future__ import annotations

from typing import NamedTuple

from tsm_gateway.errors import Side, TsmError

UNKNOWN, INTERNATIONAL, ALPHANUMERIC = 0, 1, 5  # types of number
PLAN_UNKNOWN, PLAN_E164 = 0, 1  # numbering plan indicators (SMPP 3.4 §5.2.6)

LONGEST = 20  # characters of source_addr and destination_addr without their NUL (SMPP 3.4 §5.2.8, §5.2.9)
LONGEST_NAME = 11  # characters of 7 bits in the 10 octets of an address value (3GPP TS 23.040 §9.1.2.5)

_WITHOUT_DIGITS = str.maketrans("", "", "0123456789*#")


class AddressError(TsmError):
    """An address is empty, too long, or has characters that no address of its type has."""

    code, side, temporary = "address", Side.PEER, False


class SmppAddress(NamedTuple):
    """An address as three SMPP fields."""

    ton: int
    npi: int
    digits: str


def normalise(digits: str, ton: int) -> str:
    """The one text for an address received as `digits`, at most 20 characters, with type `ton` 0..255.

    An empty address stays empty: an SMSC need not tell who sent a message. Raises AddressError for
    anything not printable ASCII, for too much of it, and for an international number that is not digits.
    """
    if ton == INTERNATIONAL or (ton != ALPHANUMERIC and digits.startswith("+")):
        number = digits.removeprefix("+")
        if _is_number(number):
            return "+" + number
        if not digits:
            return ""
    elif len(digits) <= LONGEST and digits.isascii() and digits.isprintable():
        return digits
    raise AddressError(characters=len(digits))


def split(address: str) -> SmppAddress:
    """The three fields for sending to or from `address`, a text as `normalise` returns it.

    Raises AddressError when it is empty, longer than a network carries, or not printable ASCII.
    """
    if address.startswith("+"):
        if _is_number(address[1:]):
            return SmppAddress(INTERNATIONAL, PLAN_E164, address[1:])
    elif 0 < len(address) <= LONGEST and not address.translate(_WITHOUT_DIGITS):
        return SmppAddress(UNKNOWN, PLAN_E164, address)
    elif 0 < len(address) <= LONGEST_NAME and address.isascii() and address.isprintable():
        return SmppAddress(ALPHANUMERIC, PLAN_UNKNOWN, address)
    raise AddressError(characters=len(address))


def _is_number(digits: str) -> bool:
    """Whether these are 1 to 20 digits."""
    return len(digits) <= LONGEST and digits.isascii() and digits.isdecimal()
