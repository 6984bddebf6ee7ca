"""What is wrong with a configuration file: every problem, with file, line, key and a way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.errors import Side, TsmError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Problem(NamedTuple):
    """One problem: `file:line: key: problem - suggestion`."""

    file: str
    line: int  # from 1; 0 when the file could not be read at all
    key: str  # dotted, "smpp[0].host"; "" for the file as a whole
    problem: str
    suggestion: str = ""  # what to do, "" when the problem says it

    def __str__(self) -> str:
        """As compilers write it, so that editors jump to the line."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        return f"{place}:{key} {self.problem}{f' - {self.suggestion}' if self.suggestion else ''}"


class SettingsErrors(TsmError):
    """The configuration is not usable."""

    code, side, temporary = "config-invalid", Side.OURS, False

    def __init__(self, problems: Sequence[Problem]) -> None:
        """`problems` in the order of the file; at least one."""
        super().__init__(problems=len(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """Every problem on a line of its own."""
        return "\n".join(map(str, self.problems))
