"""Times in a TPDU: service centre time stamp, discharge time, absolute validity (3GPP TS 23.040 §9.2.3.11).

```
year | month | day | hour | minute | second | zone
```
Two decimal digits each, the first one in the low nibble. The zone counts quarters of an hour from GMT;
its sign is bit 3 of the octet, so the first digit is at most 7. The other octets are local time there.
The standard gives the year two digits: 90 to 99 are 1990 to 1999 here, the rest 2000 to 2089.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

LENGTH: Final = 7  # octets
_NEGATIVE: Final = 0x08
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER_S: Final = 15 * 60
_MOST_QUARTERS: Final = 79
_FIRST_YEAR: Final = 1990
_CENTURY: Final = 100
_BASE: Final = 10


class Timestamp(NamedTuple):
    """A moment, and the zone in which it was told."""

    seconds: int  # Unix
    quarters: int = 0  # of an hour east of GMT, -79..79


def read_timestamp(octets: bytes) -> Timestamp | None:
    """The moment these 7 octets are; None when they are no date, as of a service centre without a clock."""
    zone = octets[-1]
    digits = unswapped(octets[:-1] + bytes((zone & ~_NEGATIVE,)))
    if digits is None:
        return None
    year, month, day, hour, minute, second, quarters = digits
    year += _FIRST_YEAR // _CENTURY * _CENTURY
    if year < _FIRST_YEAR:
        year += _CENTURY
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    quarters = -quarters if zone & _NEGATIVE else quarters
    return Timestamp((local - _EPOCH) // timedelta(seconds=1) - quarters * _QUARTER_S, quarters)


def timestamp_octets(moment: Timestamp | None) -> bytes:
    """The 7 octets for `moment`; zeros, which are no date, for None.

    Raises ValueError when it is not in 1990 to 2089 there, or the zone is out of its range.
    """
    if moment is None:
        return bytes(LENGTH)
    if abs(moment.quarters) > _MOST_QUARTERS:
        message = "a zone is further from GMT than its octet can say"
        raise ValueError(message)
    local = _EPOCH + timedelta(seconds=moment.seconds + moment.quarters * _QUARTER_S)
    if not _FIRST_YEAR <= local.year < _FIRST_YEAR + _CENTURY:
        message = "a year that its two digits do not tell"
        raise ValueError(message)
    sign = _NEGATIVE if moment.quarters < 0 else 0
    numbers = (local.year % _CENTURY, *local.timetuple()[1:6])
    return swapped(*numbers) + bytes((swapped(abs(moment.quarters))[0] | sign,))


def swapped(*numbers: int) -> bytes:
    """An octet for each of these numbers 0..99: its first digit low, its second one high."""
    return bytes(number % _BASE << 4 | number // _BASE for number in numbers)


def unswapped(octets: bytes) -> tuple[int, ...] | None:
    """The numbers these octets are, or None when a nibble is no digit."""
    if any(octet & 0xF >= _BASE or octet >> 4 >= _BASE for octet in octets):
        return None
    return tuple((octet & 0xF) * _BASE + (octet >> 4) for octet in octets)
