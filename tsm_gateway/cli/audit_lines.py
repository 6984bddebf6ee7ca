"""The audit log as text: one JSON object a line, and the head that ends an export.

```
{"number": 1, "at": "2026-11-24T11:30:11Z", "actor": …, "facts": {…}, "hash": "64 hexadecimal digits"}
…
{"head": 1, "hash": "…", "gateway": "…", "exported_at": "…"}
```

The head is what to keep: number and hash of the last entry, from which a log that was cut off or
rewritten later is told.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.output import when
from tsm_gateway.registry.audit import HASH_OCTETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.registry.audit import ChainedEntry

LONGEST_LINE = 1 << 20  # characters; an entry has a few hundred
HEAD = re.compile(r"([0-9]{1,18}):([0-9a-fA-F]{64})")
EXPORT_CUT = "has no head as its last line: it was cut off, or is no export of the audit log"


class Witnessed(NamedTuple):
    """Number and hash of an entry, as somebody wrote them down earlier."""

    sequence: int
    hash: bytes  # 32 octets


def plain(chained: ChainedEntry) -> dict[str, object]:
    """An entry as people and programs read it; a damaged one as far as it can be told."""
    entry = chained.entry
    return {
        "number": chained.sequence,
        "at": _when(entry.at),
        "actor": str(entry.actor),
        "action": str(entry.action),
        "subject": str(entry.subject),
        "outcome": str(entry.outcome),
        "reason": str(entry.reason),
        "facts": {str(name): str(value) for name, value in entry.facts},
        "hash": hash_of(chained).hex(),
    }


def hash_of(chained: ChainedEntry) -> bytes:
    """Its hash as it is stored; b"" when what stands there is none: found broken, it stops nobody."""
    stored: object = chained.hash
    return stored if isinstance(stored, bytes) else b""


def _when(at: int) -> str | None:
    """None when what stands there is no time."""
    try:
        return when(at)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def head_line(head: Witnessed, gateway: str, at: int) -> dict[str, object]:
    """The last line of an export, made at Unix second `at`."""
    return {
        "head": head.sequence,
        "hash": head.hash.hex(),
        "gateway": gateway,
        "exported_at": when(at),
    }


def witnesses(against: str, path: Path) -> Iterator[Witnessed]:
    """What was written down earlier, in order: `SEQUENCE:HASH` itself, or the lines of an export at `path`.

    Raises InputInvalid for what is neither, also in the midst of a file.
    """
    head = HEAD.fullmatch(against)
    if head is not None:
        yield Witnessed(int(head[1]), bytes.fromhex(head[2]))
        return
    yield from _lines_of(path)


def _lines_of(path: Path) -> Iterator[Witnessed]:
    """Entries and head of an export. Raises InputInvalid."""
    last: Witnessed | None = None
    ended = False
    try:
        with path.open(encoding="utf-8") as file:
            while line := file.readline(LONGEST_LINE):
                found, is_head = _read(line, path)
                if ended or (last is not None and found.sequence != last.sequence + (not is_head)):
                    raise InputInvalid(what=str(path), problem="its lines are not in order")
                ended, last = is_head, found
                yield found
    except (OSError, UnicodeDecodeError) as error:
        raise InputInvalid(what=str(path), problem=f"cannot be read: {_why(error)}") from None
    if not ended:
        raise InputInvalid(what=str(path), problem=EXPORT_CUT)


def _read(line: str, path: Path) -> tuple[Witnessed, bool]:
    """One line, and whether it is the head. Raises InputInvalid."""
    try:
        row = json.loads(line)
        is_head = "head" in row
        sequence, octets = row["head" if is_head else "number"], bytes.fromhex(row["hash"])
    except (ValueError, TypeError, KeyError):
        raise InputInvalid(what=str(path), problem="is no export of the audit log") from None
    if type(sequence) is not int or sequence < 0 or len(octets) != HASH_OCTETS:
        raise InputInvalid(what=str(path), problem="is no export of the audit log")
    return Witnessed(sequence, octets), is_head


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "it is not UTF-8"
