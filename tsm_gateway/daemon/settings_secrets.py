"""Secrets a configuration refers to: "file:/path" or "credential:NAME" (systemd's LoadCredential=)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.secret import Secret

LONGEST = 65_536  # octets; a secret is a line or a key, so more is the wrong file


class SecretUnreadable(TsmError):
    """A secret the configuration refers to cannot be read."""

    code, side, temporary = "secret-unreadable", Side.OURS, False

    def __init__(self, reference: str, problem: str, suggestion: str = "") -> None:
        """`reference` as configured; `problem` and `suggestion` are sentences for people."""
        super().__init__(reference=reference, problem=problem)
        self.problem = problem
        self.suggestion = suggestion


def secret_path(reference: str) -> Path:
    """The file behind a reference. Raises SecretUnreadable for a credential outside a service."""
    kind, _, rest = reference.partition(":")
    if kind == "file":
        return Path(rest)
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        problem = "there are no credentials here: $CREDENTIALS_DIRECTORY is not set"
        way_out = f"run as the systemd service with LoadCredential={rest}:/path, or use file:/path"
        raise SecretUnreadable(reference, problem, way_out)
    return Path(directory, rest)


def secret_value(reference: str) -> Secret:
    """Read the secret, one newline at its end removed.

    Raises SecretUnreadable when it is missing, empty, too long, no regular file, or a file that others
    than its owner may read or that belongs to somebody else.
    """
    path = secret_path(reference)
    try:
        octets, status = _read(path)
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
        raise SecretUnreadable(reference, problem, "make the file readable, or name another") from None
    _check(reference, path, status)
    if len(octets) > LONGEST:
        raise SecretUnreadable(reference, f"holds more than {LONGEST} octets: not a secret of ours")
    octets = octets.removesuffix(b"\n").removesuffix(b"\r")
    if not octets:
        raise SecretUnreadable(reference, "holds nothing")
    return Secret(octets)


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    """The octets and the state of the very file they came from. Raises OSError; never waits for a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - by descriptor, so that nobody swaps the file
        status = os.fstat(descriptor)
        return (file.read(LONGEST + 1) if stat.S_ISREG(status.st_mode) else b""), status


def _check(reference: str, path: Path, status: os.stat_result) -> None:
    """Raise unless it is a regular file that is its owner's alone; systemd guards its credentials itself."""
    if not stat.S_ISREG(status.st_mode):
        raise SecretUnreadable(reference, "is not a regular file")
    if reference.startswith("credential:"):
        return
    if status.st_mode & 0o077:
        problem = f"others may read or write it (mode {stat.S_IMODE(status.st_mode):04o})"
        raise SecretUnreadable(reference, problem, f"chmod 600 {path}")
    if status.st_uid not in {0, os.geteuid()} and os.geteuid() != 0:
        raise SecretUnreadable(reference, "belongs to another user", f"chown it to uid {os.geteuid()}")
