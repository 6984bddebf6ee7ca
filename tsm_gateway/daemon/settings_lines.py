"""In which line of a TOML file each key stands.

`tomllib` keeps no positions, so a second, shallow reader walks the text. It runs only over what
`tomllib` has accepted, hence knows strings, brackets and comments and checks nothing.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Path = tuple[str | int, ...]  # ("smpp", 0, "tls", "ca")

_FILL = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^=\]"'])+""")
_SCALAR = re.compile(
    r'''"""(?:\\.|[^\\])*?""""{0,2}'''  # up to two quotes may stand before the closing three
    r"""|'''.*?''''{0,2}"""
    r'''|"(?:[^"\\]|\\.)*"'''
    r"""|'[^']*'"""
    r"""|[^,\]}#\n]+""",
    re.DOTALL,
)


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest table around it; 1 when the file has neither."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def key_lines(text: str) -> dict[Path, int]:
    """Line, from 1, of every key, table and array element of `text`, which is valid TOML."""
    walk = _Walk(text)
    walk.document()
    return walk.lines


def _names(key: str) -> tuple[str, ...]:
    """The names of a dotted key, its quotes and escapes resolved."""
    names = []
    table: object = tomllib.loads(f"{key.strip()} = 0")
    while isinstance(table, dict):
        ((name, table),) = table.items()
        names.append(name)
    return tuple(names)


class _Walk:
    """A position in the text, and what was seen up to it."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._tables: dict[Path, int] = {}  # array of tables -> how many elements so far

    def document(self) -> None:
        """Every header and every key of the file."""
        prefix: Path = ()
        while self._peek():
            if self._peek() == "[":
                prefix = self._header()
            else:
                self._pair(prefix)

    def _peek(self) -> str:
        self._skip(_FILL)
        return self._text[self._at : self._at + 1]

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        taken = match.group() if match else ""
        self._at += len(taken)
        return taken

    def _note(self, path: Path, at: int) -> None:
        line = bisect_right(self._starts, at)
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def _header(self) -> Path:
        """`[table]` or `[[element of an array]]`."""
        start = self._at
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        *parents, last = _names(self._skip(_KEY))
        self._at += brackets
        path: Path = ()
        for name in parents:
            path = self._inside((*path, name))
        path = (*path, last)
        if brackets == 1:
            path = self._inside(path)
        else:
            self._tables[path] = self._tables.get(path, 0) + 1
            path = self._inside(path)
        self._note(path, start)
        return path

    def _inside(self, path: Path) -> Path:
        """The latest element when `path` is an array of tables."""
        return (*path, self._tables[path] - 1) if path in self._tables else path

    def _pair(self, prefix: Path) -> None:
        start = self._at
        path = (*prefix, *_names(self._skip(_KEY)))
        self._at += 1  # "="
        self._note(path, start)
        self._value(path)

    def _value(self, path: Path) -> None:
        first = self._peek()
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline(path)
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while self._peek() != "]":
            self._note((*path, index), self._at)
            self._value((*path, index))
            index += 1
            if self._peek() == ",":
                self._at += 1
        self._at += 1

    def _inline(self, path: Path) -> None:
        self._at += 1
        while self._peek() != "}":
            self._pair(path)
            if self._peek() == ",":
                self._at += 1
        self._at += 1
