"""One thing `doctor` found."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Verdict(Enum):
    """How bad it is."""

    OK = "OK"
    WARN = "WARN"  # it works, but not for long or not wholly
    FAIL = "FAIL"  # it does not work


class Finding(NamedTuple):
    """A check's result in words."""

    check: str
    verdict: Verdict
    text: str
    fix: str = ""  # what to do; "" when nothing is to be done


def fine(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, text)


def warned(check: str, text: str, fix: str) -> Finding:
    """Somebody should look at it."""
    return Finding(check, Verdict.WARN, text, fix)


def failed(check: str, text: str, fix: str) -> Finding:
    """Somebody has to mend it."""
    return Finding(check, Verdict.FAIL, text, fix)
