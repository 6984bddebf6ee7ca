"""The root of every error of the gateway.

A class, not a text, says what happened: its docstring is the message, `code` is what operators grep
for, `side` is who is at fault and `temporary` is all the relay asks before it decides. Only the named
`facts` vary, and only facts fit for a log (a count, a length, a name) may be given: never a key, an
opened payment or a whole phone number.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class Side(Enum):
    """Who has to change something."""

    OURS = "ours"  # the gateway, its machine or its configuration
    PEER = "peer"  # whoever sent the octets


class TsmError(Exception):
    """The gateway failed."""

    code: ClassVar[str] = "failed"
    side: ClassVar[Side] = Side.OURS
    temporary: ClassVar[bool] = False

    def __init__(self, **facts: int | str) -> None:
        """`facts` are log fields from the allow-list: counts, lengths, names."""
        super().__init__()
        self.facts = facts

    def __str__(self) -> str:
        """The docstring's first line, the facts, and the code to look up with `explain`."""
        text = (self.__doc__ or "").partition("\n")[0].rstrip(".")
        facts = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{text}{f' ({facts})' if facts else ''} [{self.code}]"
