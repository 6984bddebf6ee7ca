"""The values in answers and indications: fields, numbers, and what `=?` says a modem can do.

Answers of modems differ in blanks, quotes and missing fields, so nothing here raises: what cannot be read
is missing.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

from tsm_gateway.radio.modem.at_command import Memory
from tsm_gateway.radio.modem.modem_value import Fill

_GROUP: Final = re.compile(r"\(([^()]*)\)|([^,()]+)")
_RANGE: Final = re.compile(r"([0-9]{1,3})\s*-\s*([0-9]{1,3})")
_IMEI: Final = re.compile(r"[0-9]{14,17}")
_ICCID: Final = re.compile(r"89[0-9]{15,18}")  # ITU-T E.118: 89, then country and issuer
_DIGITS: Final = 9  # more is no number of an answer
_SIGNAL_BEST: Final = 31


class Registration(Enum):
    """Where a modem stands with its network (TS 27.007 §7.2); the value is shown to operators."""

    OFF = "off"
    HOME = "home"
    SEARCHING = "searching"
    DENIED = "denied"
    UNKNOWN = "unknown"
    ROAMING = "roaming"

    @property
    def registered(self) -> bool:
        """Whether messages can travel."""
        return self in (Registration.HOME, Registration.ROAMING)


_R = Registration
_REGISTRATIONS: Final = (
    *(_R.OFF, _R.HOME, _R.SEARCHING, _R.DENIED, _R.UNKNOWN, _R.ROAMING),
    *(_R.HOME, _R.ROAMING),  # 6, 7: for short messages only
    *(_R.UNKNOWN, _R.HOME, _R.ROAMING),  # 8: emergency calls only; 9, 10: data preferred
)
REGISTRATION_RANK: Final = (_R.HOME, _R.ROAMING, _R.SEARCHING, _R.DENIED, _R.UNKNOWN, _R.OFF)


class Offer(NamedTuple):
    """One parameter of an answer to `=?`: the values it may take; empty = not told."""

    values: frozenset[str]

    def allows(self, value: int | str) -> bool:
        """Whether a value may be tried."""
        return not self.values or str(value) in self.values


ANYTHING: Final = Offer(frozenset())


def fields(line: str) -> list[str]:
    """The values behind the colon, without quotes and blanks; a comma in quotes parts nothing."""
    found, quoted = [""], False
    for character in line.partition(":")[2]:
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            found.append("")
        else:
            found[-1] += character
    return [field.strip() for field in found]


def numbers(line: str) -> list[int | None]:
    """The same as numbers; None stands for what is none."""
    return [int(field) if field.isdecimal() and len(field) <= _DIGITS else None for field in fields(line)]


def offers(line: str) -> list[Offer]:
    """What an answer to `=?` allows, parameter by parameter: '+CNMI: (0-2),(0,1),..'."""
    groups = [match[1] or match[2] or "" for match in _GROUP.finditer(line.partition(":")[2])]
    return [Offer(_values(group)) for group in groups if group.strip()]


def _values(group: str) -> frozenset[str]:
    found: set[str] = set()
    for item in group.split(","):
        span = _RANGE.fullmatch(item.strip())
        if span:
            found.update(str(value) for value in range(int(span[1]), int(span[2]) + 1))
        elif item.strip():
            found.add(item.strip().strip('"').upper())
    return frozenset(found)


def index_of(header: str) -> int | None:
    """The place of a message in '+CMGL: index,stat,..'."""
    return next(iter(numbers(header)), None)


def imei_of(lines: tuple[str, ...]) -> str:
    """The modem's number in its answer to AT+CGSN, 15 digits, or ""."""
    found = next((match for line in lines if (match := _IMEI.search(line))), None)
    return found[0][:15] if found else ""


def iccid_of(lines: tuple[str, ...]) -> str:
    """The card's number, 17 to 20 digits without filler, or ""."""
    found = next((match for line in lines if (match := _ICCID.search(line))), None)
    return found[0] if found else ""


def text_of(lines: tuple[str, ...]) -> str:
    """A one-line answer, with or without prefix, at most 64 characters: a maker, a model, a state."""
    line = lines[0] if lines else ""
    value = line.partition(":")[2] if line.startswith("+") else line
    return value.strip().strip('"')[:64]


def registration_of(line: str) -> Registration | None:
    """The state in '+CREG: n,state[,..]' (asked) or '+CREG: state[,area,cell]' (told)."""
    values = numbers(line)
    asked = len(values) > 1 and values[1] is not None and values[1] < len(_REGISTRATIONS)
    quoted = line.partition(",")[2].lstrip().startswith('"')
    state = values[1] if asked and not quoted else next(iter(values), None)
    return _REGISTRATIONS[state] if state is not None and state < len(_REGISTRATIONS) else None


def signal_of(line: str) -> int | None:
    """DBm of '+CSQ: rssi,ber'; None when the modem does not know."""
    rssi = next(iter(numbers(line)), None)
    return -113 + 2 * rssi if rssi is not None and rssi <= _SIGNAL_BEST else None


def operator_of(line: str) -> str:
    """The name in '+COPS: mode,format,"name"[,act]', or ""."""
    return "".join(fields(line)[2:3])[:32]


def fill_of(line: str) -> Fill | None:
    """How full the first memory is, of the answer to AT+CPMS=: '+CPMS: used,total,..', names or not."""
    counts = [number for number in numbers(line) if number is not None]
    return Fill(counts[0], counts[1]) if len(counts) > 1 else None


def memory_names(line: str) -> list[str]:
    """The memories of the answer to AT+CPMS?: to read, to write, to receive."""
    return [field.upper() for field in fields(line) if field and not field.isdecimal()]


def known_memories(offer: Offer) -> list[Memory]:
    """Those of our closed list that a modem offers, in the order of that list."""
    return [memory for memory in Memory if memory.value in offer.values]
