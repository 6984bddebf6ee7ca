"""How a command ends: which failure is which exit code (design §8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.daemon.exits import Exit
from tsm_gateway.daemon.settings import SettingsErrors
from tsm_gateway.errors import TsmError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Error code -> exit code of a command, where it is not what a daemon would end with.
_CODES: Mapping[str, Exit] = {
    "already-known": Exit.CONFLICT,
    "move-not-allowed": Exit.CONFLICT,
    "store-locked": Exit.CONFLICT,
    "master-file-exists": Exit.CONFLICT,
    "not-known": Exit.NOT_FOUND,
}


def exit_code_of(error: BaseException) -> int | None:
    """The exit code for an expected failure; None for a defect, which shows its traceback."""
    if isinstance(error, SettingsErrors):
        return Exit.USAGE
    if isinstance(error, PermissionError):
        return Exit.DENIED
    if isinstance(error, TsmError):
        return _CODES.get(error.code, Exit.of(error))
    return None
