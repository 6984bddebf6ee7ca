"""The end of a TPDU: TP-User-Data-Length and TP-User-Data (3GPP TS 23.040 §9.2.3.16, §9.2.3.24).

```
UDL | header, if TP-UDHI is set | body
```
UDL counts the octets of both; of text in 7 bits, the characters both fill. Octets behind them are not
part of the message: some modems fill a record up. Fewer are a message cut on its way here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.sms.data_coding import classify
from tsm_gateway.radio.sms.tpdu_errors import Flaw, TpduMalformed, TpduOverflow

if TYPE_CHECKING:
    from tsm_gateway.radio.sms.tpdu_reader import TpduReader

MOST_OCTETS: Final = 140  # header included
MOST_CHARACTERS: Final = 160  # as many as 140 octets hold


def read_user_data(fields: TpduReader, data_coding: int) -> tuple[bytes, int]:
    """The user data, at most 140 octets, and the characters of 7 bits it is, 0 when it is something else.

    `fields` stands at UDL. Raises TpduMalformed.
    """
    length = fields.octet()
    characters = length if classify(data_coding).in_characters else 0
    if length > (MOST_CHARACTERS if characters else MOST_OCTETS):
        raise TpduMalformed(Flaw.USER_DATA_LONG, length=length)
    octets = fields.rest()
    count = packed(characters) if characters else length
    if len(octets) < count:
        raise TpduMalformed(Flaw.USER_DATA_CUT, length=length, octets=len(octets))
    return octets[:count], characters


def user_data_octets(user_data: bytes, data_coding: int, characters: int = 0) -> bytes:
    """UDL and the user data, header included: at most 140 octets.

    `characters` is how many of 7 bits are packed in it when `data_coding` counts those. Raises
    TpduOverflow, and ValueError when `characters` is not a count that fills just these octets.
    """
    if len(user_data) > MOST_OCTETS:
        raise TpduOverflow(octets=len(user_data))
    if not classify(data_coding).in_characters:
        return bytes((len(user_data),)) + user_data
    if packed(characters) != len(user_data):
        message = "the characters do not fill the octets they are packed in"
        raise ValueError(message)
    return bytes((characters,)) + user_data


def packed(characters: int) -> int:
    """How many octets so many characters of 7 bits take."""
    return -(-characters * 7 // 8)
