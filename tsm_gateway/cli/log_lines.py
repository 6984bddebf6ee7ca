"""Where log lines come from: a file that may be rotated, stdin, or systemd's journal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tsm_gateway.cli.errors import InputInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

POLL_S = 0.1  # between looks at a file: people do not see a shorter wait
LAST = 10  # lines of the journal shown before new ones, as tail does


def follow_stdin() -> Iterator[str]:
    """Lines of stdin up to its end."""
    for line in sys.stdin:
        yield line.rstrip("\n")


def follow_file(name: str, *, follow: bool) -> Iterator[str]:
    """Lines of a file from its beginning, then new ones for ever, through rotation and truncation.

    A line is given once it is complete. Raises InputInvalid when there is no such file at the start.
    """
    path = Path(name)
    try:
        file = path.open(encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InputInvalid(what=name, problem=f"cannot be read: {error.strerror}") from None
    pending = ""
    while True:
        text = file.readline()
        if text:
            pending += text
            if pending.endswith("\n"):
                yield pending[:-1]
                pending = ""
            continue
        if not follow:
            file.close()
            if pending:
                yield pending
            return
        if _replaced(path, file):
            file.close()
            file, pending = path.open(encoding="utf-8", errors="backslashreplace"), ""
            continue
        time.sleep(POLL_S)


def _replaced(path: Path, file: TextIO) -> bool:
    """Whether `path` is another file by now, or was cut short; False while it is being rotated."""
    try:
        found = path.stat()
    except OSError:
        return False
    held = os.fstat(file.fileno())
    return (found.st_dev, found.st_ino) != (held.st_dev, held.st_ino) or found.st_size < file.tell()


def follow_journal(unit: str, *, follow: bool) -> Iterator[str]:
    """Lines of a unit's journal. Raises InputInvalid where there is no journal."""
    program = shutil.which("journalctl")
    if program is None:
        raise InputInvalid(what="journalctl", problem="is not installed: name the log file, or - for stdin")
    command = [program, f"--unit={unit}", "--output=cat", "--no-pager"]
    command += ["--follow", f"--lines={LAST}"] if follow else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="backslashreplace") as process:  # noqa: S603 - a fixed command
        try:
            for line in process.stdout or ():
                yield line.rstrip("\n")
        finally:
            process.terminate()
