"""Addresses of service providers: the one spelling under which the registry knows them.

| kind | normalised | read as well |
|---|---|---|
| international number (ITU-T E.164) | `+4930123456`: "+", 7 to 15 digits, no 0 first | blanks and `-./()` |
| short code | `12345`: 3 to 8 digits | |
| name | `sp:name`, 1 to 32 of `a-z 0-9 . - _` | capitals |

An address is looked up in a table and never dialled or fetched (design §1).
"""

from __future__ import annotations

import re
from typing import Final

from tsm_gateway.registry.errors import AddressInvalid

LONGEST: Final = 64  # characters; nothing valid comes near, even with blanks
INTERNATIONAL: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
SHORT_CODE: Final = re.compile(r"[0-9]{3,8}", re.ASCII)
NAME: Final = re.compile(r"sp:[a-z0-9._-]{1,32}", re.ASCII)
PUNCTUATION: Final = str.maketrans("", "", " -./()")  # how people write numbers (ITU-T E.123)


def normalise_address(text: str) -> str:
    """`text` in the registry's spelling.

    Raises AddressInvalid, which tells the length and never the text: it may be a person's number.
    """
    if len(text) <= LONGEST and text.isascii():
        name = text.strip(" ").lower()
        if NAME.fullmatch(name):
            return name
        number = text.translate(PUNCTUATION)
        # Punctuation is for the international form: "12-345" is rather a mistake than a short code.
        if INTERNATIONAL.fullmatch(number):
            return number
        if SHORT_CODE.fullmatch(text.strip(" ")):
            return text.strip(" ")
    raise AddressInvalid(length=len(text))
