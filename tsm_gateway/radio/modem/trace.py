"""A dialogue fit to be shown: what was said without PINs, PDUs and whole numbers.

| in the octets | shown |
|---|---|
| the argument of AT+CPIN= and of its kin | … |
| a run of 16 or more hex digits: a PDU or a body | its length in octets |
| a run of 7 or more digits: a phone number, IMEI, ICCID, IMSI | … and its last two |
| CR, LF, Ctrl-Z, ESC and other octets that do not print | <CR>, <LF>, <SUB>, <ESC>, <00> |
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PIN: Final = re.compile(r"(AT[+^]C(?:PIN2?|LCK|PWD)=)[^\r\n]*", re.IGNORECASE)
_PDU: Final = re.compile(r"[0-9A-Fa-f]{16,}")
_NUMBER: Final = re.compile(r"[0-9]{7,}")
_HAS_LETTER: Final = re.compile(r"[A-Fa-f]")
_LONGEST_NUMBER: Final = 20  # digits of an ICCID
_UNPRINTED: Final = re.compile(r"[^\x20-\x7e]")
_NAMES: Final[Mapping[str, str]] = {"\r": "<CR>", "\n": "<LF>", "\x1a": "<SUB>", "\x1b": "<ESC>"}


def redact(octets: bytes) -> str:
    """Whole lines read or written, as text that may be shown to anybody; never raises."""
    text = _PIN.sub(r"\1…", octets.decode("latin-1"))
    text = _NUMBER.sub(_shorten, _PDU.sub(_measure, text))
    return _UNPRINTED.sub(lambda match: _name(match[0]), text)


def _measure(match: re.Match[str]) -> str:
    digits = match[0]
    if len(digits) <= _LONGEST_NUMBER and not _HAS_LETTER.search(digits):
        return digits  # a long number; shortened next
    return f"<{len(digits) // 2} octets>"


def _shorten(match: re.Match[str]) -> str:
    return f"…{match[0][-2:]}"


def _name(character: str) -> str:
    return character if character == "…" else _NAMES.get(character, f"<{ord(character):02X}>")
