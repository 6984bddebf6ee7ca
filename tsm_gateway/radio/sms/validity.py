"""How long the service centre keeps a message: TP-Validity-Period (3GPP TS 23.040 §9.2.3.12).

Relative, one octet `v`, counted from when the service centre gets the message:

| v | period |
|---|---|
| 0 to 143 | (v + 1) times 5 minutes |
| 144 to 167 | 12 hours + (v - 143) times 30 minutes |
| 168 to 196 | (v - 166) days |
| 197 to 255 | (v - 192) weeks |

Absolute: a time of 7 octets (`timestamp`). Enhanced, 7 octets: functionality indicator, value, filled up
with zeros. Bit 7 of the indicator: another one follows, unknown to us; bit 6: one attempt only; bits 2-0:

| bits 2-0 | value | period |
|---|---|---|
| 000 | | not told |
| 001 | 1 octet | as relative |
| 010 | 1 octet | so many seconds; 0 is reserved |
| 011 | 3 octets | hours, minutes, seconds; digits as in a time |
| others | | reserved |
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.radio.sms.timestamp import (
    LENGTH,
    Timestamp,
    read_timestamp,
    swapped,
    timestamp_octets,
    unswapped,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
LONGEST: Final = 63 * WEEK  # seconds

_STEPS: Final = (  # last octet value, seconds of a step, what the value exceeds the steps by
    (143, 5 * MINUTE, -1),
    (167, 30 * MINUTE, 119),  # 12 hours are 24 steps
    (196, DAY, 166),
    (255, WEEK, 192),
)
_EXTENDED: Final = 0x80
_SINGLE_SHOT: Final = 0x40
_ENHANCED_FORM: Final = 0x07
_NONE, _AS_RELATIVE, _IN_SECONDS, _IN_DIGITS = range(4)
_LARGEST_OCTET: Final = 0xFF
_LARGEST_DIGITS: Final = 99 * HOUR + 59 * MINUTE + 59
_SIXTY: Final = 60


class ValidityForm(IntEnum):
    """TP-Validity-Period-Format (§9.2.3.3), and so how many octets there are."""

    ABSENT = 0
    ENHANCED = 1
    RELATIVE = 2
    ABSOLUTE = 3

    @property
    def octets(self) -> int:
        """How many octets this form takes."""
        return {ValidityForm.ABSENT: 0, ValidityForm.RELATIVE: 1}.get(self, LENGTH)


class Validity(NamedTuple):
    """A validity period as it stands in an SMS-SUBMIT: build it with the functions of this module."""

    form: ValidityForm
    octets: bytes  # `form.octets` of them

    @property
    def seconds(self) -> int | None:
        """How long, from when the service centre gets the message; None when it does not say so."""
        if self.form is ValidityForm.RELATIVE:
            return relative_seconds(self.octets[0])
        if self.form is ValidityForm.ENHANCED and not self.octets[0] & _EXTENDED:
            reader = _ENHANCED.get(self.octets[0] & _ENHANCED_FORM)
            return reader(self.octets) if reader else None
        return None

    @property
    def until(self) -> Timestamp | None:
        """The end of an absolute period; None of another one, or when it is no date."""
        return read_timestamp(self.octets) if self.form is ValidityForm.ABSOLUTE else None

    @property
    def single_shot(self) -> bool:
        """Whether the service centre may try only once."""
        return self.form is ValidityForm.ENHANCED and bool(self.octets[0] & _SINGLE_SHOT)


NO_VALIDITY: Final = Validity(ValidityForm.ABSENT, b"")  # the service centre's own period


def relative_seconds(value: int) -> int:
    """The period in seconds that the octet `value`, 0..255, stands for."""
    step, beyond = next((step, beyond) for last, step, beyond in _STEPS if value <= last)
    return (value - beyond) * step


def relative_octet(seconds: int) -> int:
    """The octet for the shortest period of at least `seconds`, or for 63 weeks when that is less.

    Never shorter than asked for: who asked still waits for the message then.
    """
    for last, step, beyond in _STEPS:
        value = -(-seconds // step) + beyond
        if value <= last:
            return max(value, 0)
    return _LARGEST_OCTET


def relative_validity(seconds: int) -> Validity:
    """For at least `seconds`, in the octet every service centre knows: 5 minutes to 63 weeks."""
    return Validity(ValidityForm.RELATIVE, bytes((relative_octet(seconds),)))


def absolute_validity(until: Timestamp) -> Validity:
    """Until a moment. Raises ValueError as `timestamp_octets`."""
    return Validity(ValidityForm.ABSOLUTE, timestamp_octets(until))


def enhanced_validity(seconds: int | None, *, single_shot: bool = False) -> Validity:
    """For `seconds`, at least 1, to the second below 100 hours; None: for as long as the centre likes."""
    form, value = _enhanced_value(seconds)
    octets = bytes((form | (_SINGLE_SHOT if single_shot else 0),)) + value
    return Validity(ValidityForm.ENHANCED, octets.ljust(LENGTH, b"\0"))


def _enhanced_value(seconds: int | None) -> tuple[int, bytes]:
    if seconds is None:
        return _NONE, b""
    seconds = max(seconds, 1)
    if seconds <= _LARGEST_OCTET:
        return _IN_SECONDS, bytes((seconds,))
    if seconds <= _LARGEST_DIGITS:
        return _IN_DIGITS, swapped(seconds // HOUR, seconds // MINUTE % _SIXTY, seconds % _SIXTY)
    return _AS_RELATIVE, bytes((relative_octet(seconds),))


def _digits_seconds(octets: bytes) -> int | None:
    numbers = unswapped(octets[1:4])
    if numbers is None:
        return None
    hours, minutes, seconds = numbers
    return hours * HOUR + minutes * MINUTE + seconds if max(minutes, seconds) < _SIXTY else None


_ENHANCED: Final[Mapping[int, Callable[[bytes], int | None]]] = {
    _AS_RELATIVE: lambda octets: relative_seconds(octets[1]),
    _IN_SECONDS: lambda octets: octets[1] or None,
    _IN_DIGITS: _digits_seconds,
}
