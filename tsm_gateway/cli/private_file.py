"""Files that hold secrets and are too long to be read at once."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tsm_gateway.cli.context import acting_as_owner_of
from tsm_gateway.cli.errors import InputInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

ROOT = 0
OTHERS = 0o077
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW


class FileExposed(InputInvalid):
    """A file of keys is not its owner's alone."""

    code = "file-exposed"


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """A regular file, opened to be read, that is its owner's alone: root's, or of whoever runs the command.

    As root, it may be anybody's. Raises InputInvalid, FileExposed.
    """
    with acting_as_owner_of(path):
        try:
            descriptor = os.open(path, _READ)
        except OSError as error:
            way_out = " (a link is not followed)" if path.is_symlink() else ""
            problem = f"cannot be read: {error.strerror}{way_out}"
            raise InputInvalid(what=str(path), problem=problem) from None
    with open(descriptor, "rb") as file:  # noqa: PTH123 - by descriptor, so that nobody swaps the file
        _check(path, os.fstat(descriptor))
        yield file


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise InputInvalid(what=str(path), problem="is not a regular file")
    if status.st_mode & OTHERS:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        problem = f"holds keys, and others may read or write it (mode {mode}): chmod 600, and see who did"
        raise FileExposed(what=str(path), problem=problem)
    if os.getuid() != ROOT and status.st_uid not in {ROOT, os.geteuid()}:
        raise FileExposed(what=str(path), problem="holds keys, and belongs to another user")
